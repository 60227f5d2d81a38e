//! Endpoints of webhooks.

use aws_lc_rs::rand;
use axum::{
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use flotilla_bus::Pattern;
use flotilla_kit::{
    Secret,
    auth::{Bearer, Claims},
    http::{
        Json, Path, Problem, Query, Violations,
        conditional::{ETag, IfMatch, IfNoneMatch},
        page::{Page, PageParameters},
    },
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{
    actions::{ADMIN, notifications::cut, verb},
    domain::{category::Category, channel::Channel, rules},
    send::webhook,
    store::{
        endpoints::{self, Endpoint},
        notifications::{self, New},
    },
};

/// Types that an endpoint may have.
const TYPES: usize = 20;

/// Bytes of a secret: what Standard Webhooks has them from 24 to 64.
const SECRET: usize = 32;

/// An endpoint to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewEndpoint {
    url: String,
    /// Such as `shop.order.paid.v1` or `shop.order.*`.
    types: Vec<String>,
    /// Left out: true.
    enabled: Option<bool>,
}

/// An endpoint.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EndpointView {
    id: Uuid,
    url: String,
    types: Vec<String>,
    enabled: bool,
    /// Since when it has taken nothing.
    failing_since: Option<Timestamp>,
    created_at: Timestamp,
    /// What signatures are checked with. Only told when it is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// A page of endpoints.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Endpoints {
    items: Vec<EndpointView>,
    next_cursor: Option<String>,
}

/// A new secret.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NewSecret {
    /// The one before is good for another day.
    secret: String,
}

fn view(endpoint: Endpoint, secret: Option<String>) -> EndpointView {
    EndpointView {
        id: endpoint.id,
        url: endpoint.url,
        types: endpoint.types,
        enabled: endpoint.enabled,
        failing_since: endpoint.failing_since,
        created_at: endpoint.created_at,
        secret,
    }
}

fn tag(endpoint: &Endpoint) -> ETag {
    ETag(endpoint.version.unsigned_abs())
}

fn check(app: &App, new: &NewEndpoint) -> Result<(), Problem> {
    let mut violations = Violations::new();
    violations.check("/url", app.guard.target(&new.url));
    if !(1..=TYPES).contains(&new.types.len()) {
        violations.add("/types", format!("write from 1 to {TYPES}"));
    }
    for (at, kind) in new.types.iter().enumerate() {
        let is_one = Pattern::try_from(kind.as_str()).is_ok() && rules::is_for_webhooks(kind);
        if !is_one {
            let begins = rules::FOR_WEBHOOKS.join(" or ");
            violations
                .add(format!("/types/{at}"), format!("write a type of events that begins with {begins}"));
        }
    }
    violations.into_result()
}

/// A secret, sealed and as it is shown.
fn secret(app: &App, id: Uuid) -> Result<(Vec<u8>, String), Problem> {
    let mut bytes = vec![0; SECRET];
    rand::fill(&mut bytes)
        .map_err(|_| Problem::internal(&std::io::Error::other("there are no random numbers")))?;
    let sealed = app.keys.seal(id, &bytes).map_err(|error| Problem::internal(&error))?;
    Ok((sealed, webhook::show(&Secret::new(bytes))))
}

async fn found(app: &App, id: Uuid) -> Result<Endpoint, Problem> {
    let found = endpoints::get(&app.pool, id).await?;
    found.ok_or_else(no_endpoint)
}

/// All endpoints.
#[utoipa::path(get, path = "/v1/webhook-endpoints", tag = "webhooks", security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "From 1 to 100"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Endpoints)))]
pub(super) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    uri: Uri,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let (limit, scope) = (page.limit()?, "webhook-endpoints");
    let after = page.cursor.as_deref().map(|cursor| app.cursors.open(scope, cursor)).transpose()?;
    let found = endpoints::list(&app.pool, after, i64::from(limit) + 1).await?;
    let part = cut(&app.cursors, scope, limit, found, |one| one.id)?;
    let items = part.items.into_iter().map(|one| view(one, None)).collect();
    Ok(Page { items, next_cursor: part.next_cursor }.into_response(&uri))
}

/// Adds an endpoint. Its secret is told this once.
#[utoipa::path(post, path = "/v1/webhook-endpoints", tag = "webhooks", security(("bearer" = [])), request_body = NewEndpoint,
    responses((status = 201, body = EndpointView, headers(("Location" = String), ("ETag" = String)))))]
pub(super) async fn add(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Json(new): Json<NewEndpoint>,
) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    check(&app, &new)?;
    let id = Uuid::now_v7();
    let (sealed, shown) = secret(&app, id)?;
    endpoints::add(&app.pool, id, &new.url, &new.types, &sealed).await?;
    let endpoint = found(&app, id).await?;
    let headers = [
        (header::LOCATION, format!("/v1/webhook-endpoints/{id}")),
        (header::ETAG, tag(&endpoint).to_string()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
    ];
    Ok((StatusCode::CREATED, headers, Json(view(endpoint, Some(shown)))).into_response())
}

