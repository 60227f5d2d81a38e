//! Registrations with an address that somebody has registered with already. Each counts once the token of its mail is used.

use sqlx::PgConnection;
use uuid::Uuid;

/// What somebody wrote.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The hash of their password.
    pub password_hash: String,
    /// Their name.
    pub name: String,
    /// Their language.
    pub locale: String,
}

/// Keeps one with the token of its mail.
pub async fn insert(
    connection: &mut PgConnection,
    token: Uuid,
    registration: &Kept,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into users.registrations (token_id, password_hash, name, locale) values ($1, $2, $3, $4)",
        token,
        registration.password_hash,
        registration.name,
        registration.locale,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The one that came last with an address, if its mail is good still.
pub async fn last(connection: &mut PgConnection, user: Uuid) -> Result<Option<Kept>, sqlx::Error> {
    sqlx::query_as!(
        Kept,
        "select password_hash, name, locale
         from users.registrations join users.one_time_tokens on id = token_id
         where user_id = $1 and used_at is null and expires_at > now()
         order by created_at desc, id desc limit 1",
        user,
    )
    .fetch_optional(connection)
    .await
}

/// The one of a token, which is not kept any longer.
pub async fn take(connection: &mut PgConnection, token: Uuid) -> Result<Option<Kept>, sqlx::Error> {
    sqlx::query_as!(
        Kept,
        "delete from users.registrations where token_id = $1 returning password_hash, name, locale",
        token,
    )
    .fetch_optional(connection)
    .await
}
