//! Browsers that people are pushed to.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flotilla_kit::{
    auth::Bearer,
    http::{Json, Path, Problem, Violations},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{actions::user, send::push::Subscription, store::push_subscriptions};

/// Bytes of an uncompressed point of P-256.
const POINT: usize = 65;

/// Bytes of the secret (RFC 8291, section 3.2).
const SECRET: usize = 16;

/// What a browser gives (`PushSubscription.toJSON()`).
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct NewSubscription {
    /// Where to push to.
    endpoint: String,
    keys: SubscriptionKeys,
}

/// Keys, in base64url.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct SubscriptionKeys {
    p256dh: String,
    #[schema(value_type = String)]
    auth: flotilla_kit::Secret<String>,
}

/// A browser.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SubscriptionView {
    id: Uuid,
    created_at: Timestamp,
}

/// Browsers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Subscriptions {
    items: Vec<SubscriptionView>,
    /// What a browser needs to subscribe (`applicationServerKey`). Nothing: this shop does not push.
    application_server_key: Option<String>,
}

/// Your browsers, and what another one needs to subscribe.
#[utoipa::path(get, path = "/v1/push-subscriptions", tag = "push", security(("bearer" = [])), responses((status = 200, body = Subscriptions)))]
pub(super) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
) -> Result<Json<Subscriptions>, Problem> {
    let mut connection = app.pool.acquire().await?;
    let known = push_subscriptions::list(&mut connection, user(&claims)?).await?;
    connection.done();
    let items = known.into_iter().map(|one| SubscriptionView { id: one.id, created_at: one.created_at });
    Ok(Json(Subscriptions { items: items.collect(), application_server_key: app.push_key }))
}

/// Subscribes a browser.
#[utoipa::path(post, path = "/v1/push-subscriptions", tag = "push", security(("bearer" = [])), request_body = NewSubscription,
    responses((status = 201, body = SubscriptionView), (status = 409)))]
pub(super) async fn add(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Json(new): Json<NewSubscription>,
) -> Result<Response, Problem> {
    let mut violations = Violations::new();
    violations.check("/endpoint", app.guard.target(&new.endpoint));
    let mut key = |pointer: &str, text: &str, length: usize| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).unwrap_or_default();
        if bytes.len() != length {
            violations.add(pointer, format!("write {length} bytes in base64url"));
        }
        bytes
    };
    let p256dh = key("/keys/p256dh", &new.keys.p256dh, POINT);
    let auth = key("/keys/auth", new.keys.auth.expose(), SECRET);
    let subscription = Subscription { endpoint: new.endpoint, p256dh, auth };
    if subscription.p256dh.len() == POINT && !subscription.is_usable() {
        violations.add("/keys/p256dh", "write a point of P-256");
    }
    violations.into_result()?;
    let known = push_subscriptions::add(&app.pool, user(&claims)?, &subscription).await?;
    let Some(known) = known else {
        let detail = format!("you have {} browsers; take one back first", push_subscriptions::MAX);
        return Err(Problem::new(StatusCode::CONFLICT, "too_many", detail));
    };
    let view = SubscriptionView { id: known.id, created_at: known.created_at };
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Takes a browser back.
#[utoipa::path(delete, path = "/v1/push-subscriptions/{id}", tag = "push", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn remove(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    let mut connection = app.pool.acquire().await?;
    let is_removed = push_subscriptions::remove(&mut connection, id, Some(user(&claims)?)).await?;
    connection.done();
    if is_removed {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("there is no such subscription"))
    }
}
