//! Orders and their lines. Every change makes a version of the order, a row of its audit and, where
//! others may want to hear of it, an event.

use flotilla_kit::database::{Pool, Transaction};
use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::{Timestamp as Stored, ToSqlx};
use serde_json::{Value, json};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{Error, audit, events};
use crate::domain::order::{Status, Stock};

/// Whoever an order belongs to, in its audit.
pub const CUSTOMER: &str = "customer";

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What.
    pub sku: String,
    /// Of which product.
    pub product_id: String,
    /// Its name, as it was.
    pub name: String,
    /// How many.
    pub quantity: i32,
    /// What one cost.
    pub unit_minor: i64,
    /// What all of them cost.
    pub total_minor: i64,
}

/// An order.
#[derive(Clone, Debug, PartialEq)]
pub struct Order {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// What its money is in (ISO 4217).
    pub currency: String,
    /// What it costs.
    pub total_minor: i64,
    /// How much of that was given back.
    pub refunded_minor: i64,
    /// How far it is.
    pub status: Status,
    /// Why it ended, when it did not end well.
    pub reason: Option<String>,
    /// What became of its stock.
    pub stock: Stock,
    /// The payment that counts.
    pub payment_id: Uuid,
    /// Whether somebody wants it called off.
    pub is_cancel_wanted: bool,
    /// Where it is on its way.
    pub tracking: Option<String>,
    /// Where it goes.
    pub ship_to: Option<Value>,
    /// How often it has changed.
    pub version: i64,
    /// The request that placed it.
    pub correlation_id: Option<String>,
    /// When it was placed.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
}

struct Row {
    id: Uuid,
    user_id: Uuid,
    currency: String,
    total_minor: i64,
    refunded_minor: i64,
    status: String,
    reason: Option<String>,
    stock: String,
    payment_id: Uuid,
    is_cancel_wanted: bool,
    tracking: Option<String>,
    ship_to: Option<Value>,
    version: i64,
    correlation_id: Option<String>,
    created_at: Stored,
    updated_at: Stored,
}

impl TryFrom<Row> for Order {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.id,
            user_id: row.user_id,
            currency: row.currency,
            total_minor: row.total_minor,
            refunded_minor: row.refunded_minor,
            status: row.status.parse()?,
            reason: row.reason,
            stock: row.stock.parse()?,
            payment_id: row.payment_id,
            is_cancel_wanted: row.is_cancel_wanted,
            tracking: row.tracking,
            ship_to: row.ship_to,
            version: row.version,
            correlation_id: row.correlation_id,
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// What somebody has ordered.
#[derive(Clone, Debug)]
pub struct NewOrder<'a> {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub user_id: Uuid,
    /// What its money is in.
    pub currency: &'a str,
    /// What it costs.
    pub total_minor: i64,
    /// The payment that is to pay it.
    pub payment_id: Uuid,
    /// Where it goes.
    pub ship_to: Option<&'a Value>,
    /// What was ordered.
    pub lines: &'a [Line],
}

/// Writes a new order.
pub async fn create(transaction: &mut Transaction<'_>, new: &NewOrder<'_>) -> Result<Order, Error> {
    let correlation_id = flotilla_kit::correlation::CorrelationId::current().map(|id| id.to_string());
    sqlx::query!(
        "insert into orders.orders (id, user_id, currency, total_minor, status, payment_id, ship_to, correlation_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        new.id,
        new.user_id,
        new.currency,
        new.total_minor,
        Status::Pending.as_str(),
        new.payment_id,
        new.ship_to,
        correlation_id,
    )
    .execute(&mut **transaction)
    .await?;
    for (position, line) in (0_i32..).zip(new.lines) {
        sqlx::query!(
            "insert into orders.order_lines
                 (order_id, position, sku, product_id, name, quantity, unit_minor, total_minor)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
            new.id,
            position,
            line.sku,
            line.product_id,
            line.name,
            line.quantity,
            line.unit_minor,
            line.total_minor,
        )
        .execute(&mut **transaction)
        .await?;
    }
    let order = lock(transaction, new.id).await?.ok_or(sqlx::Error::RowNotFound)?;
    audit::record(transaction, &order, "created", None, &json!({}), CUSTOMER).await?;
    events::order(transaction, &order, "created").await?;
    Ok(order)
}

/// An order, locked: whoever changes an order, its payments, refunds or saga has this first.
pub async fn lock(transaction: &mut Transaction<'_>, id: Uuid) -> Result<Option<Order>, Error> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, user_id, currency, total_minor, refunded_minor, status, reason, stock, payment_id,
                  is_cancel_wanted, tracking, ship_to, version, correlation_id,
                  created_at as "created_at: Stored", updated_at as "updated_at: Stored"
           from orders.orders where id = $1 for update"#,
        id
    )
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(Order::try_from).transpose()
}

/// An order.
pub async fn get(pool: &Pool, id: Uuid) -> Result<Option<Order>, Error> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, user_id, currency, total_minor, refunded_minor, status, reason, stock, payment_id,
                  is_cancel_wanted, tracking, ship_to, version, correlation_id,
                  created_at as "created_at: Stored", updated_at as "updated_at: Stored"
           from orders.orders where id = $1"#,
        id
    )
    .fetch_optional(pool)
    .await?;
    row.map(Order::try_from).transpose()
}

