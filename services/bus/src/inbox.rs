//! The inbox: what a consumer has handled. It is written in the transaction of the effect, so that both are there or neither
//! is; then it does not matter how often an event is delivered.

use std::time::Duration;

use sqlx::{Connection, PgConnection, PgPool};

use crate::{Consumer, Event};

/// Notes that a consumer handles an event. True when it is the first time; else it has been done, and the transaction has
/// nothing to do. Two at once wait for each other.
pub async fn is_first(
    transaction: &mut PgConnection,
    consumer: &Consumer,
    event: &Event,
) -> Result<bool, sqlx::Error> {
    if !transaction.is_in_transaction() {
        return Err(sqlx::Error::Protocol("an event is noted in the transaction of its effect".to_owned()));
    }
    let noted = sqlx::query!(
        "insert into messaging.inbox (consumer, source, id) values ($1, $2, $3) on conflict do nothing",
        consumer.as_str(),
        event.source,
        event.id,
    )
    .execute(&mut *transaction)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Forgets what was handled before, at most so many, and says how many. It has to be kept for longer than any outbox keeps
/// what it may replay.
pub async fn forget(pool: &PgPool, retention: Duration, limit: i64) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "delete from messaging.inbox where (consumer, source, id) in (
             select consumer, source, id from messaging.inbox
             where handled_at < now() - make_interval(secs => $1)
             order by handled_at limit $2 for update skip locked
         )",
        retention.as_secs_f64(),
        limit,
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}
