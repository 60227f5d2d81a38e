//! Calling an order off. What was paid is given back, and then it is cancelled.

use axum::http::StatusCode;
use flotilla_kit::http::Problem;
use serde_json::json;
use uuid::Uuid;

use super::{Principal, orders::visible_locked};
use crate::{
    app::App,
    domain::order::Status,
    failpoint::{Moment, Stage},
    store::{
        orders::{self, Order},
        sagas,
    },
};

/// Calls an order off. It is cancelled, or will be.
pub(crate) async fn cancel(app: &App, principal: &Principal, id: Uuid) -> Result<Order, Problem> {
    let mut transaction = app.pool.begin().await?;
    let mut order = visible_locked(&mut transaction, principal, id).await?;
    if order.status == Status::Cancelled {
        return Ok(order);
    }
    if !order.status.is_cancellable() {
        return Err(refused(order.status, "cancelled"));
    }
    if !order.is_cancel_wanted {
        order.is_cancel_wanted = true;
        let actor = principal.actor();
        orders::change(&mut transaction, &mut order, "cancel_requested", None, &json!({}), &actor).await?;
    }
    // One that goes forth sees it before its next step; one that is done goes back.
    sagas::turn_back(&mut transaction, id, Status::Cancelled, "cancelled").await?;
    sagas::wake(&mut transaction, id).await?;
    app.runner.failpoints.reach(Stage::Cancel, Moment::Committing);
    transaction.commit().await?;
    app.runner.failpoints.reach(Stage::Cancel, Moment::Committed);
    app.runner.wake();
    Ok(order)
}

/// An order is in a state in which that cannot be done.
pub(crate) fn refused(status: Status, what: &str) -> Problem {
    let detail = format!("an order that is {status} cannot be {what}");
    Problem::new(StatusCode::CONFLICT, "order_state", detail)
}
