//! Where things are sent to whoever is logged in.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{
    Json, Path,
    conditional::{ETag, IfMatch, IfNoneMatch},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::Answer;
use crate::{
    actions::{
        Principal,
        addresses::{self as actions, NewAddress},
    },
    app::App,
    store::addresses::{self, Kept},
};

/// An address.
#[derive(Serialize, ToSchema)]
pub(super) struct Address {
    id: Uuid,
    recipient: String,
    line1: String,
    line2: String,
    city: String,
    region: String,
    postal_code: String,
    country: String,
    phone: String,
    is_default: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl From<Kept> for Address {
    fn from(kept: Kept) -> Self {
        Self {
            id: kept.id,
            recipient: kept.address.recipient,
            line1: kept.address.line1,
            line2: kept.address.line2,
            city: kept.address.city,
            region: kept.address.region,
            postal_code: kept.address.postal_code,
            country: kept.address.country,
            phone: kept.address.phone,
            is_default: kept.is_default,
            created_at: kept.created_at,
            updated_at: kept.updated_at,
        }
    }
}

/// All addresses of somebody.
#[derive(Serialize, ToSchema)]
pub(super) struct Addresses {
    items: Vec<Address>,
}

fn with_etag(kept: Kept) -> Response {
    let etag = ETag(kept.version);
    let mut response = Json(Address::from(kept)).into_response();
    response.headers_mut().insert(header::ETAG, etag.header());
    response
}

/// The addresses, the oldest first. There are at most 50.
#[utoipa::path(get, path = "/v1/users/me/addresses", tag = "addresses", security(("bearer" = [])), responses(
    (status = 200, description = "All of them", body = Addresses),
))]
pub(super) async fn list(State(app): State<App>, principal: Principal) -> Answer {
    let items = addresses::list(&app.pool, principal.user).await?.into_iter().map(Address::from).collect();
    Ok(Json(Addresses { items }).into_response())
}

/// Adds an address.
#[utoipa::path(post, path = "/v1/users/me/addresses", tag = "addresses", request_body = NewAddress, security(("bearer" = [])), responses(
    (status = 201, description = "The address, with its ETag", body = Address, headers(("ETag" = String))),
    (status = 409, description = "There are too many"),
))]
pub(super) async fn create(
    State(app): State<App>,
    principal: Principal,
    Json(sent): Json<NewAddress>,
) -> Answer {
    let kept = actions::add(&app, &principal, sent).await?;
    let id = kept.id;
    let mut response = with_etag(kept);
    *response.status_mut() = StatusCode::CREATED;
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/users/me/addresses/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// An address.
#[utoipa::path(get, path = "/v1/users/me/addresses/{id}", tag = "addresses", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The address"),
    ("If-None-Match" = Option<String>, Header, description = "The ETag that is known"),
), responses(
    (status = 200, description = "The address, with its ETag", body = Address, headers(("ETag" = String))),
    (status = 304, description = "It is as it is known"),
))]
pub(super) async fn get(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    known: IfNoneMatch,
) -> Answer {
    let kept = addresses::get(&app.pool, principal.user, id).await?.ok_or_else(actions::none)?;
    Ok(known.answer(ETag(kept.version), || Json(Address::from(kept)).into_response()))
}

/// Replaces an address.
#[utoipa::path(put, path = "/v1/users/me/addresses/{id}", tag = "addresses", request_body = NewAddress, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The address"),
    ("If-Match" = String, Header, description = "The ETag of what is changed"),
), responses(
    (status = 200, description = "The address, with its ETag", body = Address, headers(("ETag" = String))),
))]
pub(super) async fn replace(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    expected: IfMatch,
    Json(sent): Json<NewAddress>,
) -> Answer {
    let kept = actions::replace(&app, &principal, id, &expected, sent).await?;
    Ok(with_etag(kept))
}

/// Removes an address.
#[utoipa::path(delete, path = "/v1/users/me/addresses/{id}", tag = "addresses", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The address"),
    ("If-Match" = String, Header, description = "The ETag of what is removed"),
), responses(
    (status = 204, description = "It is gone"),
))]
pub(super) async fn delete(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    expected: IfMatch,
) -> Answer {
    actions::remove(&app, &principal, id, &expected).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