/// Orders of somebody, the newest first, after one of them.
pub async fn list(pool: &Pool, user: Uuid, after: Option<Uuid>, limit: i64) -> Result<Vec<Order>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, user_id, currency, total_minor, refunded_minor, status, reason, stock, payment_id,
                  is_cancel_wanted, tracking, ship_to, version, correlation_id,
                  created_at as "created_at: Stored", updated_at as "updated_at: Stored"
           from orders.orders where user_id = $1 and ($2::uuid is null or id < $2)
           order by id desc limit $3"#,
        user,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Order::try_from).collect()
}

/// The lines of an order.
pub async fn lines(connection: &mut PgConnection, id: Uuid) -> Result<Vec<Line>, Error> {
    Ok(sqlx::query_as!(
        Line,
        "select sku, product_id, name, quantity, unit_minor, total_minor
         from orders.order_lines where order_id = $1 order by position",
        id
    )
    .fetch_all(connection)
    .await?)
}

/// Some orders.
pub async fn batch(pool: &Pool, ids: &[Uuid]) -> Result<Vec<Order>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, user_id, currency, total_minor, refunded_minor, status, reason, stock, payment_id,
                  is_cancel_wanted, tracking, ship_to, version, correlation_id,
                  created_at as "created_at: Stored", updated_at as "updated_at: Stored"
           from orders.orders where id = any ($1)"#,
        ids
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Order::try_from).collect()
}

/// The lines of some orders.
pub async fn lines_of(pool: &Pool, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Vec<Line>>, Error> {
    let rows = sqlx::query!(
        "select order_id, sku, product_id, name, quantity, unit_minor, total_minor
         from orders.order_lines where order_id = any ($1) order by order_id, position",
        ids
    )
    .fetch_all(pool)
    .await?;
    let mut lines = BTreeMap::<Uuid, Vec<Line>>::new();
    for row in rows {
        lines.entry(row.order_id).or_default().push(Line {
            sku: row.sku,
            product_id: row.product_id,
            name: row.name,
            quantity: row.quantity,
            unit_minor: row.unit_minor,
            total_minor: row.total_minor,
        });
    }
    Ok(lines)
}

/// An order becomes something else. Its locked row is written, and what happened with it.
pub async fn become_(
    transaction: &mut Transaction<'_>,
    order: &mut Order,
    next: Status,
    reason: Option<&str>,
    actor: &str,
) -> Result<(), Error> {
    let before = order.status;
    order.status = before.become_(next)?;
    if let Some(reason) = reason {
        order.reason = Some(reason.to_owned());
    }
    change(transaction, order, next.as_str(), Some(before), &json!({ "reason": reason }), actor).await?;
    match next {
        Status::Authorized | Status::PaymentFailed | Status::NeedsReview | Status::Pending => Ok(()),
        // Its time is over, or somebody called it off: for others that is the same.
        Status::Expired => events::order(transaction, order, "cancelled").await,
        next => events::order(transaction, order, next.as_str()).await,
    }
}

/// An order has changed and is still what it was.
pub async fn change(
    transaction: &mut Transaction<'_>,
    order: &mut Order,
    kind: &str,
    from: Option<Status>,
    data: &Value,
    actor: &str,
) -> Result<(), Error> {
    order.version += 1;
    order.updated_at = Timestamp::now();
    let written = sqlx::query!(
        "update orders.orders set status = $2, reason = $3, stock = $4, payment_id = $5, is_cancel_wanted = $6,
             tracking = $7, refunded_minor = $8, version = $9, updated_at = $10
         where id = $1 and version + 1 = $9",
        order.id,
        order.status.as_str(),
        order.reason,
        order.stock.as_str(),
        order.payment_id,
        order.is_cancel_wanted,
        order.tracking,
        order.refunded_minor,
        order.version,
        order.updated_at.to_sqlx() as Stored,
    )
    .execute(&mut **transaction)
    .await?;
    if written.rows_affected() != 1 {
        return Err(Error::Stale(order.id));
    }
    audit::record(transaction, order, kind, Some(from.unwrap_or(order.status)), data, actor).await
}

/// Leaves nothing of somebody in their orders but what the books need.
pub async fn forget(transaction: &mut Transaction<'_>, user: Uuid, pseudonym: Uuid) -> Result<u64, Error> {
    let forgotten = sqlx::query!(
        "with forgotten as (
             update orders.orders set user_id = $2, ship_to = null, version = version + 1, updated_at = now()
             where user_id = $1 returning id, version, status, correlation_id
         )
         insert into orders.order_events (order_id, version, kind, from_status, to_status, actor, correlation_id)
         select id, version, 'forgotten', status, status, 'user-service', correlation_id from forgotten",
        user,
        pseudonym
    )
    .execute(&mut **transaction)
    .await?;
    Ok(forgotten.rows_affected())
}
