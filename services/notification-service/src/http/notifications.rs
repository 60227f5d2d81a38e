//! What people were told, and what became of it.

use axum::{
    extract::{FromRequest, State},
    http::{HeaderValue, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use flotilla_kit::{
    auth::{Bearer, Claims},
    correlation::CorrelationId,
    http::{
        Json, Path, Problem, Query, RawBody, Violations,
        idempotency::{self, Begun, IdempotencyKey},
        page::{Page, PageParameters},
    },
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::App;
use crate::{
    actions::{self, ADMIN, may_see, user, verb},
    domain::outcome::Status,
    requests::{self, Request, Wrong},
    store::{
        deliveries,
        notifications::{self, Notification},
    },
};

/// What somebody is told.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNotification {
    /// Whom.
    user_id: Uuid,
    /// With which template.
    template: String,
    /// What it fills in.
    #[schema(value_type = Object)]
    data: Value,
}

/// A notification.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NotificationView {
    id: Uuid,
    user_id: Option<Uuid>,
    template: String,
    category: String,
    /// What it is about.
    subject: String,
    /// The type of the event that it comes from, or `request`.
    kind: String,
    status: Status,
    created_at: Timestamp,
}

/// A notification with its log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Detailed {
    #[serde(flatten)]
    notification: NotificationView,
    deliveries: Vec<DeliveryView>,
}

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryView {
    id: Uuid,
    channel: String,
    state: String,
    /// What was said of the last attempt.
    reason: Option<String>,
    attempts: Vec<AttemptView>,
}

/// An attempt.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttemptView {
    number: i32,
    started_at: Timestamp,
    duration_ms: i32,
    /// sent, later, refused, bounced or suppressed.
    outcome: String,
    /// The status of SMTP or HTTP.
    status: Option<i16>,
    detail: String,
    /// 0: the template of the program.
    template_version: Option<i32>,
}

/// A page of notifications.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Notifications {
    items: Vec<NotificationView>,
    next_cursor: Option<String>,
}

/// Whose.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Whose {
    /// The user, for admins alone. Left out: whoever asks; for admins: all.
    user: Option<Uuid>,
}

impl From<Notification> for NotificationView {
    fn from(of: Notification) -> Self {
        Self {
            status: of.status(),
            id: of.id,
            user_id: of.user,
            template: of.template,
            category: of.category,
            subject: of.subject,
            kind: of.kind,
            created_at: of.created_at,
        }
    }
}

/// What was told, the newest first.
#[utoipa::path(get, path = "/v1/notifications", tag = "notifications", security(("bearer" = [])),
    params(Whose, ("limit" = Option<u32>, Query, description = "From 1 to 100"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = Notifications)))]
pub(super) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    uri: Uri,
    Query(whose): Query<Whose>,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    let of = if claims.require(ADMIN).is_ok() {
        whose.user
    } else {
        let own = user(&claims)?;
        if whose.user.is_some_and(|other| other != own) {
            claims.require(ADMIN)?;
        }
        Some(own)
    };
    let part = actions::notifications::list(&app, of, page.limit()?, page.cursor.as_deref()).await?;
    let items = part.items.into_iter().map(NotificationView::from).collect();
    Ok(Page { items, next_cursor: part.next_cursor }.into_response(&uri))
}

async fn found(app: &App, id: Uuid) -> Result<Notification, Problem> {
    let found = notifications::get(&app.pool, id).await?;
    found.ok_or_else(no_notification)
}

fn no_notification() -> Problem {
    Problem::not_found("there is no such notification")
}

/// A notification, with each attempt to send it.
#[utoipa::path(get, path = "/v1/notifications/{id}", tag = "notifications", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses((status = 200, body = Detailed)))]
pub(super) async fn get(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<Json<Detailed>, Problem> {
    let notification = found(&app, id).await?;
    if !may_see(&claims, notification.user) {
        return Err(no_notification());
    }
    let deliveries = deliveries::of(&app.pool, &[id]).await?.remove(&id).unwrap_or_default();
    let deliveries = deliveries.into_iter().map(|delivery| DeliveryView {
        id: delivery.id,
        channel: delivery.channel,
        state: delivery.state,
        reason: delivery.reason,
        attempts: delivery
            .attempts
            .into_iter()
            .map(|attempt| AttemptView {
                number: attempt.number,
                started_at: attempt.started_at,
                duration_ms: attempt.duration_ms,
                outcome: attempt.outcome,
                status: attempt.status,
                detail: attempt.detail,
                template_version: attempt.template_version,
            })
            .collect(),
    });
    Ok(Json(Detailed { deliveries: deliveries.collect(), notification: notification.into() }))
}

/// Tells somebody something.
#[utoipa::path(post, path = "/v1/notifications", tag = "notifications", security(("bearer" = [])), request_body = NewNotification,
    params(("Idempotency-Key" = String, Header)),
    responses((status = 202, body = NotificationView), (status = 409)))]
