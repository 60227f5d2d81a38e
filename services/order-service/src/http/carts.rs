//! Carts.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{Json, Path, conditional::ETag};
use uuid::Uuid;

use super::{Answer, private};
use crate::{
    actions::{Principal, carts},
    app::App,
    shape::{Cart, NewCart, Quantity},
    store,
};

/// Makes an empty cart.
#[utoipa::path(post, path = "/v1/carts", tag = "carts", request_body = NewCart, security(("bearer" = [])), responses(
    (status = 201, description = "The cart", body = Cart, headers(("Location" = String), ("ETag" = String))),
))]
pub(super) async fn create(State(app): State<App>, principal: Principal, Json(new): Json<NewCart>) -> Answer {
    let cart = carts::create(&app, &principal, &new.currency).await?;
    let location = HeaderValue::from_str(&format!("/v1/carts/{}", cart.id));
    let mut response = (StatusCode::CREATED, show(cart)).into_response();
    if let Ok(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A cart.
#[utoipa::path(get, path = "/v1/carts/{id}", tag = "carts", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The cart"),
), responses(
    (status = 200, description = "The cart", body = Cart),
))]
pub(super) async fn get(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    carts::get(&app, &principal, id).await.map(show)
}

/// Throws a cart away.
#[utoipa::path(delete, path = "/v1/carts/{id}", tag = "carts", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The cart"),
), responses(
    (status = 204, description = "It is gone"),
))]
pub(super) async fn delete(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    if store::carts::delete(&app.pool, id, principal.user).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(carts::no_cart())
}

/// Puts something in a cart, or changes how many there are.
#[utoipa::path(put, path = "/v1/carts/{id}/items/{sku}", tag = "carts", request_body = Quantity, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The cart"),
    ("sku" = String, Path, description = "What", min_length = 1, max_length = 64, pattern = "^[A-Z0-9][A-Z0-9._-]*$"),
), responses(
    (status = 200, description = "The cart", body = Cart),
    (status = 409, description = "The cart has been ordered, or is full"),
))]
pub(super) async fn put(
    State(app): State<App>,
    principal: Principal,
    Path((id, sku)): Path<(Uuid, String)>,
    Json(item): Json<Quantity>,
) -> Answer {
    carts::put(&app, &principal, id, &sku, item.quantity).await.map(show)
}

/// Takes something out of a cart.
#[utoipa::path(delete, path = "/v1/carts/{id}/items/{sku}", tag = "carts", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The cart"),
    ("sku" = String, Path, description = "What", min_length = 1, max_length = 64, pattern = "^[A-Z0-9][A-Z0-9._-]*$"),
), responses(
    (status = 200, description = "The cart", body = Cart),
    (status = 409, description = "The cart has been ordered"),
))]
pub(super) async fn remove(
    State(app): State<App>,
    principal: Principal,
    Path((id, sku)): Path<(Uuid, String)>,
) -> Answer {
    carts::remove(&app, &principal, id, &sku).await.map(show)
}

fn show(cart: Cart) -> Response {
    let tag = ETag(cart.version.unsigned_abs()).header();
    let mut response = private(Json(cart).into_response());
    response.headers_mut().insert(header::ETAG, tag);
    response
}
