//! Payments, and [`apply`]: the one way in which what the provider says has an effect here.

use flotilla_kit::database::{Pool, Transaction};
use std::collections::BTreeMap;

use jiff_sqlx::Timestamp as Stored;
use serde_json::json;
use uuid::Uuid;

use super::{
    Error, events, ledger,
    orders::{self, Order},
    sagas,
};
use crate::{
    domain::{
        fact::{self, State},
        order,
        payment::Status,
    },
    psp::Intent,
};

/// A payment of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Its id.
    pub id: Uuid,
    /// Of which order.
    pub order_id: Uuid,
    /// Who moves the money.
    pub provider: String,
    /// The provider's name for it, once it has one.
    pub reference: Option<String>,
    /// What pays, as the provider knows it.
    pub method: String,
    /// How much.
    pub amount_minor: i64,
    /// Of what (ISO 4217).
    pub currency: String,
    /// Why it failed.
    pub failure: Option<String>,
    /// How far it is.
    pub known: fact::Payment,
    /// When it was made.
    pub created_at: jiff::Timestamp,
}

struct Row {
    id: Uuid,
    order_id: Uuid,
    provider: String,
    reference: Option<String>,
    method: String,
    amount_minor: i64,
    currency: String,
    status: String,
    captured_minor: i64,
    refunded_minor: i64,
    failure: Option<String>,
    created_at: Stored,
}

impl TryFrom<Row> for Payment {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        Ok(Self {
            id: row.id,
            order_id: row.order_id,
            provider: row.provider,
            reference: row.reference,
            method: row.method,
            amount_minor: row.amount_minor,
            currency: row.currency,
            failure: row.failure,
            known: fact::Payment {
                status: row.status.parse()?,
                captured_minor: row.captured_minor,
                refunded_minor: row.refunded_minor,
            },
            created_at: row.created_at.to_jiff(),
        })
    }
}

/// Writes a new payment.
pub async fn create(
    transaction: &mut Transaction<'_>,
    id: Uuid,
    order: Uuid,
    provider: &str,
    method: &str,
    amount: (i64, &str),
) -> Result<(), Error> {
    sqlx::query!(
        "insert into orders.payments (id, order_id, provider, method, amount_minor, currency, status)
         values ($1, $2, $3, $4, $5, $6, $7)",
        id,
        order,
        provider,
        method,
        amount.0,
        amount.1,
        Status::Created.as_str(),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A payment.
pub async fn get(pool: &Pool, id: Uuid) -> Result<Option<Payment>, Error> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, order_id, provider, reference, method, amount_minor, currency, status, captured_minor,
                  refunded_minor, failure, created_at as "created_at: Stored"
           from orders.payments where id = $1"#,
        id
    )
    .fetch_optional(pool)
    .await?;
    row.map(Payment::try_from).transpose()
}

/// A payment, in a transaction that has its order locked.
pub async fn of_locked(transaction: &mut Transaction<'_>, id: Uuid) -> Result<Option<Payment>, Error> {
    let row = sqlx::query_as!(
        Row,
        r#"select id, order_id, provider, reference, method, amount_minor, currency, status, captured_minor,
                  refunded_minor, failure, created_at as "created_at: Stored"
           from orders.payments where id = $1"#,
        id
    )
    .fetch_optional(&mut **transaction)
    .await?;
    row.map(Payment::try_from).transpose()
}

/// How far some payments are.
pub async fn statuses(pool: &Pool, ids: &[Uuid]) -> Result<BTreeMap<Uuid, Status>, Error> {
    let rows = sqlx::query!("select id, status from orders.payments where id = any ($1)", ids)
        .fetch_all(pool)
        .await?;
    rows.into_iter().map(|row| Ok((row.id, row.status.parse()?))).collect()
}

/// The payments of an order, the oldest first.
pub async fn list(pool: &Pool, order: Uuid) -> Result<Vec<Payment>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"select id, order_id, provider, reference, method, amount_minor, currency, status, captured_minor,
                  refunded_minor, failure, created_at as "created_at: Stored"
           from orders.payments where order_id = $1 order by id"#,
        order
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(Payment::try_from).collect()
}

