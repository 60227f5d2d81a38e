//! Refunds, and the one way in which one has its effect.

use flotilla_kit::database::{Pool, Transaction};
use serde_json::json;
use uuid::Uuid;

use super::{
    Error, events, ledger,
    orders::{self, Order},
    payments, sagas,
};
use crate::domain::fact;

/// Money to be given back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refund {
    /// Its id.
    pub id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// Of which payment.
    pub payment_id: Uuid,
    /// How much.
    pub amount_minor: i64,
    /// Why.
    pub reason: String,
    /// `requested`, `succeeded` or `failed`.
    pub status: String,
    /// The provider's name for it.
    pub reference: Option<String>,
    /// How often it was tried.
    pub attempt: i32,
}

/// Notes that money is to be given back. Nothing when there is one with this id.
pub async fn request(
    transaction: &mut Transaction<'_>,
    order: &mut Order,
    refund: &Refund,
    actor: &str,
) -> Result<(), Error> {
    let written = sqlx::query!(
        "insert into orders.refunds (id, order_id, payment_id, amount_minor, reason)
         values ($1, $2, $3, $4, $5) on conflict do nothing",
        refund.id,
        refund.order_id,
        refund.payment_id,
        refund.amount_minor,
        refund.reason,
    )
    .execute(&mut **transaction)
    .await?;
    if written.rows_affected() == 0 {
        return Ok(());
    }
    let data =
        json!({ "refund_id": refund.id, "amount_minor": refund.amount_minor, "reason": refund.reason });
    orders::change(transaction, order, "refund_requested", None, &data, actor).await
}

/// The refunds of an order, the oldest first.
pub async fn list(pool: &Pool, order: Uuid) -> Result<Vec<Refund>, Error> {
    Ok(sqlx::query_as!(
        Refund,
        "select id, order_id, payment_id, amount_minor, reason, status, reference, attempt
         from orders.refunds where order_id = $1 order by id",
        order
    )
    .fetch_all(pool)
    .await?)
}

/// A refund.
pub async fn get(pool: &Pool, id: Uuid) -> Result<Option<Refund>, Error> {
    Ok(sqlx::query_as!(
        Refund,
        "select id, order_id, payment_id, amount_minor, reason, status, reference, attempt
         from orders.refunds where id = $1",
        id
    )
    .fetch_optional(pool)
    .await?)
}

/// How much of a payment is to be given back and has not been, in a transaction that has its order locked.
pub async fn pending_minor(transaction: &mut Transaction<'_>, payment: Uuid) -> Result<i64, Error> {
    let minor = sqlx::query_scalar!(
        r#"select coalesce(sum(amount_minor), 0)::bigint as "minor!" from orders.refunds
           where payment_id = $1 and status = 'requested'"#,
        payment
    )
    .fetch_one(&mut **transaction)
    .await?;
    Ok(minor)
}

/// Takes refunds that are due, for so many seconds.
pub async fn claim(pool: &Pool, seconds: f64, limit: i64) -> Result<Vec<Refund>, Error> {
    Ok(sqlx::query_as!(
        Refund,
        "update orders.refunds set attempt = attempt + 1, next_at = now() + make_interval(secs => $1)
         where id in (
             select id from orders.refunds where status = 'requested' and next_at <= now()
             order by next_at limit $2 for update skip locked
         )
         returning id, order_id, payment_id, amount_minor, reason, status, reference, attempt",
        seconds,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// When a refund is to be tried again.
pub async fn later(pool: &Pool, id: Uuid, seconds: f64) -> Result<(), Error> {
    sqlx::query!(
        "update orders.refunds set next_at = now() + make_interval(secs => $2), updated_at = now()
         where id = $1 and status = 'requested'",
        id,
        seconds
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The provider has given it back, or will not: once, whoever says so and however often. One that was thought to have failed may
/// turn out to have been made; never the other way around.
pub async fn apply(
    transaction: &mut Transaction<'_>,
    order: Uuid,
    id: Uuid,
    outcome: Result<&str, &str>,
    actor: &str,
) -> Result<(), Error> {
    let Some(mut order) = orders::lock(transaction, order).await? else { return Ok(()) };
    let (status, reference) = match outcome {
        Ok(reference) => ("succeeded", Some(reference)),
        Err(_) => ("failed", None),
    };
    let refund = sqlx::query!(
        "update orders.refunds set status = $2, reference = $3, updated_at = now()
         where id = $1 and (status = 'requested' or status = 'failed' and $2 = 'succeeded')
         returning payment_id, amount_minor",
        id,
        status,
        reference,
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(refund) = refund else { return Ok(()) };
    if let Err(reason) = outcome {
        let data = json!({ "refund_id": id, "reason": reason });
        orders::change(transaction, &mut order, "refund_failed", None, &data, actor).await?;
        return sagas::wake(transaction, order.id).await;
    }
    let payment = payments::of_locked(transaction, refund.payment_id).await?;
    let mut payment = payment.ok_or(sqlx::Error::RowNotFound)?;
    payment.known = fact::refund(&payment.known, refund.amount_minor).ok_or(Error::Excess(id))?;
    payments::write(transaction, &order, &payment).await?;
    // What is given back of another one was not paid for this order.
    if payment.id == order.payment_id {
        order.refunded_minor += refund.amount_minor;
    }
    let data = json!({ "refund_id": id, "amount_minor": refund.amount_minor });
    orders::change(transaction, &mut order, "refunded", None, &data, actor).await?;
    ledger::refunded(transaction, order.id, id, refund.amount_minor, &payment.currency).await?;
    events::payment(transaction, &order, &payment, "refunded").await?;
    if payment.id == order.payment_id {
        events::order(transaction, &order, "refunded").await?;
    }
    sagas::wake(transaction, order.id).await
}
