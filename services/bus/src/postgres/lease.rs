//! Leases: what a worker has of a consumer's deliveries, and for how long.

use std::time::Duration;

use sqlx::{PgPool, types::Json};

use super::settle::Tag;
use crate::Event;

/// A delivery that a worker has.
pub(super) struct Leased {
    pub(super) tag: Tag,
    pub(super) event: Event,
}

/// Takes what is due, the longest due first.
pub(super) async fn take(
    pool: &PgPool,
    consumer: &str,
    limit: usize,
    lease: Duration,
) -> Result<Vec<Leased>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"with due as (
               select seq from bus.deliveries
               where consumer = $1 and is_head and due_at <= now()
               order by due_at, seq
               limit $2
               for update skip locked
           )
           update bus.deliveries delivery
           set attempt = attempt + 1, due_at = now() + make_interval(secs => $3)
           from due join bus.events event on event.seq = due.seq
           where delivery.consumer = $1 and delivery.seq = due.seq
           returning delivery.seq, delivery.attempt, event.event as "event: Json<Event>""#,
        consumer,
        i64::try_from(limit).unwrap_or(i64::MAX),
        lease.as_secs_f64(),
    )
    .fetch_all(pool)
    .await?;
    let mut leased: Vec<_> = rows
        .into_iter()
        .map(|row| Leased { tag: Tag { seq: row.seq, attempt: row.attempt }, event: row.event.0 })
        .collect();
    leased.sort_unstable_by_key(|leased| leased.tag.seq);
    Ok(leased)
}

/// Has leases go on.
pub(super) async fn renew(
    pool: &PgPool,
    consumer: &str,
    held: &[Tag],
    lease: Duration,
) -> Result<(), sqlx::Error> {
    let (seqs, attempts) = Tag::columns(held);
    sqlx::query!(
        "update bus.deliveries delivery set due_at = now() + make_interval(secs => $4)
         from unnest($2::bigint[], $3::integer[]) as held (seq, attempt)
         where delivery.consumer = $1 and delivery.seq = held.seq and delivery.attempt = held.attempt",
        consumer,
        &seqs,
        &attempts,
        lease.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(())
}
