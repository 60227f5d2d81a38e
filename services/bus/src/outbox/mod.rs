//! The outbox: events that a service publishes, written in the transaction of their cause. A [`Relay`] takes them from there
//! to the bus. They stay for a while after that: [`replay`] publishes them again when a broker has lost what it had.

mod metrics;
mod relay;
mod sweep;

use jiff_sqlx::{Timestamp, ToSqlx};
use sqlx::{Connection, PgConnection, PgPool, types::Json};

pub use self::{
    metrics::BacklogMetrics,
    relay::{Relay, Wake},
    sweep::sweep,
};
use crate::{Error, Event, Pattern, partition::partition};

/// Parts of the outbox. Each has one relay at a time, so that keys stay in order.
const PARTITIONS: u16 = 16;

/// Appends an event, to be published once the transaction has been committed.
///
/// Transactions with events of one key come after each other from here on, so that numbers are in the order of commits.
pub async fn append(transaction: &mut PgConnection, event: &Event) -> Result<(), Error> {
    event.to_json()?;
    if !transaction.is_in_transaction() {
        return Err(Error::Refused(
            "an event goes out with its cause: append it in a transaction".to_owned(),
        ));
    }
    sqlx::query!(
        "with locked as materialized (select pg_advisory_xact_lock(hashtextextended('flotilla-outbox/' || $2, 0)))
         insert into messaging.outbox (id, key, partition, kind, event)
         select $1, $2, $3, $4, $5 from locked",
        event.id,
        event.key,
        i16::try_from(partition(&event.key, PARTITIONS)).unwrap_or_default(),
        event.kind.as_str(),
        Json(event) as _,
    )
    .execute(&mut *transaction)
    .await?;
    Ok(())
}

/// Has everything of these types that was appended since be published again, also what the bus has refused, and says how much.
/// Consumers that have handled it find that in their inbox. After a broker has lost all that it had, they have to be subscribed
/// again first; those that run are within seconds.
pub async fn replay(pool: &PgPool, since: jiff::Timestamp, kinds: &[Pattern]) -> Result<u64, Error> {
    let patterns: Vec<_> = kinds.iter().map(|pattern| pattern.as_str().to_owned()).collect();
    let replayed = sqlx::query!(
        "update messaging.outbox set published_at = null, refusal = null, is_replayed = true
         where (published_at is not null or refusal is not null) and created_at >= $1 and exists (
             select from unnest($2::text[]) pattern
             where kind = pattern or (right(pattern, 1) = '*' and starts_with(kind, left(pattern, -1)))
         )",
        since.to_sqlx() as Timestamp,
        &patterns,
    )
    .execute(pool)
    .await?
    .rows_affected();
    tracing::info!(replayed, "events are published again");
    Ok(replayed)
}

/// What waits in an outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Backlog {
    /// Events that have not been published.
    pub waiting: u64,
    /// Seconds that the oldest of them has waited.
    pub oldest_seconds: f64,
    /// Events that the bus refuses. Somebody has to look at them.
    pub refused: u64,
}

/// What waits now.
pub async fn backlog(pool: &PgPool) -> Result<Backlog, Error> {
    let row = sqlx::query!(
        r#"select
               count(*) filter (where refusal is null) as "waiting!",
               count(*) filter (where refusal is not null) as "refused!",
               coalesce(extract(epoch from now() - min(created_at) filter (where refusal is null)), 0)::float8
                   as "oldest!"
           from messaging.outbox where published_at is null"#
    )
    .fetch_one(pool)
    .await?;
    Ok(Backlog {
        waiting: row.waiting.unsigned_abs(),
        oldest_seconds: row.oldest,
        refused: row.refused.unsigned_abs(),
    })
}
