//! Deliveries that were given up.

use axum::{extract::State, http::Uri, response::Response};
use flotilla_kit::{
    auth::Bearer,
    http::{
        Json, Problem, Query, Violations,
        page::{Page, PageParameters},
    },
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::App;
use crate::{
    actions::{ADMIN, notifications::cut},
    store::deliveries,
};

/// Dead letters that may be named at a time.
const MAX: usize = 1_000;

/// A dead letter.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetter {
    /// The delivery.
    id: Uuid,
    notification_id: Uuid,
    channel: String,
    template: String,
    /// What was said of the last attempt.
    reason: Option<String>,
    attempts: i32,
    /// When it was given up.
    time: Timestamp,
}

/// A page of dead letters.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeadLetters {
    items: Vec<DeadLetter>,
    next_cursor: Option<String>,
}

/// Which.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Left out: all of them.
    ids: Option<Vec<Uuid>>,
}

/// How many.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Replayed {
    replayed: u64,
}

/// What was given up, the last first.
#[utoipa::path(get, path = "/v1/dead-letters", tag = "dead letters", security(("bearer" = [])),
    params(("limit" = Option<u32>, Query, description = "From 1 to 100"), ("cursor" = Option<String>, Query)),
    responses((status = 200, body = DeadLetters)))]
pub(super) async fn list(
    State(app): State<App>,
    Bearer(claims): Bearer,
    uri: Uri,
    Query(page): Query<PageParameters>,
) -> Result<Response, Problem> {
    claims.require(ADMIN)?;
    let (limit, scope) = (page.limit()?, "dead-letters");
    let before = page.cursor.as_deref().map(|cursor| app.cursors.open(scope, cursor)).transpose()?;
    let found = deliveries::dead(&app.pool, before, i64::from(limit) + 1).await?;
    let part = cut(&app.cursors, scope, limit, found, |one| (one.time, one.id))?;
    let items = part.items.into_iter().map(|one| DeadLetter {
        id: one.id,
        notification_id: one.notification,
        channel: one.channel,
        template: one.template,
        reason: one.reason,
        attempts: one.attempts,
        time: one.time,
    });
    Ok(Page { items: items.collect(), next_cursor: part.next_cursor }.into_response(&uri))
}

/// Sends dead letters again, at most 10,000 at a time.
#[utoipa::path(post, path = "/v1/dead-letters:replay", tag = "dead letters", security(("bearer" = [])), request_body = Which,
    responses((status = 200, body = Replayed)))]
pub(super) async fn replay(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Json(which): Json<Which>,
) -> Result<Json<Replayed>, Problem> {
    claims.require(ADMIN)?;
    let mut violations = Violations::new();
    if which.ids.as_ref().is_some_and(|ids| ids.len() > MAX) {
        violations.add("/ids", format!("write at most {MAX}"));
    }
    violations.into_result()?;
    let replayed = deliveries::replay(&app.pool, which.ids.as_deref(), None).await?;
    app.bell.ring();
    Ok(Json(Replayed { replayed }))
}
