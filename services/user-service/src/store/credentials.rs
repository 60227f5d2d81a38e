//! Hashes of passwords.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// The hash of somebody's password.
pub async fn get(executor: impl PgExecutor<'_>, user: Uuid) -> Result<Option<String>, sqlx::Error> {
    sqlx::query_scalar!("select password_hash from users.credentials where user_id = $1", user)
        .fetch_optional(executor)
        .await
}

/// Gives somebody a password, whatever it was before.
pub async fn set(connection: &mut PgConnection, user: Uuid, hash: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into users.credentials (user_id, password_hash) values ($1, $2)
         on conflict (user_id) do update set password_hash = excluded.password_hash, changed_at = now()",
        user,
        hash,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The same password at another cost. False when it was changed meanwhile.
pub async fn rehash(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    old: &str,
    new: &str,
) -> Result<bool, sqlx::Error> {
    let rehashed = sqlx::query!(
        "update users.credentials set password_hash = $3 where user_id = $1 and password_hash = $2",
        user,
        old,
        new,
    )
    .execute(executor)
    .await?;
    Ok(rehashed.rows_affected() == 1)
}