/// An endpoint.
#[utoipa::path(get, path = "/v1/webhook-endpoints/{id}", tag = "webhooks", security(("bearer" = [])),
    params(("id" = Uuid, Path), ("If-None-Match" = Option<String>, Header, description = "The ETag that is known")),
    responses((status = 200, body = EndpointView, headers(("ETag" = String))),
        (status = 304, description = "It is as it is known")))]
pub(super) async fn get(
    State(app): State<App>,
    Bearer(claims): Bearer,
    known: IfNoneMatch,
    Path(id): Path<Uuid>,
) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let endpoint = found(&app, id).await?;
    Ok(known.answer(tag(&endpoint), || Json(view(endpoint, None)).into_response()))
}

/// Changes an endpoint. What failed before is forgotten.
#[utoipa::path(put, path = "/v1/webhook-endpoints/{id}", tag = "webhooks", security(("bearer" = [])), request_body = NewEndpoint,
    params(("id" = Uuid, Path), ("If-Match" = String, Header)),
    responses((status = 200, body = EndpointView)))]
pub(super) async fn put(
    State(app): State<App>,
    Bearer(claims): Bearer,
    wanted: IfMatch,
    Path(id): Path<Uuid>,
    Json(new): Json<NewEndpoint>,
) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let mut endpoint = found(&app, id).await?;
    wanted.check(tag(&endpoint))?;
    check(&app, &new)?;
    (endpoint.url, endpoint.types) = (new.url, new.types);
    endpoint.enabled = new.enabled.unwrap_or(true);
    if !endpoints::put(&app.pool, &endpoint).await? {
        let detail = "somebody has changed it; read it again and decide anew";
        return Err(Problem::new(StatusCode::PRECONDITION_FAILED, "stale", detail));
    }
    let endpoint = found(&app, id).await?;
    let tag = tag(&endpoint).to_string();
    Ok(([(header::ETAG, tag)], Json(view(endpoint, None))).into_response())
}

/// Takes an endpoint back.
#[utoipa::path(delete, path = "/v1/webhook-endpoints/{id}", tag = "webhooks", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn remove(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    claims.require(ADMIN)?;
    if endpoints::remove(&app.pool, id).await? { Ok(StatusCode::NO_CONTENT) } else { Err(no_endpoint()) }
}

/// Does something with an endpoint: `/v1/webhook-endpoints/ID:rotate` or `:test`.
pub(super) async fn act(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    match verb(&path) {
        Some((id, "rotate")) => rotate(&app, &claims, id).await,
        Some((id, "test")) => test(&app, &claims, id).await,
        _ => Err(Problem::not_found("write /v1/webhook-endpoints/ID:rotate or :test")),
    }
}

fn no_endpoint() -> Problem {
    Problem::not_found("there is no such endpoint")
}

/// Gives an endpoint another secret. The one before is good for another day: signatures are made with both.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{id}:rotate", tag = "webhooks", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, body = NewSecret)))]
pub(super) async fn rotate(app: &App, claims: &Claims, id: &str) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let id = id.parse().map_err(|_| no_endpoint())?;
    let (sealed, shown) = secret(app, id)?;
    if !endpoints::rotate(&app.pool, id, &sealed).await? {
        return Err(no_endpoint());
    }
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(NewSecret { secret: shown })).into_response())
}

/// Sends something to an endpoint, to see whether it takes it.
#[utoipa::path(post, path = "/v1/webhook-endpoints/{id}:test", tag = "webhooks", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses((status = 202)))]
pub(super) async fn test(app: &App, claims: &Claims, id: &str) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let id: Uuid = id.parse().map_err(|_| no_endpoint())?;
    found(app, id).await?;
    let data = json!({ "endpoint_id": id });
    let (subject, key) = (id.to_string(), format!("{}/test/{}", rules::WEBHOOK, Uuid::now_v7()));
    let new = New {
        dedupe_key: &key,
        user: None,
        template: rules::WEBHOOK,
        category: Category::Updates,
        subject: &subject,
        kind: "shop.webhook.tested.v1",
        data: &data,
        correlation_id: None,
        traceparent: None,
        time: Timestamp::now(),
    };
    let mut transaction = app.pool.begin().await?;
    let recipients = [(Channel::Webhook, subject.clone())];
    let (notification, _is_new) = notifications::queue(&mut transaction, &new, &recipients).await?;
    transaction.commit().await?;
    app.bell.ring();
    let location = format!("/v1/notifications/{notification}");
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)]).into_response())
}