/// The payment that the provider has this name for.
pub async fn by_reference(pool: &Pool, provider: &str, reference: &str) -> Result<Option<Uuid>, Error> {
    let found = sqlx::query_scalar!(
        "select id from orders.payments where provider = $1 and reference = $2",
        provider,
        reference
    )
    .fetch_optional(pool)
    .await?;
    Ok(found)
}

/// Takes payments that nothing was heard of for so long, although the provider may have moved them, or that are stray. Nobody
/// else takes them for as long again.
pub async fn claim_unsettled(pool: &Pool, seconds: f64, limit: i64) -> Result<Vec<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        "update orders.payments set updated_at = now() where id in (
             select id from orders.payments
             where (status in ('created', 'requires_action', 'authorized', 'unknown') or is_stray)
               and reference is not null and updated_at < now() - make_interval(secs => $1)
             order by updated_at limit $2 for update skip locked
         )
         returning id",
        seconds,
        limit,
    )
    .fetch_all(pool)
    .await?)
}

/// The answer of the provider was lost: whoever comes next has to look.
pub async fn lose(transaction: &mut Transaction<'_>, id: Uuid, actor: &str) -> Result<(), Error> {
    let Some((mut order, mut payment)) = lock(transaction, id).await? else { return Ok(()) };
    let Some(lost) = fact::lose(&payment.known) else { return Ok(()) };
    payment.known = lost;
    write(transaction, &order, &payment).await?;
    changed(transaction, &mut order, &payment, actor).await
}

/// A payment with its order, whose row is locked.
async fn lock(transaction: &mut Transaction<'_>, id: Uuid) -> Result<Option<(Order, Payment)>, Error> {
    let order = sqlx::query_scalar!("select order_id from orders.payments where id = $1", id)
        .fetch_optional(&mut **transaction)
        .await?;
    let Some(order) = order else { return Ok(None) };
    let Some(order) = orders::lock(transaction, order).await? else { return Ok(None) };
    let payment = of_locked(transaction, id).await?;
    Ok(payment.map(|payment| (order, payment)))
}

/// The audit of an order has what its payment is now.
async fn changed(
    transaction: &mut Transaction<'_>,
    order: &mut Order,
    payment: &Payment,
    actor: &str,
) -> Result<(), Error> {
    let data = json!({
        "payment_id": payment.id,
        "payment_status": payment.known.status,
        "failure": payment.failure,
    });
    orders::change(transaction, order, "payment", None, &data, actor).await
}

/// Applies what the provider says of a payment: from an answer, a webhook or a look. Its order's row is locked first, so that
/// two who come with the same fact come after each other, and the second one finds nothing to do.
pub async fn apply(
    transaction: &mut Transaction<'_>,
    id: Uuid,
    intent: &Intent,
    actor: &str,
) -> Result<Option<(Order, Payment)>, Error> {
    let Some((mut order, mut payment)) = lock(transaction, id).await? else { return Ok(None) };
    if payment.reference.is_none() {
        payment.reference = Some(intent.reference.clone());
        write(transaction, &order, &payment).await?;
    }
    if payment.reference.as_deref() != Some(intent.reference.as_str()) {
        // Another one was made by a request whose answer was lost. Nothing of it is ours.
        tracing::error!(payment = %id, reference = intent.reference, "the provider has two of a payment");
        return Ok(Some((order, payment)));
    }
    let amount_is_wrong = matches!(intent.state, State::Captured(minor) if minor != payment.amount_minor);
    let state = match intent.state {
        State::Captured(minor) => State::Captured(minor.min(payment.amount_minor)),
        state => state,
    };
    let Some(next) = fact::settle(&payment.known, state) else { return Ok(Some((order, payment))) };
    payment.known = next;
    payment.failure.clone_from(&intent.failure);
    write(transaction, &order, &payment).await?;
    changed(transaction, &mut order, &payment, actor).await?;
    // A payment may become held again, after an answer was lost; others hear of it once.
    let is_before = matches!(order.status, order::Status::Reserved | order::Status::PaymentFailed);
    match next.status {
        Status::Authorized if is_before && order.payment_id == payment.id => {
            events::payment(transaction, &order, &payment, "authorized").await?;
        }
        Status::Captured => {
            let (minor, currency) = (next.captured_minor, payment.currency.clone());
            ledger::captured(transaction, order.id, payment.id, minor, &currency).await?;
            events::payment(transaction, &order, &payment, "captured").await?;
        }
        Status::Failed => events::payment(transaction, &order, &payment, "failed").await?,
        _ => {}
    }
    if !amount_is_wrong {
        follow(transaction, &mut order, &payment, actor).await?;
    } else if order.status.become_(order::Status::NeedsReview).is_ok() {
        let reason = Some("another amount was taken");
        orders::become_(transaction, &mut order, order::Status::NeedsReview, reason, actor).await?;
    }
    sagas::wake(transaction, order.id).await?;
    Ok(Some((order, payment)))
}

