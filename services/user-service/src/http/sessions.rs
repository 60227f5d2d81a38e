//! Sessions of whoever is logged in.

use axum::{extract::State, http::StatusCode, response::IntoResponse};
use flotilla_kit::http::{Json, Path, Problem as Failure};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Answer, private};
use crate::{
    actions::Principal,
    app::App,
    store::{audit, sessions},
};

/// Sessions that are listed.
const LIMIT: u32 = 100;

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct Session {
    id: Uuid,
    /// What program it is of, as that says.
    user_agent: String,
    /// Whether a second factor was used.
    second_factor: bool,
    /// Whether it is the one that asks.
    current: bool,
    created_at: Timestamp,
    last_used_at: Timestamp,
    expires_at: Timestamp,
}

/// Sessions that go on.
#[derive(Serialize, ToSchema)]
pub(super) struct Sessions {
    items: Vec<Session>,
}

/// The sessions that go on, the newest first, at most 100.
#[utoipa::path(get, path = "/v1/users/me/sessions", tag = "sessions", security(("bearer" = [])), responses(
    (status = 200, description = "Sessions that go on", body = Sessions),
))]
pub(super) async fn list(State(app): State<App>, principal: Principal) -> Answer {
    let sessions = sessions::list(&app.pool, principal.user, LIMIT).await?;
    let session = |session: sessions::Session| Session {
        id: session.id,
        user_agent: session.user_agent,
        second_factor: session.has_second_factor,
        current: session.id == principal.session,
        created_at: session.created_at,
        last_used_at: session.last_used_at,
        expires_at: session.expires_at,
    };
    let items = sessions.into_iter().map(session).collect();
    Ok(private(Json(Sessions { items }).into_response()))
}

/// Ends a session.
#[utoipa::path(delete, path = "/v1/users/me/sessions/{id}", tag = "sessions", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The session"),
), responses(
    (status = 204, description = "It is ended, and its tokens are good no longer"),
))]
pub(super) async fn end(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    let mut transaction = app.pool.begin().await?;
    if !sessions::end(&mut transaction, principal.user, id, "revoked").await? {
        return Err(Failure::not_found("there is no such session"));
    }
    let detail = json!({ "session": id });
    audit::append(&mut transaction, Some(principal.user), principal.user, "session_revoked", detail).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Ends all sessions but the one that asks.
#[utoipa::path(delete, path = "/v1/users/me/sessions", tag = "sessions", security(("bearer" = [])), responses(
    (status = 204, description = "All others are ended"),
))]
pub(super) async fn end_others(State(app): State<App>, principal: Principal) -> Answer {
    let mut transaction = app.pool.begin().await?;
    let ended =
        sessions::end_all(&mut transaction, principal.user, Some(principal.session), "revoked").await?;
    let detail = json!({ "ended": ended });
    audit::append(&mut transaction, Some(principal.user), principal.user, "sessions_revoked", detail).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
