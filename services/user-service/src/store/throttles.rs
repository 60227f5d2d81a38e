//! Counts of what may not be done too often, by a keyed hash of an address.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

/// What is counted.
#[derive(Clone, Copy, Debug)]
pub enum Scope {
    /// Failed logins.
    Login,
    /// Mails that somebody asked for.
    Mail,
}

impl Scope {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Mail => "mail",
        }
    }
}

/// Until when nothing is tried.
pub async fn blocked_until(
    executor: impl PgExecutor<'_>,
    scope: Scope,
    key: &[u8],
) -> Result<Option<Timestamp>, sqlx::Error> {
    let blocked = sqlx::query_scalar!(
        r#"select blocked_until as "blocked_until: jiff_sqlx::Timestamp" from users.throttles
           where scope = $1 and key = $2 and blocked_until > now()"#,
        scope.as_str(),
        key,
    )
    .fetch_optional(executor)
    .await?;
    Ok(blocked.flatten().map(jiff_sqlx::Timestamp::to_jiff))
}

/// Counts one, and says how many there have been since the last was forgotten. Whoever counts at once waits.
pub async fn count(
    connection: &mut PgConnection,
    scope: Scope,
    key: &[u8],
    memory: Duration,
) -> Result<u32, sqlx::Error> {
    let count = sqlx::query_scalar!(
        "insert into users.throttles as known (scope, key, count, since) values ($1, $2, 1, now())
         on conflict (scope, key) do update
             set count = case when known.since < now() - make_interval(secs => $3) then 1 else known.count + 1 end,
                 since = case
                     when $1 = 'login' or known.since < now() - make_interval(secs => $3) then now() else known.since
                 end
         returning count",
        scope.as_str(),
        key,
        memory.as_secs_f64(),
    )
    .fetch_one(connection)
    .await?;
    Ok(count.unsigned_abs())
}

/// Nothing is tried for a while.
pub async fn block(
    connection: &mut PgConnection,
    scope: Scope,
    key: &[u8],
    time: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users.throttles set blocked_until = now() + make_interval(secs => $3) where scope = $1 and key = $2",
        scope.as_str(),
        key,
        time.as_secs_f64(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Forgets what was counted, unless it is blocked by now, and says until when. Of those who tried at once some may have failed.
pub async fn clear(
    connection: &mut PgConnection,
    scope: Scope,
    key: &[u8],
) -> Result<Option<Timestamp>, sqlx::Error> {
    sqlx::query!(
        "delete from users.throttles
         where scope = $1 and key = $2 and (blocked_until is null or blocked_until <= now())",
        scope.as_str(),
        key,
    )
    .execute(&mut *connection)
    .await?;
    blocked_until(connection, scope, key).await
}

/// Forgets what was counted, whatever it is.
pub async fn lift(connection: &mut PgConnection, scope: Scope, key: &[u8]) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from users.throttles where scope = $1 and key = $2", scope.as_str(), key)
        .execute(connection)
        .await?;
    Ok(())
}

/// Forgets what nobody counts on any more, at most so much, and says how much.
pub async fn forget(
    executor: impl PgExecutor<'_>,
    before: Timestamp,
    limit: i64,
) -> Result<u64, sqlx::Error> {
    let forgotten = sqlx::query!(
        "delete from users.throttles where (scope, key) in (
             select scope, key from users.throttles
             where since < $1 and (blocked_until is null or blocked_until < now())
             order by since limit $2 for update skip locked
         )",
        before.to_sqlx() as jiff_sqlx::Timestamp,
        limit,
    )
    .execute(executor)
    .await?;
    Ok(forgotten.rows_affected())
}