/// The order becomes what its payment makes of it.
pub async fn follow(
    transaction: &mut Transaction<'_>,
    order: &mut Order,
    payment: &Payment,
    actor: &str,
) -> Result<(), Error> {
    for next in fact::follow(&known(order, payment), &payment.known) {
        let reason = payment.failure.as_deref().filter(|_| next == order::Status::PaymentFailed);
        orders::become_(transaction, order, next, reason, actor).await?;
    }
    Ok(())
}

/// Whether its money is held or taken, and its order has no use for it.
pub fn is_stray(order: &Order, payment: &Payment) -> bool {
    fact::is_stray(&known(order, payment), &payment.known)
}

fn known(order: &Order, payment: &Payment) -> fact::Order {
    fact::Order { status: order.status, stock: order.stock, is_current: order.payment_id == payment.id }
}

/// Writes what a payment is, in a transaction that has its order locked.
pub async fn write(transaction: &mut Transaction<'_>, order: &Order, payment: &Payment) -> Result<(), Error> {
    sqlx::query!(
        "update orders.payments set reference = $2, status = $3, captured_minor = $4, refunded_minor = $5,
             failure = $6, updated_at = now(), is_stray = $7
         where id = $1",
        payment.id,
        payment.reference,
        payment.known.status.as_str(),
        payment.known.captured_minor,
        payment.known.refunded_minor,
        payment.failure,
        is_stray(order, payment),
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// A request to the provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its key.
    pub key: String,
    /// Whether it has been made before, and its answer may have been lost.
    pub is_again: bool,
}

/// The key of a request, written before it is made. The same one until [`spent`].
pub async fn attempt(pool: &Pool, payment: Uuid, operation: &str) -> Result<Attempt, Error> {
    let last = sqlx::query!(
        "select key, generation, outcome from orders.payment_attempts
         where payment_id = $1 and operation = $2 order by generation desc limit 1",
        payment,
        operation
    )
    .fetch_optional(pool)
    .await?;
    let generation = match last {
        Some(last) if last.outcome.as_deref() != Some("spent") => {
            return Ok(Attempt { key: last.key, is_again: true });
        }
        Some(last) => last.generation + 1,
        None => 0,
    };
    let key = match generation {
        0 => format!("{operation}:{payment}"),
        more => format!("{operation}:{payment}:{more}"),
    };
    let written = sqlx::query!(
        "insert into orders.payment_attempts (key, payment_id, operation, generation)
         values ($1, $2, $3, $4) on conflict do nothing",
        key,
        payment,
        operation,
        generation
    )
    .execute(pool)
    .await?;
    // Somebody whose lease has ended may be about to ask with this key as well.
    Ok(Attempt { key, is_again: written.rows_affected() == 0 })
}

/// A request with this key has an answer that will never be another, and it was no effect: the next one needs another key.
pub async fn spent(pool: &Pool, key: &str) -> Result<(), Error> {
    sqlx::query!("update orders.payment_attempts set outcome = 'spent' where key = $1", key)
        .execute(pool)
        .await?;
    Ok(())
}
