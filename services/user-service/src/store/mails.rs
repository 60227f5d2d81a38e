//! One-time tokens: of mails, and of logins that wait for a second factor.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use super::accounts;
use crate::crypto::Hash;

/// What a token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To show that an address is theirs.
    Verification,
    /// To get another password.
    PasswordReset,
    /// To get another address.
    EmailChange,
    /// To show the second factor.
    SecondFactor,
}

impl Purpose {
    /// As text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Verification => "verification",
            Self::PasswordReset => "password_reset",
            Self::EmailChange => "email_change",
            Self::SecondFactor => "second_factor",
        }
    }
}

/// A token.
#[derive(Clone, Debug)]
pub struct OneTime {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// The address that it was made for.
    pub email: String,
    /// Wrong codes so far.
    pub failures: u32,
}

/// A token that is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct New<'a> {
    /// What it is for.
    pub purpose: Purpose,
    /// What stands for it in an event.
    pub reference: Option<&'a Hash>,
    /// The token.
    pub token: &'a Hash,
    /// The address that it is made for.
    pub email: &'a str,
    /// How long it is good.
    pub lifetime: Duration,
}

/// Keeps a new token, and says its id and when it ends.
pub async fn insert(
    connection: &mut PgConnection,
    user: Uuid,
    new: &New<'_>,
) -> Result<(Uuid, Timestamp), sqlx::Error> {
    let id = Uuid::now_v7();
    let ends = sqlx::query_scalar!(
        r#"insert into users.one_time_tokens (id, user_id, purpose, reference_hash, token_hash, email, expires_at)
           values ($1, $2, $3, $4, $5, $6, now() + make_interval(secs => $7))
           returning expires_at as "expires_at: jiff_sqlx::Timestamp""#,
        id,
        user,
        new.purpose.as_str(),
        new.reference.map(Hash::as_bytes),
        new.token.as_bytes(),
        new.email,
        new.lifetime.as_secs_f64(),
    )
    .fetch_one(connection)
    .await?;
    Ok((id, ends.to_jiff()))
}

/// The tokens that somebody has for a purpose are good no longer.
pub async fn retire(connection: &mut PgConnection, user: Uuid, purpose: Purpose) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users.one_time_tokens set used_at = now() where user_id = $1 and purpose = $2 and used_at is null",
        user,
        purpose.as_str(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What a reference stands for.
#[derive(Clone, Debug)]
pub struct Redeemed {
    /// Whose it is.
    pub user_id: Uuid,
    /// What its token is for.
    pub purpose: String,
    /// Where the mail goes.
    pub email: String,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// Redeems a reference. It may be done again for a while, by whoever failed after it: the token is the same.
pub async fn redeem(
    executor: impl PgExecutor<'_>,
    reference: &Hash,
    again: Duration,
) -> Result<Option<Redeemed>, sqlx::Error> {
    let row = sqlx::query!(
        r#"update users.one_time_tokens set redeemed_at = coalesce(redeemed_at, now())
           where reference_hash = $1 and used_at is null and expires_at > now()
             and (redeemed_at is null or redeemed_at > now() - make_interval(secs => $2))
           returning user_id, purpose, email, expires_at as "expires_at: jiff_sqlx::Timestamp""#,
        reference.as_bytes(),
        again.as_secs_f64(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.map(|row| Redeemed {
        user_id: row.user_id,
        purpose: row.purpose,
        email: row.email,
        expires_at: row.expires_at.to_jiff(),
    }))
}

/// Whose token it is, if it is good still.
pub async fn owner(
    executor: impl PgExecutor<'_>,
    purpose: Purpose,
    token: &Hash,
) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "select user_id from users.one_time_tokens
         where token_hash = $1 and purpose = $2 and used_at is null and expires_at > now()",
        token.as_bytes(),
        purpose.as_str(),
    )
    .fetch_optional(executor)
    .await
}

/// A token that is good still, which nobody else uses until the end of the transaction. Nor does anybody change its account:
/// locks are always had in this order.
pub async fn lock(
    connection: &mut PgConnection,
    purpose: Purpose,
    token: &Hash,
) -> Result<Option<OneTime>, sqlx::Error> {
    let Some(user) = owner(&mut *connection, purpose, token).await? else { return Ok(None) };
    accounts::hold(&mut *connection, &[user]).await?;
    let row = sqlx::query!(
        "select id, user_id, email, failures from users.one_time_tokens
         where token_hash = $1 and purpose = $2 and used_at is null and expires_at > now() for update",
        token.as_bytes(),
        purpose.as_str(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| OneTime {
        id: row.id,
        user_id: row.user_id,
        email: row.email,
        failures: row.failures.unsigned_abs(),
    }))
}

/// A token has been used.
pub async fn used(connection: &mut PgConnection, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("update users.one_time_tokens set used_at = now() where id = $1", id)
        .execute(connection)
        .await?;
    Ok(())
}

/// A code was wrong. After so many the token is good no longer.
pub async fn failed(connection: &mut PgConnection, id: Uuid, most: i32) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users.one_time_tokens
         set failures = failures + 1, used_at = case when failures + 1 >= $2 then now() end where id = $1",
        id,
        most,
    )
    .execute(connection)
    .await?;
    Ok(())
}
