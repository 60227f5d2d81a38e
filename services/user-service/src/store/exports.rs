//! Exports of what is known of somebody, which are made beside the request.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// An export.
#[derive(Clone, Debug)]
pub struct Export {
    /// Its id.
    pub id: Uuid,
    /// `pending`, `done` or `failed`.
    pub status: String,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When it was done.
    pub finished_at: Option<Timestamp>,
    /// Until when it is kept.
    pub expires_at: Option<Timestamp>,
}

/// Asks for one, and says whether it is new: one that is being made is taken for it. It takes the place of those before. Whoever
/// calls has locked the account.
pub async fn request(connection: &mut PgConnection, user: Uuid) -> Result<(Uuid, bool), sqlx::Error> {
    let pending =
        sqlx::query_scalar!("select id from users.exports where user_id = $1 and status = 'pending'", user)
            .fetch_optional(&mut *connection)
            .await?;
    if let Some(id) = pending {
        return Ok((id, false));
    }
    sqlx::query!("delete from users.exports where user_id = $1", user).execute(&mut *connection).await?;
    let id = Uuid::now_v7();
    sqlx::query!("insert into users.exports (id, user_id) values ($1, $2)", id, user)
        .execute(connection)
        .await?;
    Ok((id, true))
}

/// One of somebody's.
pub async fn get(executor: impl PgExecutor<'_>, user: Uuid, id: Uuid) -> Result<Option<Export>, sqlx::Error> {
    let row = sqlx::query!(
        r#"select id, status, created_at as "created_at: jiff_sqlx::Timestamp",
               finished_at as "finished_at: jiff_sqlx::Timestamp", expires_at as "expires_at: jiff_sqlx::Timestamp"
           from users.exports where user_id = $1 and id = $2 and (expires_at is null or expires_at > now())"#,
        user,
        id,
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Export {
        id: row.id,
        status: row.status,
        created_at: row.created_at.to_jiff(),
        finished_at: row.finished_at.map(jiff_sqlx::Timestamp::to_jiff),
        expires_at: row.expires_at.map(jiff_sqlx::Timestamp::to_jiff),
    }))
}

/// What one has in it, once it is done.
pub async fn content(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    id: Uuid,
) -> Result<Option<String>, sqlx::Error> {
    let content = sqlx::query_scalar!(
        "select content from users.exports
         where user_id = $1 and id = $2 and status = 'done' and expires_at > now()",
        user,
        id,
    )
    .fetch_optional(executor)
    .await?;
    Ok(content.flatten())
}

/// One to make.
#[derive(Clone, Copy, Debug)]
pub struct Claimed {
    /// Its id.
    pub id: Uuid,
    /// Of whom.
    pub user_id: Uuid,
    /// How often it has been tried, this time counted: whoever makes it knows by it whether they still do.
    pub attempts: i32,
}

/// Takes one to make. When nothing is heard of it for a while somebody else does.
pub async fn claim(executor: impl PgExecutor<'_>, lease: Duration) -> Result<Option<Claimed>, sqlx::Error> {
    sqlx::query_as!(
        Claimed,
        "update users.exports set attempts = attempts + 1, next_at = now() + make_interval(secs => $1)
         where id = (
             select id from users.exports where status = 'pending' and next_at <= now()
             order by next_at limit 1 for update skip locked
         )
         returning id, user_id, attempts",
        lease.as_secs_f64(),
    )
    .fetch_optional(executor)
    .await
}

/// It is done, and kept for a while, unless somebody else makes it by now.
pub async fn done(
    executor: impl PgExecutor<'_>,
    claimed: &Claimed,
    content: &str,
    retention: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users.exports
         set status = 'done', content = $3, finished_at = now(), expires_at = now() + make_interval(secs => $4)
         where id = $1 and status = 'pending' and attempts = $2",
        claimed.id,
        claimed.attempts,
        content,
        retention.as_secs_f64(),
    )
    .execute(executor)
    .await?;
    Ok(())
}

/// It failed, and is tried again after a while, or never, unless somebody else makes it by now.
pub async fn failed(
    executor: impl PgExecutor<'_>,
    claimed: &Claimed,
    after: Option<Duration>,
    retention: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users.exports
         set status = case when $3::float8 is null then 'failed' else status end,
             finished_at = case when $3 is null then now() end,
             expires_at = case when $3 is null then now() + make_interval(secs => $4) end,
             next_at = now() + make_interval(secs => coalesce($3, 0))
         where id = $1 and status = 'pending' and attempts = $2",
        claimed.id,
        claimed.attempts,
        after.map(|after| after.as_secs_f64()),
        retention.as_secs_f64(),
    )
    .execute(executor)
    .await?;
    Ok(())
}