pub(super) async fn create(
    State(app): State<App>,
    Bearer(claims): Bearer,
    key: IdempotencyKey,
    uri: Uri,
    headers: axum::http::HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let Json(new) = parse(&headers, body.clone()).await?;
    let to = new.user_id;
    let new = Request::new(&app.pool, to, &new.template, new.data).await?.map_err(wrong)?;
    let mut transaction = app.pool.begin().await?;
    let request = idempotency::Request {
        principal: &claims.sub,
        key: &key,
        method: &Method::POST,
        path: uri.path(),
        body: &body,
    };
    let pending = match idempotency::begin(&mut transaction, &request).await? {
        Begun::Repeated(response) => {
            transaction.rollback().await?;
            return Ok(response);
        }
        Begun::First(pending) => pending,
    };
    let dedupe = format!("{}/request/{}/{}", new.template(), claims.sub, key.as_str());
    let (correlation, traceparent) = (CorrelationId::current(), flotilla_kit::trace::traceparent());
    let (id, is_for_somebody) =
        new.queue(&mut transaction, &dedupe, correlation.as_ref(), traceparent.as_deref()).await?;
    let notification = NotificationView {
        id,
        user_id: Some(to),
        template: new.template().to_owned(),
        category: new.category().as_str().to_owned(),
        subject: to.to_string(),
        kind: requests::KIND.to_owned(),
        status: if is_for_somebody { Status::Queued } else { Status::Suppressed },
        created_at: Timestamp::now(),
    };
    let text = serde_json::to_vec(&notification).map_err(|error| Problem::internal(&error))?;
    let mut kept = vec![(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/notifications/{id}")) {
        kept.push((header::LOCATION, location));
    }
    let response = pending.store(&mut transaction, StatusCode::ACCEPTED, &kept, &Bytes::from(text)).await?;
    transaction.commit().await?;
    app.bell.ring();
    Ok(response)
}

async fn parse(headers: &axum::http::HeaderMap, body: Bytes) -> Result<Json<NewNotification>, Problem> {
    let mut request = axum::extract::Request::new(axum::body::Body::from(body));
    *request.headers_mut() = headers.clone();
    <Json<NewNotification> as FromRequest<()>>::from_request(request, &()).await
}

fn wrong(wrong: Wrong) -> Problem {
    let pointer = if matches!(wrong, Wrong::Template) { "/template" } else { "/data" };
    let mut violations = Violations::new();
    violations.add(pointer, wrong.to_string());
    violations.into_result().err().unwrap_or_else(|| Problem::internal(&wrong))
}

/// Does something with a notification: `/v1/notifications/ID:retry`.
pub(super) async fn act(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(path): Path<String>,
) -> Result<Response, Problem> {
    match verb(&path) {
        Some((id, "retry")) => retry(&app, &claims, id).await,
        _ => Err(Problem::not_found("write /v1/notifications/ID:retry")),
    }
}

/// Sends again what of a notification was given up.
#[utoipa::path(post, path = "/v1/notifications/{id}:retry", tag = "notifications", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses((status = 202), (status = 409)))]
pub(super) async fn retry(app: &App, claims: &Claims, id: &str) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let id = id.parse().map_err(|_| no_notification())?;
    found(app, id).await?;
    if deliveries::replay(&app.pool, None, Some(id)).await? == 0 {
        let detail = "nothing of this notification was given up";
        return Err(Problem::new(StatusCode::CONFLICT, "nothing_to_retry", detail));
    }
    app.bell.ring();
    Ok(StatusCode::ACCEPTED.into_response())
}
