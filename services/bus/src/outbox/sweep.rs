//! Removes what is old from outbox and inbox.

use std::time::Duration;

use sqlx::PgPool;

use crate::inbox;

/// What has been published can be replayed for so long.
const OUTBOX: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Longer than anything can be replayed.
const INBOX: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Rows that are removed at a time, so that no transaction is long.
const BATCH: i64 = 1_000;

/// Removes what is old. A relay does so from time to time.
pub async fn sweep(pool: &PgPool) -> Result<(), sqlx::Error> {
    let full = BATCH.unsigned_abs();
    while forget(pool).await? == full {}
    while inbox::forget(pool, INBOX, BATCH).await? == full {}
    Ok(())
}

async fn forget(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "delete from messaging.outbox where seq in (
             select seq from messaging.outbox
             where created_at < now() - make_interval(secs => $1) and published_at is not null
             order by created_at limit $2 for update skip locked
         )",
        OUTBOX.as_secs_f64(),
        BATCH,
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}
