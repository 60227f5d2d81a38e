//! Orders, as they are and as they came to be so.

use axum::{
    extract::State,
    http::{HeaderValue, Uri, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{
    Json, Path, Problem, Query,
    conditional::{ETag, IfNoneMatch},
    page::{Page, PageParameters},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Answer, private};
use crate::{
    actions::{
        Principal,
        orders::{list as list_of, visible},
    },
    app::App,
    shape::{self, OrderEvent, OrderSummary},
    store::{audit, orders, payments},
};

/// Events of an order that are given at once. None has nearly as many.
const EVENTS: i64 = 1_000;

/// A page of orders.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderPage {
    items: Vec<OrderSummary>,
    next_cursor: Option<String>,
}

/// What happened to an order.
#[derive(Serialize, ToSchema)]
pub(super) struct OrderEvents {
    items: Vec<OrderEvent>,
}

/// One's own orders, the newest first.
#[utoipa::path(get, path = "/v1/orders", tag = "orders", security(("bearer" = [])), params(
    ("limit" = Option<u32>, Query, description = "How many, from 1 to 100"),
    ("cursor" = Option<String>, Query, description = "Where to go on: next_cursor of the page before"),
), responses(
    (status = 200, description = "A page of orders", body = OrderPage),
))]
pub(super) async fn list(
    State(app): State<App>,
    principal: Principal,
    uri: Uri,
    Query(page): Query<PageParameters>,
) -> Answer {
    let part = list_of(&app, principal.user, page.limit()?, page.cursor.as_deref()).await?;
    let items = part.orders.into_iter().map(OrderSummary::from).collect();
    Ok(private(Page { items, next_cursor: part.next_cursor }.into_response(&uri)))
}

/// An order.
#[utoipa::path(get, path = "/v1/orders/{id}", tag = "orders", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
    ("If-None-Match" = Option<String>, Header, description = "The ETag that is known"),
), responses(
    (status = 200, description = "The order", body = shape::Order, headers(("ETag" = String))),
    (status = 304, description = "It is as If-None-Match says"),
))]
pub(super) async fn get(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    known: IfNoneMatch,
) -> Answer {
    let order = visible(&app, &principal, id).await?;
    let tag = ETag(order.version.unsigned_abs());
    let response = show(&app, order).await?;
    Ok(known.answer(tag, || response))
}

/// What happened to an order, the oldest first.
#[utoipa::path(get, path = "/v1/orders/{id}/events", tag = "orders", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
), responses(
    (status = 200, description = "What happened", body = OrderEvents),
))]
pub(super) async fn events(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    visible(&app, &principal, id).await?;
    let happened = audit::happened(&app.pool, id, 0, EVENTS).await?;
    let is_admin = principal.is_admin();
    let items = happened.into_iter().map(|event| OrderEvent::new(event, is_admin)).collect();
    Ok(private(Json(OrderEvents { items }).into_response()))
}

/// An order as an answer.
pub(super) async fn show(app: &App, order: orders::Order) -> Result<Response, Problem> {
    let mut connection = app.pool.acquire().await?;
    let lines = orders::lines(&mut connection, order.id).await?;
    connection.done();
    let payment = payments::get(&app.pool, order.payment_id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let tag: HeaderValue = ETag(order.version.unsigned_abs()).header();
    let mut response = private(Json(shape::Order::new(order, payment.known.status, lines)).into_response());
    response.headers_mut().insert(header::ETAG, tag);
    Ok(response)
}
