//! Removes what nobody needs any more.

use std::time::Duration;

use sqlx::PgPool;

/// Rows that are removed at a time, so that no transaction is long.
const BATCH: i64 = 1_000;

/// Ended sessions are kept for so long: a stolen token of one is still known for what it is.
const SESSIONS: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Removes what is old.
pub async fn sweep(pool: &PgPool) -> Result<(), sqlx::Error> {
    let full = BATCH.unsigned_abs();
    while sessions(pool).await? == full {}
    while tokens(pool).await? == full {}
    while exports(pool).await? == full {}
    let before = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(48);
    while super::throttles::forget(pool, before, BATCH).await? == full {}
    Ok(())
}

async fn sessions(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "delete from users.sessions where id in (
             select id from users.sessions where expires_at < now() - make_interval(secs => $1)
             order by expires_at limit $2 for update skip locked
         )",
        SESSIONS.as_secs_f64(),
        BATCH,
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

async fn tokens(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "delete from users.one_time_tokens where id in (
             select id from users.one_time_tokens where expires_at < now() - interval '1 day'
             order by expires_at limit $1 for update skip locked
         )",
        BATCH,
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

async fn exports(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "delete from users.exports where id in (
             select id from users.exports where expires_at < now() limit $1 for update skip locked
         )",
        BATCH,
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}
