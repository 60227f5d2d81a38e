//! Where things are sent to whoever is logged in.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{
    Json, Path, Problem as Failure,
    conditional::{ETag, IfMatch, IfNoneMatch},
};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgTransaction;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Answer, openapi::Problems, principal::Principal};
use crate::{
    app::App,
    domain::address,
    store::{
        addresses::{self, Kept},
        audit,
    },
};

/// An address that somebody sends.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAddress {
    /// Who gets it.
    #[schema(min_length = 1, max_length = 100)]
    recipient: String,
    #[schema(min_length = 1, max_length = 100)]
    line1: String,
    #[serde(default)]
    #[schema(max_length = 100)]
    line2: String,
    #[schema(min_length = 1, max_length = 100)]
    city: String,
    #[serde(default)]
    #[schema(max_length = 100)]
    region: String,
    #[serde(default)]
    #[schema(max_length = 16)]
    postal_code: String,
    /// ISO 3166-1 alpha-2.
    #[schema(pattern = "^[A-Z]{2}$")]
    country: String,
    /// E.164.
    #[serde(default)]
    phone: String,
    /// Whether it is taken when nothing is said. The first one is.
    #[serde(default)]
    is_default: bool,
}

impl NewAddress {
    fn check(self) -> Result<(address::Address, bool), Failure> {
        let address = address::Address {
            recipient: self.recipient,
            line1: self.line1,
            line2: self.line2,
            city: self.city,
            region: self.region,
            postal_code: self.postal_code,
            country: self.country,
            phone: self.phone,
        };
        Ok((address.check()?, self.is_default))
    }
}

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

fn none() -> Failure {
    Failure::not_found("there is no such address")
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
    Problems,
))]
pub(super) async fn list(State(app): State<App>, principal: Principal) -> Answer {
    let items = addresses::list(&app.pool, principal.user).await?.into_iter().map(Address::from).collect();
    Ok(Json(Addresses { items }).into_response())
}

/// Adds an address.
#[utoipa::path(post, path = "/v1/users/me/addresses", tag = "addresses", request_body = NewAddress, security(("bearer" = [])), responses(
    (status = 201, description = "The address, with its ETag", body = Address),
    Problems,
))]
pub(super) async fn create(
    State(app): State<App>,
    principal: Principal,
    Json(sent): Json<NewAddress>,
) -> Answer {
    let (address, is_default) = sent.check()?;
    let (user, id) = (principal.user, Uuid::now_v7());
    let mut transaction = app.pool.begin().await?;
    principal.lock(&mut transaction).await?;
    let count = addresses::count(&mut transaction, user).await?;
    if count >= address::MAX {
        let detail = format!("there are {} addresses already; remove one", address::MAX);
        return Err(Failure::new(StatusCode::CONFLICT, "too_many_addresses", detail));
    }
    let is_default = is_default || count == 0;
    if is_default {
        addresses::clear_default(&mut transaction, user).await?;
    }
    addresses::insert(&mut transaction, user, id, &address, is_default).await?;
    note(&mut transaction, user, "address_added", id).await?;
    let kept = addresses::get(&mut *transaction, user, id).await?.ok_or_else(none)?;
    transaction.commit().await?;
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
    (status = 200, description = "The address, with its ETag", body = Address),
    (status = 304, description = "It is as it is known"),
    Problems,
))]
pub(super) async fn get(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    known: IfNoneMatch,
) -> Answer {
    let kept = addresses::get(&app.pool, principal.user, id).await?.ok_or_else(none)?;
    Ok(known.answer(ETag(kept.version), || Json(Address::from(kept)).into_response()))
}

/// Replaces an address.
#[utoipa::path(put, path = "/v1/users/me/addresses/{id}", tag = "addresses", request_body = NewAddress, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The address"),
    ("If-Match" = String, Header, description = "The ETag of what is changed"),
), responses(
    (status = 200, description = "The address, with its ETag", body = Address),
    Problems,
))]
pub(super) async fn replace(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    expected: IfMatch,
    Json(sent): Json<NewAddress>,
) -> Answer {
    let (address, is_default) = sent.check()?;
    let user = principal.user;
    let mut transaction = app.pool.begin().await?;
    principal.lock(&mut transaction).await?;
    let kept = addresses::lock(&mut transaction, user, id).await?.ok_or_else(none)?;
    expected.check(ETag(kept.version))?;
    if is_default && !kept.is_default {
        addresses::clear_default(&mut transaction, user).await?;
    }
    addresses::update(&mut transaction, user, id, &address, is_default).await?;
    note(&mut transaction, user, "address_changed", id).await?;
    let kept = addresses::get(&mut *transaction, user, id).await?.ok_or_else(none)?;
    transaction.commit().await?;
    Ok(with_etag(kept))
}

/// Removes an address.
#[utoipa::path(delete, path = "/v1/users/me/addresses/{id}", tag = "addresses", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The address"),
    ("If-Match" = String, Header, description = "The ETag of what is removed"),
), responses(
    (status = 204, description = "It is gone"),
    Problems,
))]
pub(super) async fn delete(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    expected: IfMatch,
) -> Answer {
    let mut transaction = app.pool.begin().await?;
    principal.lock(&mut transaction).await?;
    let kept = addresses::lock(&mut transaction, principal.user, id).await?.ok_or_else(none)?;
    expected.check(ETag(kept.version))?;
    addresses::delete(&mut transaction, principal.user, id).await?;
    note(&mut transaction, principal.user, "address_removed", id).await?;
    transaction.commit().await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn note(
    transaction: &mut PgTransaction<'_>,
    user: Uuid,
    action: &str,
    address: Uuid,
) -> Result<(), sqlx::Error> {
    audit::append(&mut *transaction, Some(user), user, action, json!({ "address": address })).await
}
