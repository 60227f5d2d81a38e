//! What happened to an order: one row for each of its versions, which is only appended.

use flotilla_kit::database::{Pool, Transaction};
use jiff::Timestamp;
use jiff_sqlx::Timestamp as Stored;
use serde_json::Value;
use uuid::Uuid;

use super::{Error, orders::Order};
use crate::domain::order::Status;

/// Something that happened to an order.
#[derive(Clone, Debug, PartialEq)]
pub struct Happened {
    /// Which version it made.
    pub version: i64,
    /// What.
    pub kind: String,
    /// What the order was.
    pub from: Option<String>,
    /// What it was then.
    pub to: String,
    /// What else there is to say.
    pub data: Value,
    /// Who did it.
    pub actor: String,
    /// When.
    pub at: Timestamp,
}

/// What happened to an order after a version of it, the oldest first.
pub async fn happened(pool: &Pool, id: Uuid, after: i64, limit: i64) -> Result<Vec<Happened>, Error> {
    Ok(sqlx::query!(
        r#"select version, kind, from_status, to_status, data, actor, created_at as "at: Stored"
           from orders.order_events where order_id = $1 and version > $2 order by version limit $3"#,
        id,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?
    .into_iter()
    .map(|row| Happened {
        version: row.version,
        kind: row.kind,
        from: row.from_status,
        to: row.to_status,
        data: row.data,
        actor: row.actor,
        at: row.at.to_jiff(),
    })
    .collect())
}

/// Notes what happened, in the transaction in which it does.
pub(super) async fn record(
    transaction: &mut Transaction<'_>,
    order: &Order,
    kind: &str,
    from: Option<Status>,
    data: &Value,
    actor: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into orders.order_events
             (order_id, version, kind, from_status, to_status, data, actor, correlation_id)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        order.id,
        order.version,
        kind,
        from.map(Status::as_str),
        order.status.as_str(),
        data,
        actor,
        order.correlation_id,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
