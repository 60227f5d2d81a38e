//! Sagas, and who is at work on one. Whoever works on a saga has a lease of it; what it writes is only written while it has it.

use flotilla_kit::database::{Pool, Transaction};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::Error;
use crate::domain::{
    order,
    saga::{Compensation, Saga},
};

/// A saga that somebody works on.
#[derive(Clone, Debug, PartialEq)]
pub struct Leased {
    /// Of which order.
    pub order_id: Uuid,
    /// Where it is.
    pub saga: Saga,
    /// Why it is undone.
    pub reason: Option<String>,
    /// How often it was done and had to go back.
    pub round: i32,
    /// How often its step has been tried.
    pub attempt: i32,
    /// Until when it has to have been paid. The database says how long that is from now: the clock of this process may be wrong.
    pub deadline: Instant,
    /// Who has it.
    pub owner: Uuid,
}

struct Row {
    order_id: Uuid,
    step: String,
    compensations: Vec<String>,
    target: Option<String>,
    reason: Option<String>,
    round: i32,
    attempt: i32,
    seconds_left: f64,
}

impl Row {
    fn leased(self, owner: Uuid) -> Result<Leased, Error> {
        let compensations: Result<Vec<Compensation>, _> =
            self.compensations.iter().map(|text| text.parse()).collect();
        let target = self.target.map(|text| text.parse()).transpose()?;
        Ok(Leased {
            order_id: self.order_id,
            saga: Saga { step: self.step.parse()?, compensations: compensations?, target },
            reason: self.reason,
            round: self.round,
            attempt: self.attempt,
            deadline: Instant::now() + Duration::try_from_secs_f64(self.seconds_left).unwrap_or_default(),
            owner,
        })
    }
}

fn texts(compensations: &[Compensation]) -> Vec<String> {
    compensations.iter().map(|one| one.as_str().to_owned()).collect()
}

/// Begins the saga of an order.
pub async fn begin(
    transaction: &mut Transaction<'_>,
    order: Uuid,
    deadline_seconds: f64,
) -> Result<(), Error> {
    let saga = Saga::new();
    sqlx::query!(
        "insert into orders.sagas (order_id, step, compensations, deadline_at)
         values ($1, $2, $3, now() + make_interval(secs => $4))",
        order,
        saga.step.as_str(),
        &texts(&saga.compensations),
        deadline_seconds,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Takes sagas that are due and that nobody has.
pub async fn claim(pool: &Pool, owner: Uuid, seconds: f64, limit: i64) -> Result<Vec<Leased>, Error> {
    let rows = sqlx::query_as!(
        Row,
        r#"update orders.sagas set lease_owner = $1, lease_until = now() + make_interval(secs => $2)
           where order_id in (
               select order_id from orders.sagas
               where step <> 'done' and next_at <= now() and (lease_until is null or lease_until < now())
               order by next_at limit $3 for update skip locked
           )
           returning order_id, step, compensations, target, reason, round, attempt,
                     extract(epoch from deadline_at - now())::float8 as "seconds_left!""#,
        owner,
        seconds,
        limit,
    )
    .fetch_all(pool)
    .await?;
    rows.into_iter().map(|row| row.leased(owner)).collect()
}

/// Writes where a saga is, and has it for so long again. False: somebody else has it now.
///
/// Writes of others are in transactions that have the order locked; so is this one.
pub async fn write(
    transaction: &mut Transaction<'_>,
    leased: &Leased,
    lease_seconds: f64,
) -> Result<bool, Error> {
    let written = sqlx::query!(
        "update orders.sagas set step = $3, compensations = $4, target = $5, reason = $6, attempt = $7,
             lease_until = now() + make_interval(secs => $8)
         where order_id = $1 and lease_owner = $2",
        leased.order_id,
        leased.owner,
        leased.saga.step.as_str(),
        &texts(&leased.saga.compensations),
        leased.saga.target.map(order::Status::as_str),
        leased.reason,
        leased.attempt,
        lease_seconds,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// Gives a saga back, to be taken again after so long.
pub async fn give_back(pool: &Pool, leased: &Leased, seconds: f64, error: Option<&str>) -> Result<(), Error> {
    sqlx::query!(
        "update orders.sagas set lease_owner = null, lease_until = null, attempt = $3, last_error = $5,
             next_at = case when woken then now() else now() + make_interval(secs => $4) end, woken = false
         where order_id = $1 and lease_owner = $2",
        leased.order_id,
        leased.owner,
        leased.attempt,
        seconds,
        error,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Something has happened that a saga waits for.
pub async fn wake(transaction: &mut Transaction<'_>, order: Uuid) -> Result<(), Error> {
    sqlx::query!("update orders.sagas set next_at = now(), woken = true where order_id = $1", order)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Somebody wants an order called off that is paid: its saga is done, and goes back now.
pub async fn turn_back(
    transaction: &mut Transaction<'_>,
    order: Uuid,
    target: order::Status,
    reason: &str,
) -> Result<(), Error> {
    let saga = Saga::turned_back(target);
    sqlx::query!(
        "update orders.sagas set step = $2, compensations = $3, target = $4, reason = $5, attempt = 0,
             round = round + 1, next_at = now(), lease_owner = null, lease_until = null
         where order_id = $1 and step = 'done'",
        order,
        saga.step.as_str(),
        &texts(&saga.compensations),
        target.as_str(),
        reason,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}

/// Another payment is to be tried by an order whose payment was refused; its saga may not have heard of it yet. False: it is
/// somewhere else.
pub async fn try_again(transaction: &mut Transaction<'_>, order: Uuid) -> Result<bool, Error> {
    let written = sqlx::query!(
        "update orders.sagas set step = 'create_intent', attempt = 0, next_at = now(), lease_owner = null,
             lease_until = null
         where order_id = $1 and step in ('authorize', 'await_payment')",
        order
    )
    .execute(&mut **transaction)
    .await?;
    Ok(written.rows_affected() == 1)
}

/// The stock of an order is no longer kept: one that waits for its customer has no more time.
pub async fn expire(transaction: &mut Transaction<'_>, order: Uuid) -> Result<(), Error> {
    sqlx::query!(
        "update orders.sagas set deadline_at = least(deadline_at, now()), next_at = now(), woken = true
         where order_id = $1 and step = 'await_payment'",
        order
    )
    .execute(&mut **transaction)
    .await?;
    Ok(())
}
