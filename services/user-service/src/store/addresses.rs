//! Where things are sent.

use jiff::Timestamp;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

use crate::domain::address::Address;

/// An address that is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Its id.
    pub id: Uuid,
    /// What it says.
    pub address: Address,
    /// Whether it is what is taken when nothing is said.
    pub is_default: bool,
    /// How often it has changed.
    pub version: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
}

struct Row {
    id: Uuid,
    recipient: String,
    line1: String,
    line2: String,
    city: String,
    region: String,
    postal_code: String,
    country: String,
    phone: String,
    is_default: bool,
    version: i64,
    created_at: jiff_sqlx::Timestamp,
    updated_at: jiff_sqlx::Timestamp,
}

impl From<Row> for Kept {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            address: Address {
                recipient: row.recipient,
                line1: row.line1,
                line2: row.line2,
                city: row.city,
                region: row.region,
                postal_code: row.postal_code,
                country: row.country,
                phone: row.phone,
            },
            is_default: row.is_default,
            version: row.version.unsigned_abs(),
            created_at: row.created_at.to_jiff(),
            updated_at: row.updated_at.to_jiff(),
        }
    }
}

macro_rules! addresses {
    ($tail:literal, $($parameter:expr),*) => {
        sqlx::query_as!(
            Row,
            r#"select id, recipient, line1, line2, city, region, postal_code, country, phone, is_default, version,
                   created_at as "created_at: _", updated_at as "updated_at: _"
               from users.addresses "# + $tail,
            $($parameter),*
        )
    };
}

/// The addresses of somebody, the oldest first.
pub async fn list(executor: impl PgExecutor<'_>, user: Uuid) -> Result<Vec<Kept>, sqlx::Error> {
    let rows = addresses!("where user_id = $1 order by created_at, id", user).fetch_all(executor).await?;
    Ok(rows.into_iter().map(Kept::from).collect())
}

/// One of them.
pub async fn get(executor: impl PgExecutor<'_>, user: Uuid, id: Uuid) -> Result<Option<Kept>, sqlx::Error> {
    let row = addresses!("where user_id = $1 and id = $2", user, id).fetch_optional(executor).await?;
    Ok(row.map(Kept::from))
}

/// The same, which nobody else changes until the end of the transaction.
pub async fn lock(connection: &mut PgConnection, user: Uuid, id: Uuid) -> Result<Option<Kept>, sqlx::Error> {
    let row =
        addresses!("where user_id = $1 and id = $2 for update", user, id).fetch_optional(connection).await?;
    Ok(row.map(Kept::from))
}

/// How many somebody has.
pub async fn count(connection: &mut PgConnection, user: Uuid) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(r#"select count(*) as "count!" from users.addresses where user_id = $1"#, user)
        .fetch_one(connection)
        .await
}

/// None of somebody's is the default.
pub async fn clear_default(connection: &mut PgConnection, user: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users.addresses set is_default = false, version = version + 1, updated_at = now()
         where user_id = $1 and is_default",
        user,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Adds one.
pub async fn insert(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    address: &Address,
    is_default: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "insert into users.addresses
             (id, user_id, recipient, line1, line2, city, region, postal_code, country, phone, is_default)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        id,
        user,
        address.recipient,
        address.line1,
        address.line2,
        address.city,
        address.region,
        address.postal_code,
        address.country,
        address.phone,
        is_default,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Changes one.
pub async fn update(
    connection: &mut PgConnection,
    user: Uuid,
    id: Uuid,
    address: &Address,
    is_default: bool,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update users.addresses
         set recipient = $3, line1 = $4, line2 = $5, city = $6, region = $7, postal_code = $8, country = $9, phone = $10,
             is_default = $11, version = version + 1, updated_at = now()
         where user_id = $1 and id = $2",
        user,
        id,
        address.recipient,
        address.line1,
        address.line2,
        address.city,
        address.region,
        address.postal_code,
        address.country,
        address.phone,
        is_default,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Removes one.
pub async fn delete(connection: &mut PgConnection, user: Uuid, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from users.addresses where user_id = $1 and id = $2", user, id)
        .execute(connection)
        .await?;
    Ok(())
}
