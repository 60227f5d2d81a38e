//! Payments of an order: what they are, another one when one was refused, and the end of one that the customer had to answer
//! their bank for.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::IntoResponse,
};
use flotilla_kit::http::{
    Json, Path, Problem, Violations,
    idempotency::{Begun, IdempotencyKey},
};
use uuid::Uuid;

use super::{Answer, action, body::Repeatable, orders::show, private};
use crate::{
    actions::{
        Principal,
        once::{self, Once},
        orders::{no_order, visible, visible_locked},
    },
    app::App,
    domain::order::Status,
    failpoint::Stage,
    settle,
    shape::{self, NewPayment, Payments},
    store::{orders, payments, sagas},
};

/// The payments of an order, the oldest first.
#[utoipa::path(get, path = "/v1/orders/{id}/payments", tag = "payments", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
), responses(
    (status = 200, description = "Its payments", body = Payments),
))]
pub(super) async fn list(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    visible(&app, &principal, id).await?;
    let items = payments::list(&app.pool, id).await?.into_iter().map(shape::Payment::from).collect();
    Ok(private(Json(Payments { items }).into_response()))
}

/// Tries to pay an order whose payment was refused with something else.
#[utoipa::path(post, path = "/v1/orders/{id}/payments", tag = "payments", request_body = NewPayment, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
    ("Idempotency-Key" = String, Header, description = "A new one for each attempt; the same one to repeat a request"),
), responses(
    (status = 202, description = "The payment, as it is now", body = shape::Payment),
))]
pub(super) async fn create(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
    uri: Uri,
    Repeatable { value: new, bytes }: Repeatable<NewPayment>,
) -> Answer {
    let request = Once { key: &key, path: uri.path(), body: &bytes };
    let mut transaction = app.pool.begin().await?;
    let pending = match request.begin(&mut transaction, &principal).await? {
        Begun::Repeated(response) => {
            transaction.rollback().await?;
            return Ok(response);
        }
        Begun::First(pending) => pending,
    };
    let mut violations = Violations::new();
    shape::check_method(&mut violations, &new.payment_method);
    violations.into_result()?;
    let mut order = visible_locked(&mut transaction, &principal, id).await?;
    let is_wanted = order.status == Status::PaymentFailed && !order.is_cancel_wanted;
    if !is_wanted || !sagas::try_again(&mut transaction, id).await? {
        let detail = format!("an order that is {} takes no other payment", order.status);
        return Err(Problem::new(StatusCode::CONFLICT, "order_state", detail));
    }
    let payment = Uuid::now_v7();
    let amount = (order.total_minor, order.currency.clone());
    let provider = app.provider.name();
    let amount = (amount.0, amount.1.as_str());
    payments::create(&mut transaction, payment, id, provider, &new.payment_method, amount).await?;
    order.payment_id = payment;
    orders::become_(&mut transaction, &mut order, Status::Reserved, None, &principal.actor()).await?;
    let payment = payments::of_locked(&mut transaction, payment).await?.ok_or(sqlx::Error::RowNotFound)?;
    let shown = shape::Payment::from(payment);
    once::accept(&app, transaction, (pending, Stage::Pay), &shown, []).await
}

/// The customer is back from their bank: looks what came of it, as the webhook does. Doing it again changes nothing.
#[utoipa::path(post, path = "/v1/orders/{id}/payments/{payment}:complete", tag = "payments", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
    ("payment" = Uuid, Path, description = "The payment"),
), responses(
    (status = 200, description = "The order, as it is now", body = shape::Order),
))]
pub(super) async fn complete(
    State(app): State<App>,
    principal: Principal,
    Path((id, payment)): Path<(Uuid, String)>,
) -> Answer {
    let no_payment = || Problem::not_found("there is no such payment");
    let Some((payment, "complete")) = action(&payment) else {
        return Err(Problem::not_found("write /v1/orders/ID/payments/ID:complete"));
    };
    visible(&app, &principal, id).await?;
    let payment = payments::get(&app.pool, payment).await?.filter(|payment| payment.order_id == id);
    let payment = payment.ok_or_else(no_payment)?;
    let provider = app.providers.get(payment.provider.as_str()).ok_or_else(no_payment)?;
    settle::refresh(&app.runner, &**provider, &payment, &principal.actor()).await?;
    let order = orders::get(&app.pool, id).await?.ok_or_else(no_order)?;
    show(&app, order).await
}
