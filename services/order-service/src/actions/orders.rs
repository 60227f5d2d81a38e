//! Orders that somebody may see.

use flotilla_kit::{database::Transaction, http::Problem};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::Principal;
use crate::{
    app::App,
    store::orders::{self, Order},
};

/// What the list's cursors belong to.
const LIST: &str = "/v1/orders";

/// There is no such order, or it is somebody else's: which of them is nobody's business.
pub(crate) fn no_order() -> Problem {
    Problem::not_found("there is no such order")
}

/// An order that somebody may see.
pub(crate) async fn visible(app: &App, principal: &Principal, id: Uuid) -> Result<Order, Problem> {
    let order = orders::get(&app.pool, id).await?.ok_or_else(no_order)?;
    if principal.may_see(order.user_id) { Ok(order) } else { Err(no_order()) }
}

/// The same, which nobody else changes until the end of the transaction.
pub(crate) async fn visible_locked(
    transaction: &mut Transaction<'_>,
    principal: &Principal,
    id: Uuid,
) -> Result<Order, Problem> {
    let order = orders::lock(transaction, id).await?.ok_or_else(no_order)?;
    if principal.may_see(order.user_id) { Ok(order) } else { Err(no_order()) }
}

#[derive(Serialize, Deserialize)]
struct Position {
    after: Uuid,
}

/// Some orders of somebody.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The newest first.
    pub orders: Vec<Order>,
    /// Where to go on, if there are more.
    pub next_cursor: Option<String>,
}

/// Orders of somebody, the newest first, after a cursor.
pub(crate) async fn list(app: &App, user: Uuid, limit: u32, after: Option<&str>) -> Result<Part, Problem> {
    let after: Option<Position> = after.map(|cursor| app.cursors.open(&scope(user), cursor)).transpose()?;
    let after = after.map(|position| position.after);
    let mut found = orders::list(&app.pool, user, after, i64::from(limit) + 1).await?;
    let has_more = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().filter(|_| has_more);
    let next_cursor = last.map(|order| cursor(app, order)).transpose()?;
    Ok(Part { orders: found, next_cursor })
}

/// The cursor of an order in the list of its owner.
pub(crate) fn cursor(app: &App, order: &Order) -> Result<String, Problem> {
    let position = Position { after: order.id };
    app.cursors.seal(&scope(order.user_id), &position).map_err(|error| Problem::internal(&error))
}

fn scope(user: Uuid) -> String {
    format!("{LIST}/{user}")
}
