//! What people do not want.

use flotilla_kit::database::Pool;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::domain::preferences::Preferences;

/// What somebody does not want, and which version of that it is. 0: they never said.
pub async fn get(connection: &mut PgConnection, user: Uuid) -> Result<(Preferences, i64), Error> {
    let row = sqlx::query!("select off, version from notification.preferences where user_id = $1", user)
        .fetch_optional(connection)
        .await?;
    Ok(row.map_or_else(Default::default, |row| (Preferences::from_stored(&row.off), row.version)))
}

/// Writes what somebody does not want in place of a version. Nothing: there is another version by now.
pub async fn put(
    pool: &Pool,
    user: Uuid,
    preferences: &Preferences,
    version: i64,
) -> Result<Option<i64>, Error> {
    let written = sqlx::query_scalar!(
        "insert into notification.preferences as known (user_id, off, version) values ($1, $2, $3::bigint + 1)
         on conflict (user_id) do update set off = excluded.off, version = known.version + 1, updated_at = now()
             where known.version = $3
         returning version",
        user,
        &preferences.to_stored(),
        version,
    )
    .fetch_optional(pool)
    .await?;
    Ok(written)
}
