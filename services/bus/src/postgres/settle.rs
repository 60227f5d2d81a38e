//! Answers of consumers: what is done or dead goes, and the next of its key becomes the head.

use std::{collections::HashSet, time::Duration};

use sqlx::PgPool;

use super::lock::lock;

/// Which try of which delivery. A later try has another one, so an answer that comes too late changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Tag {
    pub(super) seq: i64,
    pub(super) attempt: i32,
}

impl Tag {
    pub(super) fn columns(tags: &[Self]) -> (Vec<i64>, Vec<i32>) {
        tags.iter().map(|tag| (tag.seq, tag.attempt)).unzip()
    }
}

/// What becomes of a delivery.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// It goes.
    Done,
    /// It becomes a dead letter.
    Dead(String),
    /// It comes again.
    Again(Duration),
    /// It is as if it had not been taken.
    Back,
}

/// A delivery, its key, and what becomes of it.
pub(super) type Answer = (Tag, String, Outcome);

/// Settles deliveries, and tells which of them still were the worker's.
pub(super) async fn settle(
    pool: &PgPool,
    consumer: &str,
    answers: &[Answer],
) -> Result<HashSet<Tag>, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let ends = |outcome: &Outcome| matches!(outcome, Outcome::Done | Outcome::Dead(_));
    let (ended, kept): (Vec<_>, Vec<_>) = answers.iter().partition(|(.., outcome)| ends(outcome));
    let mut settled = HashSet::new();
    if !kept.is_empty() {
        let tags: Vec<_> = kept.iter().map(|(tag, ..)| *tag).collect();
        let (seqs, attempts) = Tag::columns(&tags);
        let (seconds, steps): (Vec<f64>, Vec<i32>) = kept
            .iter()
            .map(|(.., outcome)| match outcome {
                Outcome::Again(delay) => (delay.as_secs_f64(), 0),
                _ => (0.0, 1),
            })
            .unzip();
        let rows = sqlx::query!(
            r#"update bus.deliveries delivery
               set due_at = now() + make_interval(secs => kept.seconds), attempt = delivery.attempt - kept.step
               from unnest($2::bigint[], $3::integer[], $4::double precision[], $5::integer[])
                   as kept (seq, attempt, seconds, step)
               where delivery.consumer = $1 and delivery.seq = kept.seq and delivery.attempt = kept.attempt
               returning kept.seq as "seq!", kept.attempt as "attempt!""#,
            consumer,
            &seqs,
            &attempts,
            &seconds,
            &steps,
        )
        .fetch_all(&mut *transaction)
        .await?;
        settled.extend(rows.into_iter().map(|row| Tag { seq: row.seq, attempt: row.attempt }));
    }
    if !ended.is_empty() {
        lock(&mut transaction, ended.iter().map(|(_, key, _)| key.as_str())).await?;
        let tags: Vec<_> = ended.iter().map(|(tag, ..)| *tag).collect();
        let (seqs, attempts) = Tag::columns(&tags);
        let reasons: Vec<_> = ended
            .iter()
            .map(|(.., outcome)| match outcome {
                Outcome::Dead(reason) => Some(reason.clone()),
                _ => None,
            })
            .collect();
        let rows = sqlx::query!(
            r#"with ended as (
                   delete from bus.deliveries delivery
                   using unnest($2::bigint[], $3::integer[], $4::text[]) as given (seq, attempt, reason)
                   where delivery.consumer = $1 and delivery.seq = given.seq and delivery.attempt = given.attempt
                   returning delivery.seq, delivery.attempt, delivery.key, given.reason
               ), buried as (
                   insert into bus.dead_letters (consumer, seq, attempts, reason)
                   select $1, seq, attempt, reason from ended where reason is not null
                   on conflict (consumer, seq) do update
                       set attempts = excluded.attempts, reason = excluded.reason, died_at = now()
               )
               select seq as "seq!", attempt as "attempt!", key as "key!" from ended"#,
            consumer,
            &seqs,
            &attempts,
            &reasons as _,
        )
        .fetch_all(&mut *transaction)
        .await?;
        let keys: Vec<_> = rows.iter().map(|row| row.key.clone()).collect();
        settled.extend(rows.into_iter().map(|row| Tag { seq: row.seq, attempt: row.attempt }));
        sqlx::query!(
            "update bus.deliveries delivery set is_head = true
             from (
                 select min(seq) as seq from bus.deliveries where consumer = $1 and key = any ($2) group by key
             ) as next
             where delivery.consumer = $1 and delivery.seq = next.seq and not delivery.is_head",
            consumer,
            &keys,
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await?;
    Ok(settled)
}
