//! Carts: what somebody may order, with prices as they are now.

use axum::{
    extract::State,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{Json, Path, Problem, Violations, conditional::ETag};
use flotilla_proto::product;
use uuid::Uuid;

use super::{
    Answer,
    openapi::Problems,
    principal::Principal,
    private,
    shape::{self, Cart, CartItem, MAX_LINES, NewCart, Quantity},
};
use crate::{app::App, store::carts};

fn no_cart() -> Problem {
    Problem::not_found("there is no such cart")
}

/// Makes an empty cart.
#[utoipa::path(post, path = "/v1/carts", tag = "carts", request_body = NewCart, security(("bearer" = [])), responses(
    (status = 201, description = "The cart", body = Cart),
    Problems,
))]
pub(super) async fn create(State(app): State<App>, principal: Principal, Json(new): Json<NewCart>) -> Answer {
    let mut violations = Violations::new();
    shape::check_currency(&mut violations, "/currency", Some(&new.currency));
    violations.into_result()?;
    let id = Uuid::now_v7();
    carts::create(&app.pool, id, principal.user, &new.currency).await?;
    let cart = carts::Cart { id, currency: new.currency, version: 1, order_id: None, items: Vec::new() };
    let mut response = (StatusCode::CREATED, show(&app, cart).await).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("/v1/carts/{id}")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    Ok(response)
}

/// A cart.
#[utoipa::path(get, path = "/v1/carts/{id}", tag = "carts", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The cart"),
), responses(
    (status = 200, description = "The cart", body = Cart),
    Problems,
))]
pub(super) async fn get(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    let cart = carts::get(&app.pool, id, principal.user).await?.ok_or_else(no_cart)?;
    Ok(show(&app, cart).await)
}

/// Throws a cart away.
#[utoipa::path(delete, path = "/v1/carts/{id}", tag = "carts", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The cart"),
), responses(
    (status = 204, description = "It is gone"),
    Problems,
))]
pub(super) async fn delete(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    if carts::delete(&app.pool, id, principal.user).await? {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    Err(no_cart())
}

/// Puts something in a cart, or changes how many there are.
#[utoipa::path(put, path = "/v1/carts/{id}/items/{sku}", tag = "carts", request_body = Quantity, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The cart"),
    ("sku" = String, Path, description = "What"),
), responses(
    (status = 200, description = "The cart", body = Cart),
    Problems,
))]
pub(super) async fn put(
    State(app): State<App>,
    principal: Principal,
    Path((id, sku)): Path<(Uuid, String)>,
    Json(item): Json<Quantity>,
) -> Answer {
    let mut violations = Violations::new();
    shape::check_quantity(&mut violations, "/quantity", item.quantity);
    violations.into_result()?;
    if !shape::is_sku(&sku) {
        let detail = "a part of the path cannot be taken; errors says which";
        let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail);
        return Err(problem.parameter("sku", shape::SKU));
    }
    change(&app, &principal, id, async |transaction, cart| {
        let is_new = !cart.items.iter().any(|item| item.sku == sku);
        if is_new && cart.items.len() >= MAX_LINES {
            let detail = format!("a cart has at most {MAX_LINES} different things");
            return Err(Problem::new(StatusCode::CONFLICT, "cart_full", detail));
        }
        Ok(carts::put(transaction, id, &sku, item.quantity).await?)
    })
    .await
}

/// Takes something out of a cart.
#[utoipa::path(delete, path = "/v1/carts/{id}/items/{sku}", tag = "carts", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The cart"),
    ("sku" = String, Path, description = "What"),
), responses(
    (status = 200, description = "The cart", body = Cart),
    Problems,
))]
pub(super) async fn remove(
    State(app): State<App>,
    principal: Principal,
    Path((id, sku)): Path<(Uuid, String)>,
) -> Answer {
    change(&app, &principal, id, async |transaction, _| {
        if carts::remove(transaction, id, &sku).await? {
            return Ok(());
        }
        Err(Problem::not_found("there is no such thing in this cart"))
    })
    .await
}

async fn change(
    app: &App,
    principal: &Principal,
    id: Uuid,
    change: impl AsyncFnOnce(&mut sqlx::PgTransaction<'_>, &carts::Cart) -> Result<(), Problem>,
) -> Answer {
    let mut transaction = app.pool.begin().await?;
    let cart = carts::lock(&mut transaction, id, principal.user).await?.ok_or_else(no_cart)?;
    if cart.order_id.is_some() {
        let detail = "this cart has been ordered; make a new one";
        return Err(Problem::new(StatusCode::CONFLICT, "cart_ordered", detail));
    }
    change(&mut transaction, &cart).await?;
    let cart = carts::lock(&mut transaction, id, principal.user).await?.ok_or_else(no_cart)?;
    transaction.commit().await?;
    Ok(show(app, cart).await)
}

/// A cart whose prices cannot be had is a cart nevertheless.
async fn show(app: &App, cart: carts::Cart) -> Response {
    let lines: Vec<_> = cart
        .items
        .iter()
        .map(|item| product::Line { sku: item.sku.clone(), quantity: item.quantity })
        .collect();
    let quoted = if lines.is_empty() { None } else { app.stock.quote(&cart.currency, lines).await.ok() };
    let items = cart.items.into_iter().map(|item| {
        let line = quoted.iter().flat_map(|quote| &quote.lines).find(|line| line.sku == item.sku);
        CartItem {
            name: line.map(|line| line.name.clone()),
            unit_minor: line.map(|line| line.unit_minor),
            total_minor: line.map(|line| line.total_minor),
            sku: item.sku,
            quantity: item.quantity,
        }
    });
    let shown = Cart {
        id: cart.id,
        currency: cart.currency,
        version: cart.version,
        order_id: cart.order_id,
        items: items.collect(),
        total_minor: quoted.as_ref().map(|quote| quote.total_minor),
    };
    let mut response = private(Json(shown).into_response());
    response.headers_mut().insert(header::ETAG, ETag(cart.version.unsigned_abs()).header());
    response
}
