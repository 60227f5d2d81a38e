//! Sessions, and the families of refresh tokens that they are.

use std::{collections::HashMap, time::Duration};

use flotilla_kit::database::of_ten;
use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::crypto::Hash;

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    /// Its id.
    pub id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What program it is of, as that says.
    pub user_agent: String,
    /// Whether a second factor was used.
    pub has_second_factor: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used for a new token.
    pub last_used_at: Timestamp,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
}

/// Begins a session.
pub async fn begin(
    connection: &mut PgConnection,
    id: Uuid,
    user: Uuid,
    user_agent: &str,
    has_second_factor: bool,
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into users.sessions (id, user_id, user_agent, has_second_factor, expires_at)
         values ($1, $2, $3, $4, now() + make_interval(secs => $5))",
        id,
        user,
        user_agent,
        has_second_factor,
        lifetime.as_secs_f64(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The sessions of somebody that go on, the newest first, at most so many.
pub async fn list(
    executor: impl PgExecutor<'_>,
    user: Uuid,
    limit: u32,
) -> Result<Vec<Session>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id, user_id, user_agent, has_second_factor, created_at as "created_at: jiff_sqlx::Timestamp",
               last_used_at as "last_used_at: jiff_sqlx::Timestamp", expires_at as "expires_at: jiff_sqlx::Timestamp"
           from users.sessions where user_id = $1 and ended_at is null and expires_at > now()
           order by created_at desc, id desc limit $2"#,
        user,
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Session {
            id: row.id,
            user_id: row.user_id,
            user_agent: row.user_agent,
            has_second_factor: row.has_second_factor,
            created_at: row.created_at.to_jiff(),
            last_used_at: row.last_used_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
        })
        .collect())
}

/// A session that goes on, of somebody who may do something.
#[derive(Clone, Debug)]
pub struct Live {
    /// Whose it is.
    pub user_id: Uuid,
    /// What its user is.
    pub roles: Vec<String>,
}

/// Those of some sessions that go on, by their ids.
pub async fn live(executor: impl PgExecutor<'_>, ids: &[Uuid]) -> Result<HashMap<Uuid, Live>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select sessions.id, sessions.user_id,
               array(select role from users.user_roles where user_id = sessions.user_id order by role) as "roles!"
           from users.sessions join users.accounts on accounts.id = sessions.user_id
           where sessions.id = any ($1) and sessions.ended_at is null and sessions.expires_at > now()
             and accounts.status = 'active'"#,
        &of_ten(ids),
    )
    .fetch_all(executor)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, Live { user_id: row.user_id, roles: row.roles })).collect())
}

/// Ends a session of somebody. False when they have none with this id that goes on.
pub async fn end(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    reason: &str,
) -> Result<bool, sqlx::Error> {
    let ended = sqlx::query!(
        "update users.sessions set ended_at = now(), end_reason = $3
         where id = $2 and user_id = $1 and ended_at is null and expires_at > now()",
        user,
        id,
        reason,
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected() == 1)
}

/// Ends all sessions of somebody but one, and says how many.
pub async fn end_all(
    connection: &mut PgConnection,
    user: Uuid,
    but: Option<Uuid>,
    reason: &str,
) -> Result<u64, sqlx::Error> {
    let ended = sqlx::query!(
        "update users.sessions set ended_at = now(), end_reason = $3
         where user_id = $1 and ended_at is null and ($2::uuid is null or id <> $2)",
        user,
        but,
        reason,
    )
    .execute(connection)
    .await?;
    Ok(ended.rows_affected())
}

/// What is known of a refresh token. Its family is locked until the end of the transaction.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The session.
    pub session_id: Uuid,
    /// Whose it is.
    pub user_id: Uuid,
    /// What it was exchanged for, sealed.
    pub successor: Option<Vec<u8>>,
    /// What the rule asks for.
    pub rule: crate::domain::rotation::Presented,
    /// What time it is there.
    pub now: Timestamp,
}

/// Looks up a refresh token, for whoever exchanges it: those who do so at once come one after the other.
pub async fn present(connection: &mut PgConnection, token: &Hash) -> Result<Option<Presented>, sqlx::Error> {
    let session =
        sqlx::query_scalar!("select session_id from users.refresh_tokens where hash = $1", token.as_bytes())
            .fetch_optional(&mut *connection)
            .await?;
    let Some(session) = session else { return Ok(None) };
    sqlx::query!("select id from users.sessions where id = $1 for update", session)
        .fetch_optional(&mut *connection)
        .await?;
    // Read after the lock was had, so that it is what the one before has left.
    let row = sqlx::query!(
        r#"select sessions.user_id, tokens.expires_at as "expires_at: jiff_sqlx::Timestamp",
               tokens.used_at as "used_at: jiff_sqlx::Timestamp", tokens.successor,
               coalesce((select used_at is not null from users.refresh_tokens where hash = tokens.successor_hash), true)
                   as "is_successor_used!",
               (sessions.ended_at is null and sessions.expires_at > now() and accounts.status = 'active')
                   as "is_family_live!",
               clock_timestamp() as "now!: jiff_sqlx::Timestamp"
           from users.refresh_tokens tokens
           join users.sessions on sessions.id = tokens.session_id
           join users.accounts on accounts.id = sessions.user_id
           where tokens.hash = $1"#,
        token.as_bytes(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| Presented {
        session_id: session,
        user_id: row.user_id,
        successor: row.successor,
        rule: crate::domain::rotation::Presented {
            expires_at: row.expires_at.to_jiff(),
            used_at: row.used_at.map(jiff_sqlx::Timestamp::to_jiff),
            is_successor_used: row.is_successor_used,
            is_family_live: row.is_family_live,
        },
        now: row.now.to_jiff(),
    }))
}

/// A new token of a session. It ends when the session does, or before when it is not used.
pub async fn issue(
    connection: &mut PgConnection,
    session: Uuid,
    parent: Option<&Hash>,
    token: &Hash,
    lifetime: Duration,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into users.refresh_tokens (hash, session_id, parent, expires_at)
         select $1, id, $3, least(expires_at, now() + make_interval(secs => $4)) from users.sessions where id = $2",
        token.as_bytes(),
        session,
        parent.map(Hash::as_bytes),
        lifetime.as_secs_f64(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// A token has been exchanged for another. What was kept for a repeated exchange of the one before goes.
pub async fn exchanged(
    connection: &mut PgConnection,
    session: Uuid,
    token: &Hash,
    successor: &Hash,
    sealed: &[u8],
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users.refresh_tokens set successor = null where session_id = $1 and successor is not null",
        session,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "update users.refresh_tokens set used_at = clock_timestamp(), successor = $2, successor_hash = $3 where hash = $1",
        token.as_bytes(),
        sealed,
        successor.as_bytes(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("update users.sessions set last_used_at = now() where id = $1", session)
        .execute(connection)
        .await?;
    Ok(())
}
