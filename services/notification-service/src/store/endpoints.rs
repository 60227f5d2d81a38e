//! Endpoints of webhooks.

use flotilla_kit::database::Pool;
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;

/// Failures in a row after which an endpoint is left alone for a while.
const FAILURES: i32 = 5;

/// Seconds of that while.
const PAUSE: f64 = 60.0;

/// Seconds after which an endpoint that only fails is switched off.
const GIVEN_UP: f64 = 120.0 * 3_600.0;

/// Seconds that a secret is good for after there is another.
const OVERLAP: f64 = 24.0 * 3_600.0;

/// An endpoint.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Which one it is.
    pub id: Uuid,
    /// Where.
    pub url: String,
    /// What it gets.
    pub types: Vec<String>,
    /// Whether it gets anything.
    pub enabled: bool,
    /// Since when it only fails.
    pub failing_since: Option<Timestamp>,
    /// Which version of it this is.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

macro_rules! endpoint {
    ($row:expr) => {{
        let row = $row;
        Endpoint {
            id: row.id,
            url: row.url,
            types: row.types,
            enabled: row.enabled,
            failing_since: row.failing_since.map(jiff_sqlx::Timestamp::to_jiff),
            version: row.version,
            created_at: row.created_at.to_jiff(),
        }
    }};
}

/// Adds one.
pub async fn add(pool: &Pool, id: Uuid, url: &str, types: &[String], sealed: &[u8]) -> Result<(), Error> {
    sqlx::query!(
        "insert into notification.webhook_endpoints (id, url, types, secret) values ($1, $2, $3, $4)",
        id,
        url,
        types,
        sealed,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// All of them, after one of them.
pub async fn list(pool: &Pool, after: Option<Uuid>, limit: i64) -> Result<Vec<Endpoint>, Error> {
    let rows = sqlx::query!(
        r#"select id, url, types, enabled, failing_since as "failing_since: jiff_sqlx::Timestamp", version,
               created_at as "created_at: jiff_sqlx::Timestamp"
           from notification.webhook_endpoints where $1::uuid is null or id > $1 order by id limit $2"#,
        after,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| endpoint!(row)).collect())
}

/// One.
pub async fn get(pool: &Pool, id: Uuid) -> Result<Option<Endpoint>, Error> {
    let row = sqlx::query!(
        r#"select id, url, types, enabled, failing_since as "failing_since: jiff_sqlx::Timestamp", version,
               created_at as "created_at: jiff_sqlx::Timestamp"
           from notification.webhook_endpoints where id = $1"#,
        id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| endpoint!(row)))
}

/// Changes one, in place of a version. False: it is another by now.
pub async fn put(pool: &Pool, endpoint: &Endpoint) -> Result<bool, Error> {
    let updated = sqlx::query!(
        "update notification.webhook_endpoints
         set url = $3, types = $4, enabled = $5, version = version + 1, failures = 0, failing_since = null,
             paused_until = null
         where id = $1 and version = $2",
        endpoint.id,
        endpoint.version,
        endpoint.url,
        &endpoint.types,
        endpoint.enabled,
    )
    .execute(pool)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Takes one back. False: there is none.
pub async fn remove(pool: &Pool, id: Uuid) -> Result<bool, Error> {
    let removed =
        sqlx::query!("delete from notification.webhook_endpoints where id = $1", id).execute(pool).await?;
    Ok(removed.rows_affected() == 1)
}

/// Gives one another secret; the one before is good for a day. False: there is none.
pub async fn rotate(pool: &Pool, id: Uuid, sealed: &[u8]) -> Result<bool, Error> {
    let updated = sqlx::query!(
        "update notification.webhook_endpoints
         set old_secret = secret, old_secret_until = now() + make_interval(secs => $3), secret = $2,
             version = version + 1
         where id = $1",
        id,
        sealed,
        OVERLAP,
    )
    .execute(pool)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Those that get events of a type.
pub async fn wanting(connection: &mut PgConnection, kind: &str) -> Result<Vec<Uuid>, Error> {
    let ids = sqlx::query_scalar!(
        "select id from notification.webhook_endpoints
         where enabled and exists (
             select from unnest(types) pattern
             where $1 = pattern or (right(pattern, 2) = '.*' and starts_with($1, left(pattern, -1)))
         )
         order by id",
        kind,
    );
    Ok(ids.fetch_all(connection).await?)
}

/// Where to send to, and the sealed secrets to sign with, the newest first. Nothing: it is gone, or switched off.
pub async fn target(pool: &Pool, id: Uuid) -> Result<Option<(String, Vec<Vec<u8>>)>, Error> {
    let row = sqlx::query!(
        r#"select url, secret, case when old_secret_until > now() then old_secret end as old_secret
           from notification.webhook_endpoints where id = $1 and enabled"#,
        id,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| (row.url, std::iter::once(row.secret).chain(row.old_secret).collect())))
}

/// It took something.
pub async fn succeeded(connection: &mut PgConnection, id: Uuid) -> Result<(), Error> {
    sqlx::query!(
        "update notification.webhook_endpoints set failures = 0, failing_since = null, paused_until = null
         where id = $1 and failing_since is not null",
        id,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// It did not. After some failures it is left alone for a while, and after days of nothing else it is switched off; so it is
/// when it says that it is gone.
pub async fn failed(connection: &mut PgConnection, id: Uuid, is_gone: bool) -> Result<(), Error> {
    sqlx::query!(
        "update notification.webhook_endpoints
         set failures = failures + 1, failing_since = coalesce(failing_since, now()),
             paused_until = case when failures + 1 >= $2 then now() + make_interval(secs => $3) end,
             enabled = enabled and not $5 and coalesce(failing_since, now()) > now() - make_interval(secs => $4)
         where id = $1",
        id,
        FAILURES,
        PAUSE,
        GIVEN_UP,
        is_gone,
    )
    .execute(connection)
    .await?;
    Ok(())
}
