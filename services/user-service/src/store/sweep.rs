//! Removes what nobody needs any more.

use flotilla_kit::database::Pool;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Rows that are removed at a time, so that no transaction is long.
const BATCH: i64 = 1_000;

/// Ended sessions are kept for so long, so that somebody who looks into a theft finds them.
const SESSIONS: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Longer than failures and mails are counted.
const THROTTLES: SignedDuration = SignedDuration::from_hours(48);

/// Removes what is old.
pub async fn sweep(pool: &Pool) -> Result<(), sqlx::Error> {
    let full = BATCH.unsigned_abs();
    while sessions(pool).await? == full {}
    while refresh_tokens(pool).await? == full {}
    while tokens(pool).await? == full {}
    while exports(pool).await? == full {}
    let before = Timestamp::now().checked_sub(THROTTLES).unwrap_or(Timestamp::MIN);
    while super::throttles::forget(pool, before, BATCH).await? == full {}
    Ok(())
}

async fn sessions(pool: &Pool) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "delete from users.sessions where id in (
             select id from users.sessions where coalesce(ended_at, expires_at) < now() - make_interval(secs => $1)
             order by coalesce(ended_at, expires_at) limit $2 for update skip locked
         )",
        SESSIONS.as_secs_f64(),
        BATCH,
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

/// One that was exchanged and has ended is of no use to a thief, and those of a session that is used each day are many.
async fn refresh_tokens(pool: &Pool) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "delete from users.refresh_tokens where hash in (
             select hash from users.refresh_tokens where expires_at < now()
             order by expires_at limit $1 for update skip locked
         )",
        BATCH,
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}

async fn tokens(pool: &Pool) -> Result<u64, sqlx::Error> {
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

async fn exports(pool: &Pool) -> Result<u64, sqlx::Error> {
    let removed = sqlx::query!(
        "delete from users.exports where id in (
             select id from users.exports where expires_at < now()
             order by expires_at limit $1 for update skip locked
         )",
        BATCH,
    )
    .execute(pool)
    .await?;
    Ok(removed.rows_affected())
}
