//! Carts: what somebody may order, with prices as they are now.

use axum::http::StatusCode;
use flotilla_kit::{
    database::Transaction,
    http::{Problem, Violations},
};
use flotilla_proto::product;
use uuid::Uuid;

use super::Principal;
use crate::{
    app::App,
    shape::{self, Cart, CartItem, MAX_LINES},
    store::carts,
};

/// There is no such cart, or it is somebody else's.
pub(crate) fn no_cart() -> Problem {
    Problem::not_found("there is no such cart")
}

/// Makes an empty cart.
pub(crate) async fn create(app: &App, principal: &Principal, currency: &str) -> Result<Cart, Problem> {
    let mut violations = Violations::new();
    shape::check_currency(&mut violations, "/currency", Some(currency));
    violations.into_result()?;
    let id = Uuid::now_v7();
    carts::create(&app.pool, id, principal.user, currency).await?;
    let currency = currency.to_owned();
    Ok(priced(app, carts::Cart { id, currency, version: 1, order_id: None, items: Vec::new() }).await)
}

/// A cart of somebody.
pub(crate) async fn get(app: &App, principal: &Principal, id: Uuid) -> Result<Cart, Problem> {
    let cart = carts::get(&app.pool, id, principal.user).await?.ok_or_else(no_cart)?;
    Ok(priced(app, cart).await)
}

/// Puts something in a cart, or changes how many there are.
pub(crate) async fn put(
    app: &App,
    principal: &Principal,
    id: Uuid,
    sku: &str,
    quantity: i32,
) -> Result<Cart, Problem> {
    let mut violations = Violations::new();
    shape::check_quantity(&mut violations, "/quantity", quantity);
    violations.into_result()?;
    if !shape::is_sku(sku) {
        let detail = "a part of the path cannot be taken; errors says which";
        let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail);
        return Err(problem.parameter("sku", shape::SKU));
    }
    change(app, principal, id, async |transaction, cart| {
        let is_new = !cart.items.iter().any(|item| item.sku == sku);
        if is_new && cart.items.len() >= MAX_LINES {
            let detail = format!("a cart has at most {MAX_LINES} different things");
            return Err(Problem::new(StatusCode::CONFLICT, "cart_full", detail));
        }
        Ok(carts::put(transaction, id, sku, quantity).await?)
    })
    .await
}

/// Takes something out of a cart.
pub(crate) async fn remove(app: &App, principal: &Principal, id: Uuid, sku: &str) -> Result<Cart, Problem> {
    change(app, principal, id, async |transaction, _| {
        if carts::remove(transaction, id, sku).await? {
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
    change: impl AsyncFnOnce(&mut Transaction<'_>, &carts::Cart) -> Result<(), Problem>,
) -> Result<Cart, Problem> {
    let mut transaction = app.pool.begin().await?;
    let cart = carts::lock(&mut transaction, id, principal.user).await?.ok_or_else(no_cart)?;
    if cart.order_id.is_some() {
        let detail = "this cart has been ordered; make a new one";
        return Err(Problem::new(StatusCode::CONFLICT, "cart_ordered", detail));
    }
    change(&mut transaction, &cart).await?;
    let cart = carts::lock(&mut transaction, id, principal.user).await?.ok_or_else(no_cart)?;
    transaction.commit().await?;
    Ok(priced(app, cart).await)
}

/// A cart whose prices cannot be had is a cart nevertheless.
async fn priced(app: &App, cart: carts::Cart) -> Cart {
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
    Cart {
        id: cart.id,
        currency: cart.currency,
        version: cart.version,
        order_id: cart.order_id,
        items: items.collect(),
        total_minor: quoted.as_ref().map(|quote| quote.total_minor),
    }
}
