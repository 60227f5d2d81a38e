//! Dead letters, and the way back.

use jiff_sqlx::Timestamp;
use sqlx::{PgPool, types::Json};
use uuid::Uuid;

use super::lock::lock;
use crate::{Consumer, DeadLetter, Error, Event, Which};

pub(super) async fn list(pool: &PgPool, consumer: &Consumer, limit: u32) -> Result<Vec<DeadLetter>, Error> {
    let rows = sqlx::query!(
        r#"select event.event as "event: Json<Event>", attempts, reason, died_at as "died_at: Timestamp"
           from bus.dead_letters join bus.events event using (seq)
           where consumer = $1 order by died_at, seq limit $2"#,
        consumer.as_str(),
        i64::from(limit),
    )
    .fetch_all(pool)
    .await?;
    let letters = rows.into_iter().map(|row| DeadLetter {
        event: row.event.0,
        attempts: u32::try_from(row.attempts).unwrap_or_default(),
        reason: row.reason,
        time: row.died_at.into(),
    });
    Ok(letters.collect())
}

pub(super) async fn replay(pool: &PgPool, consumer: &Consumer, which: &Which) -> Result<u64, Error> {
    let ids: Option<&[Uuid]> = match which {
        Which::All => None,
        Which::These(ids) => Some(ids),
    };
    let mut transaction = pool.begin().await?;
    let rows = sqlx::query!(
        "select seq, event.key from bus.dead_letters join bus.events event using (seq)
         where consumer = $1 and ($2::uuid[] is null or event.id = any ($2))
         order by seq for update of dead_letters",
        consumer.as_str(),
        ids as _,
    )
    .fetch_all(&mut *transaction)
    .await?;
    lock(&mut transaction, rows.iter().map(|row| row.key.as_str())).await?;
    let seqs: Vec<_> = rows.iter().map(|row| row.seq).collect();
    sqlx::query!(
        "delete from bus.dead_letters where consumer = $1 and seq = any ($2)",
        consumer.as_str(),
        &seqs
    )
    .execute(&mut *transaction)
    .await?;
    let replayed = sqlx::query!(
        "insert into bus.deliveries (consumer, seq, key, is_head)
         select $1, event.seq, event.key,
             row_number() over (partition by event.key order by event.seq) = 1
             and not exists (
                 select from bus.deliveries waiting where waiting.consumer = $1 and waiting.key = event.key
             )
         from bus.events event where event.seq = any ($2)
         on conflict (consumer, seq) do nothing",
        consumer.as_str(),
        &seqs,
    )
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(replayed.rows_affected())
}
