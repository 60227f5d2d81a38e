//! Addresses that nothing is sent to any more.

use axum::{extract::State, http::StatusCode};
use flotilla_kit::{
    auth::Bearer,
    http::{Json, Path, Problem, Query},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::App;
use crate::{actions::ADMIN, store::suppressions};

/// Which.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// The address. Only hashes of them are kept, so there is no list.
    address: String,
}

/// That nothing is sent to an address.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Suppression {
    id: Uuid,
    reason: String,
    created_at: Timestamp,
}

/// Whether nothing is sent to an address.
#[utoipa::path(get, path = "/v1/suppressions", tag = "suppressions", security(("bearer" = [])), params(Which),
    responses((status = 200, body = Suppression), (status = 404)))]
pub(super) async fn find(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Query(which): Query<Which>,
) -> Result<Json<Suppression>, Problem> {
    claims.require(ADMIN)?;
    let found = suppressions::find(&app.pool, &app.keys.hash_address(&which.address)).await?;
    let found = found.ok_or_else(|| Problem::not_found("this address is sent to"))?;
    Ok(Json(Suppression { id: found.id, reason: found.reason, created_at: found.created_at }))
}

/// Sends to it again.
#[utoipa::path(delete, path = "/v1/suppressions/{id}", tag = "suppressions", security(("bearer" = [])), params(("id" = Uuid, Path)),
    responses((status = 204)))]
pub(super) async fn remove(
    State(app): State<App>,
    Bearer(claims): Bearer,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    claims.require(ADMIN)?;
    if suppressions::remove(&app.pool, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("there is no such suppression"))
    }
}
