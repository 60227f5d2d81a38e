//! What is known of whoever is logged in (GDPR, articles 15 and 20), gathered from all services beside the request.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::IntoResponse,
};
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
    store::{audit, exports},
};

/// An export.
#[derive(Serialize, ToSchema)]
pub(super) struct Export {
    id: Uuid,
    /// `pending`, `done` or `failed`.
    status: String,
    created_at: Timestamp,
    finished_at: Option<Timestamp>,
    /// Until when it can be had.
    expires_at: Option<Timestamp>,
}

impl From<exports::Export> for Export {
    fn from(export: exports::Export) -> Self {
        Self {
            id: export.id,
            status: export.status,
            created_at: export.created_at,
            finished_at: export.finished_at,
            expires_at: export.expires_at,
        }
    }
}

fn none() -> Failure {
    Failure::not_found("there is no such export")
}

/// Asks for an export. While one is being made it is taken for it; one that was made before is gone then.
#[utoipa::path(post, path = "/v1/users/me/export", tag = "export", security(("bearer" = [])), responses(
    (status = 202, description = "The export, whose address is in Location", body = Export),
))]
pub(super) async fn request(State(app): State<App>, principal: Principal) -> Answer {
    let mut transaction = app.pool.begin().await?;
    principal.lock(&mut transaction).await?;
    let (id, is_new) = exports::request(&mut transaction, principal.user).await?;
    if is_new {
        let detail = json!({ "export": id });
        audit::append(&mut transaction, Some(principal.user), principal.user, "export_requested", detail)
            .await?;
    }
    transaction.commit().await?;
    let export = exports::get(&app.pool, principal.user, id).await?.ok_or_else(none)?;
    let mut response = private((StatusCode::ACCEPTED, Json(Export::from(export))).into_response());
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/users/me/export/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// How far an export is.
#[utoipa::path(get, path = "/v1/users/me/export/{id}", tag = "export", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The export"),
), responses(
    (status = 200, description = "The export", body = Export),
))]
pub(super) async fn get(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    let export = exports::get(&app.pool, principal.user, id).await?.ok_or_else(none)?;
    Ok(private(Json(Export::from(export)).into_response()))
}

/// What an export has in it, once it is done.
#[utoipa::path(get, path = "/v1/users/me/export/{id}/content", tag = "export", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The export"),
), responses(
    (status = 200, description = "A line of JSON for each thing that is known", body = String, content_type = "application/x-ndjson"),
    (status = 409, description = "The export is not done"),
))]
pub(super) async fn content(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    exports::get(&app.pool, principal.user, id).await?.ok_or_else(none)?;
    let content = exports::content(&app.pool, principal.user, id).await?.ok_or_else(|| {
        let detail = "the export is not done; look at it again later";
        Failure::new(StatusCode::CONFLICT, "export_not_done", detail)
    })?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"export.ndjson\""),
    ];
    Ok(private((headers, content).into_response()))
}
