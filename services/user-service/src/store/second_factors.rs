//! Secrets of one-time passwords, and codes of recovery.

use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// A second factor.
#[derive(Clone, Debug)]
pub struct SecondFactor {
    /// The secret, sealed.
    pub secret: Vec<u8>,
    /// Whether it is asked for.
    pub is_confirmed: bool,
    /// The step of the last code that was taken.
    pub last_step: i64,
}

/// Somebody's second factor.
pub async fn get(executor: impl PgExecutor<'_>, user: Uuid) -> Result<Option<SecondFactor>, sqlx::Error> {
    sqlx::query_as!(
        SecondFactor,
        r#"select secret, confirmed_at is not null as "is_confirmed!", last_step from users.second_factors
           where user_id = $1"#,
        user,
    )
    .fetch_optional(executor)
    .await
}

/// Keeps a secret that is still to be confirmed. False when there is one that was.
pub async fn enroll(connection: &mut PgConnection, user: Uuid, secret: &[u8]) -> Result<bool, sqlx::Error> {
    let enrolled = sqlx::query!(
        "insert into users.second_factors as known (user_id, secret) values ($1, $2)
         on conflict (user_id) do update set secret = excluded.secret, last_step = 0, created_at = now()
             where known.confirmed_at is null",
        user,
        secret,
    )
    .execute(connection)
    .await?;
    Ok(enrolled.rows_affected() == 1)
}

/// It is asked for from now on. False when it was before.
pub async fn confirm(connection: &mut PgConnection, user: Uuid) -> Result<bool, sqlx::Error> {
    let confirmed = sqlx::query!(
        "update users.second_factors set confirmed_at = now() where user_id = $1 and confirmed_at is null",
        user,
    )
    .execute(connection)
    .await?;
    Ok(confirmed.rows_affected() == 1)
}

/// A code of a step was taken. False when one of it or of a later one was before.
pub async fn take_step(connection: &mut PgConnection, user: Uuid, step: i64) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "update users.second_factors set last_step = $2 where user_id = $1 and last_step < $2",
        user,
        step,
    )
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Somebody has no second factor any more. False when they had none.
pub async fn remove(connection: &mut PgConnection, user: Uuid) -> Result<bool, sqlx::Error> {
    sqlx::query!("delete from users.recovery_codes where user_id = $1", user)
        .execute(&mut *connection)
        .await?;
    let removed =
        sqlx::query!("delete from users.second_factors where user_id = $1", user).execute(connection).await?;
    Ok(removed.rows_affected() == 1)
}

/// Gives somebody these codes and no others.
pub async fn set_codes(
    connection: &mut PgConnection,
    user: Uuid,
    hashes: &[Vec<u8>],
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from users.recovery_codes where user_id = $1", user)
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "insert into users.recovery_codes (user_id, hash) select $1, unnest($2::bytea[])",
        user,
        hashes,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Uses a code. False when it is none, or was used.
pub async fn use_code(connection: &mut PgConnection, user: Uuid, hash: &[u8]) -> Result<bool, sqlx::Error> {
    let taken = sqlx::query!(
        "update users.recovery_codes set used_at = now() where user_id = $1 and hash = $2 and used_at is null",
        user,
        hash,
    )
    .execute(connection)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Codes that somebody has left.
pub async fn codes_left(executor: impl PgExecutor<'_>, user: Uuid) -> Result<u64, sqlx::Error> {
    let left = sqlx::query_scalar!(
        r#"select count(*) as "left!" from users.recovery_codes where user_id = $1 and used_at is null"#,
        user,
    )
    .fetch_one(executor)
    .await?;
    Ok(left.unsigned_abs())
}
