//! The books: double entry, one cause at most once. Debits are positive.

use sqlx::PgTransaction;
use uuid::Uuid;

use super::Error;

/// What the provider owes us.
const PROVIDER: &str = "assets:provider";

/// What was sold.
const SALES: &str = "income:sales";

/// Money was taken for an order.
pub async fn captured(
    transaction: &mut PgTransaction<'_>,
    order: Uuid,
    payment: Uuid,
    minor: i64,
    currency: &str,
) -> Result<(), Error> {
    write(transaction, &format!("capture:{payment}"), order, minor, currency).await
}

/// Money was given back.
pub async fn refunded(
    transaction: &mut PgTransaction<'_>,
    order: Uuid,
    refund: Uuid,
    minor: i64,
    currency: &str,
) -> Result<(), Error> {
    write(transaction, &format!("refund:{refund}"), order, -minor, currency).await
}

async fn write(
    transaction: &mut PgTransaction<'_>,
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
