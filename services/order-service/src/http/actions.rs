//! What is done with an order: `POST /v1/orders/ID:cancel`, `:ship` and `:complete`. Doing it again changes nothing.

use axum::{
    body::Body,
    extract::{FromRequest, Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use flotilla_kit::{
    database::Transaction,
    http::{Json, Path, Problem, RawBody, Violations},
};
use uuid::Uuid;

use super::{Answer, action, orders::show};
use crate::{
    actions::{
        Principal,
        cancel::{self, refused},
        orders::visible_locked,
    },
    app::App,
    domain::order::Status,
    shape::{self, Shipment},
    store::orders,
};

/// Whatever is after the colon.
pub(super) async fn act(
    State(app): State<App>,
    principal: Principal,
    Path(path): Path<String>,
    request: Request,
) -> Answer {
    match action(&path) {
        Some((id, "cancel")) => cancel(app, principal, id).await,
        Some((id, "ship")) => ship(app, principal, id, request).await,
        Some((id, "complete")) => complete(app, principal, id).await,
        _ => Err(Problem::not_found("write /v1/orders/ID:cancel, :ship or :complete")),
    }
}

/// Calls an order off. What was paid is given back, and then it is cancelled.
#[utoipa::path(post, path = "/v1/orders/{id}:cancel", tag = "orders", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
), responses(
    (status = 200, description = "It is cancelled", body = shape::Order),
    (status = 202, description = "It will be", body = shape::Order),
    (status = 409, description = "It is under way"),
))]
async fn cancel(app: App, principal: Principal, id: Uuid) -> Answer {
    let order = cancel::cancel(&app, &principal, id).await?;
    if order.status == Status::Cancelled {
        return show(&app, order).await;
    }
    Ok((StatusCode::ACCEPTED, show(&app, order).await?).into_response())
}

/// An order is under way.
#[utoipa::path(post, path = "/v1/orders/{id}:ship", tag = "orders", request_body = Option<Shipment>, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
), responses(
    (status = 200, description = "It is under way", body = shape::Order),
    (status = 409, description = "It is not paid"),
))]
async fn ship(app: App, principal: Principal, id: Uuid, request: Request) -> Answer {
    principal.require_admin()?;
    let shipment = optional(request).await?;
    let mut violations = Violations::new();
    if let Some(tracking) = &shipment.tracking {
        shape::check_text(&mut violations, "/tracking", tracking, 200);
    }
    violations.into_result()?;
    let mut transaction = app.pool.begin().await?;
    let mut order = visible_locked(&mut transaction, &principal, id).await?;
    if matches!(order.status, Status::Shipped | Status::Completed) {
        // What shows it takes a connection, of which there may be one alone.
        transaction.rollback().await?;
        return show(&app, order).await;
    }
    if order.status != Status::Paid || order.is_cancel_wanted {
        return Err(refused(order.status, "shipped"));
    }
    order.tracking = shipment.tracking;
    step(&app, transaction, order, Status::Shipped, &principal).await
}

/// An order has arrived.
#[utoipa::path(post, path = "/v1/orders/{id}:complete", tag = "orders", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
), responses(
    (status = 200, description = "It has arrived", body = shape::Order),
    (status = 409, description = "It is not under way"),
))]
async fn complete(app: App, principal: Principal, id: Uuid) -> Answer {
    principal.require_admin()?;
    let mut transaction = app.pool.begin().await?;
    let order = visible_locked(&mut transaction, &principal, id).await?;
    match order.status {
        Status::Completed => {
            transaction.rollback().await?;
            show(&app, order).await
        }
        Status::Shipped => step(&app, transaction, order, Status::Completed, &principal).await,
        status => Err(refused(status, "completed")),
    }
}

async fn step(
    app: &App,
    mut transaction: Transaction<'_>,
    mut order: orders::Order,
    next: Status,
    principal: &Principal,
) -> Result<Response, Problem> {
    orders::become_(&mut transaction, &mut order, next, None, &principal.actor()).await?;
    transaction.commit().await?;
    app.runner.wake();
    show(app, order).await
}

/// A body that may be left out, or be null.
async fn optional(request: Request) -> Result<Shipment, Problem> {
    let (parts, body) = request.into_parts();
    let RawBody(bytes) = RawBody::from_request(Request::new(body), &()).await?;
    if bytes.is_empty() {
        return Ok(Shipment::default());
    }
    let sent = Request::from_parts(parts, Body::from(bytes));
    let Json(shipment) = Json::<Option<Shipment>>::from_request(sent, &()).await?;
    Ok(shipment.unwrap_or_default())
}

/// What is described.
pub(super) mod described {
    pub(in crate::http) use super::{__path_cancel, __path_complete, __path_ship};
}
