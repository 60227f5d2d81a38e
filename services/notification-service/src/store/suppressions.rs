//! Addresses that nothing is sent to any more. What is kept of them is a hash.

use flotilla_kit::database::Pool;
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// An address that nothing is sent to.
#[derive(Clone, Debug)]
pub struct Suppression {
    /// Which one it is.
    pub id: Uuid,
    /// Why.
    pub reason: String,
    /// Since when.
    pub created_at: Timestamp,
}

/// Sends nothing more to an address.
pub async fn add(connection: &mut PgConnection, hash: &[u8], reason: &str) -> Result<(), Error> {
    sqlx::query!(
        "insert into notification.suppressions (id, address_hash, reason) values ($1, $2, $3)
         on conflict (address_hash) do nothing",
        Uuid::now_v7(),
        hash,
        reason,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Why nothing is sent to an address, if so.
pub async fn find(pool: &Pool, hash: &[u8]) -> Result<Option<Suppression>, Error> {
    let row = sqlx::query!(
        r#"select id, reason, created_at as "created_at: jiff_sqlx::Timestamp"
           from notification.suppressions where address_hash = $1"#,
        hash,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Suppression { id: row.id, reason: row.reason, created_at: row.created_at.to_jiff() }))
}

/// Sends to it again. False: there is none.
pub async fn remove(pool: &Pool, id: Uuid) -> Result<bool, Error> {
    let removed =
        sqlx::query!("delete from notification.suppressions where id = $1", id).execute(pool).await?;
    Ok(removed.rows_affected() == 1)
}
