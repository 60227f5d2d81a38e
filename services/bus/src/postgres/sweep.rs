//! Removes events that everybody has had for a while.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::sleep;

/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(60);

/// Events that are removed at a time, so that no transaction is long.
const BATCH: i64 = 1_000;

/// Removes what is old, for ever.
pub(super) async fn sweep(pool: PgPool, retention: Duration) {
    loop {
        match remove(&pool, retention).await {
            // There may be more.
            Ok(removed) if removed == BATCH.unsigned_abs() => {}
            Ok(_) => sleep(PAUSE).await,
            Err(error) => {
                tracing::debug!(%error, "old events cannot be removed now");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn remove(pool: &PgPool, retention: Duration) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "delete from bus.events where seq in (
             select seq from bus.events event
             where published_at < now() - make_interval(secs => $1)
                 and not exists (select from bus.deliveries where seq = event.seq)
                 and not exists (select from bus.dead_letters where seq = event.seq)
             order by published_at limit $2 for update skip locked
         )",
        retention.as_secs_f64(),
        BATCH,
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}
