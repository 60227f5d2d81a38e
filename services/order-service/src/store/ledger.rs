//! The books: double entry, one cause at most once. Debits are positive.

use flotilla_kit::database::{Pool, Transaction};
use uuid::Uuid;

use super::Error;

/// What the provider owes us.
const PROVIDER: &str = "assets:provider";

/// What was sold.
const SALES: &str = "income:sales";

/// Money was taken for an order.
pub async fn captured(
    transaction: &mut Transaction<'_>,
    order: Uuid,
    payment: Uuid,
    minor: i64,
    currency: &str,
) -> Result<(), Error> {
    write(transaction, &format!("capture:{payment}"), order, minor, currency).await
}

/// Money was given back.
pub async fn refunded(
    transaction: &mut Transaction<'_>,
    order: Uuid,
    refund: Uuid,
    minor: i64,
    currency: &str,
) -> Result<(), Error> {
    write(transaction, &format!("refund:{refund}"), order, -minor, currency).await
}

/// An order of which the books say something else than its payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Which.
    pub order: Uuid,
    /// What the provider owes us for it, by the books, in minor units.
    pub booked_minor: i64,
    /// What was taken for it less what was given back, by its payments.
    pub moved_minor: i64,
}

/// At most so many orders that differ. All of it is as it was at one moment.
pub async fn differences(pool: &Pool, limit: i64) -> Result<Vec<Difference>, Error> {
    Ok(sqlx::query_as!(
        Difference,
        r#"select order_id as "order!", coalesce(booked, 0) as "booked_minor!", coalesce(moved, 0) as "moved_minor!"
           from (select order_id, sum(amount_minor)::bigint as booked
                 from orders.ledger_entries where account = $1 group by order_id) books
           full join (select order_id, sum(captured_minor - refunded_minor)::bigint as moved
                      from orders.payments group by order_id) payments using (order_id)
           where coalesce(booked, 0) <> coalesce(moved, 0) order by order_id limit $2"#,
        PROVIDER,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

async fn write(
    transaction: &mut Transaction<'_>,
    cause: &str,
    order: Uuid,
    minor: i64,
    currency: &str,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into orders.ledger_entries (cause, account, order_id, amount_minor, currency)
         values ($1, $2, $4, $5, $6), ($1, $3, $4, -$5, $6)",
        cause,
        PROVIDER,
        SALES,
        order,
        minor,
        currency,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
