//! Refunds of an order: all of it, or a part.

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

use super::{Answer, body::Repeatable, private};
use crate::{
    actions::{
        Principal,
        once::{self, Once},
        orders::{visible, visible_locked},
    },
    app::App,
    failpoint::Stage,
    shape::{self, NewRefund, Refunds},
    store::{payments, refunds},
};

/// The refunds of an order, the oldest first.
#[utoipa::path(get, path = "/v1/orders/{id}/refunds", tag = "refunds", security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
), responses(
    (status = 200, description = "Its refunds", body = Refunds),
))]
pub(super) async fn list(State(app): State<App>, principal: Principal, Path(id): Path<Uuid>) -> Answer {
    visible(&app, &principal, id).await?;
    let items = refunds::list(&app.pool, id).await?.into_iter().map(shape::Refund::from).collect();
    Ok(private(Json(Refunds { items }).into_response()))
}

/// Gives money of an order back.
#[utoipa::path(post, path = "/v1/orders/{id}/refunds", tag = "refunds", request_body = NewRefund, security(("bearer" = [])), params(
    ("id" = Uuid, Path, description = "The order"),
    ("Idempotency-Key" = String, Header, description = "A new one for each refund; the same one to repeat a request"),
), responses(
    (status = 202, description = "The refund, as it is now", body = shape::Refund),
))]
pub(super) async fn create(
    State(app): State<App>,
    principal: Principal,
    Path(id): Path<Uuid>,
    key: IdempotencyKey,
    uri: Uri,
    Repeatable { value: new, bytes }: Repeatable<NewRefund>,
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
    let mut order = visible_locked(&mut transaction, &principal, id).await?;
    principal.require_admin()?;
    let mut violations = Violations::new();
    if new.amount_minor.is_some_and(|minor| minor < 1) {
        violations.add("/amount_minor", "must be positive");
    }
    shape::check_text(&mut violations, "/reason", &new.reason, 500);
    violations.into_result()?;
    if !order.status.is_refundable() || order.is_cancel_wanted {
        let detail = format!("nothing can be given back of an order that is {}", order.status);
        return Err(Problem::new(StatusCode::CONFLICT, "order_state", detail));
    }
    let payment =
        payments::of_locked(&mut transaction, order.payment_id).await?.ok_or(sqlx::Error::RowNotFound)?;
    let pending_minor = refunds::pending_minor(&mut transaction, payment.id).await?;
    let left = payment.known.captured_minor - payment.known.refunded_minor - pending_minor;
    let amount_minor = new.amount_minor.unwrap_or(left);
    if left < 1 || amount_minor > left {
        let detail = format!("{left} minor units are left to be given back");
        let problem = Problem::new(StatusCode::CONFLICT, "refund_too_large", detail);
        return Err(problem.at("/amount_minor", format!("at most {left}")));
    }
    let refund = refunds::Refund {
        id: Uuid::now_v7(),
        order_id: id,
        payment_id: payment.id,
        amount_minor,
        reason: new.reason,
        status: "requested".to_owned(),
        reference: None,
        attempt: 0,
    };
    refunds::request(&mut transaction, &mut order, &refund, &principal.actor()).await?;
    let shown = shape::Refund::from(refund);
    once::accept(&app, transaction, (pending, Stage::RequestRefund), &shown, []).await
}
