//! The keys that sign tokens.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{PgConnection, PgExecutor};

/// What sets the lock of whoever rotates keys apart from others of the same database.
const LOCK: i64 = 0x464C_4F54_4B45_5953;

/// A key, as it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its id.
    pub id: String,
    /// The public key.
    pub public_key: Vec<u8>,
    /// The private key, sealed.
    pub private_key: Vec<u8>,
    /// From when it signs.
    pub signs_from: Timestamp,
}

/// Nobody else rotates keys until the end of the transaction.
pub async fn lock(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_advisory_xact_lock($1)", LOCK).fetch_one(connection).await?;
    Ok(())
}

/// All of them.
pub async fn list(executor: impl PgExecutor<'_>) -> Result<Vec<Kept>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"select id, public_key, private_key, signs_from as "signs_from: jiff_sqlx::Timestamp"
           from users.signing_keys order by signs_from"#
    )
    .fetch_all(executor)
    .await?;
    let kept = rows.into_iter().map(|row| Kept {
        id: row.id,
        public_key: row.public_key,
        private_key: row.private_key,
        signs_from: row.signs_from.to_jiff(),
    });
    Ok(kept.collect())
}

/// Keeps one.
pub async fn insert(connection: &mut PgConnection, key: &Kept) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into users.signing_keys (id, public_key, private_key, signs_from) values ($1, $2, $3, $4)",
        key.id,
        key.public_key,
        key.private_key,
        key.signs_from.to_sqlx() as jiff_sqlx::Timestamp,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes one.
pub async fn delete(connection: &mut PgConnection, id: &str) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from users.signing_keys where id = $1", id).execute(connection).await?;
    Ok(())
}
