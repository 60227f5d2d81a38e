//! Browsers that people are pushed to.

use flotilla_kit::database::Pool;
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::Error;
use crate::send::push::Subscription;

/// Browsers that somebody may have.
pub const MAX: i64 = 20;

/// A browser of somebody.
#[derive(Clone, Debug)]
pub struct Known {
    /// Which one it is.
    pub id: Uuid,
    /// When it was subscribed.
    pub created_at: Timestamp,
}

/// Subscribes a browser, which is whoever's it is now. Nothing: somebody has too many.
pub async fn add(pool: &Pool, user: Uuid, subscription: &Subscription) -> Result<Option<Known>, Error> {
    let row = sqlx::query!(
        r#"insert into notification.push_subscriptions (id, user_id, endpoint, p256dh, auth)
         select $1, $2, $3, $4, $5
         where (select count(*) from notification.push_subscriptions where user_id = $2 and endpoint <> $3) < $6
         on conflict (endpoint) do update
             set user_id = excluded.user_id, p256dh = excluded.p256dh, auth = excluded.auth
         returning id, created_at as "created_at: jiff_sqlx::Timestamp""#,
        Uuid::now_v7(),
        user,
        subscription.endpoint,
        subscription.p256dh,
        subscription.auth,
        MAX,
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| Known { id: row.id, created_at: row.created_at.to_jiff() }))
}

/// The browsers of somebody.
pub async fn list(connection: &mut PgConnection, user: Uuid) -> Result<Vec<Known>, Error> {
    let rows = sqlx::query!(
        r#"select id, created_at as "created_at: jiff_sqlx::Timestamp"
           from notification.push_subscriptions where user_id = $1 order by id"#,
        user,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| Known { id: row.id, created_at: row.created_at.to_jiff() }).collect())
}

/// A browser of somebody.
pub async fn get(pool: &Pool, id: Uuid, user: Uuid) -> Result<Option<Subscription>, Error> {
    let row = sqlx::query_as!(
        Subscription,
        "select endpoint, p256dh, auth from notification.push_subscriptions where id = $1 and user_id = $2",
        id,
        user,
    );
    Ok(row.fetch_optional(pool).await?)
}

/// Takes back a subscription: of somebody, or of whoever has it. False: there is none.
pub async fn remove(connection: &mut PgConnection, id: Uuid, user: Option<Uuid>) -> Result<bool, Error> {
    let removed = sqlx::query!(
        "delete from notification.push_subscriptions where id = $1 and ($2::uuid is null or user_id = $2)",
        id,
        user,
    )
    .execute(connection)
    .await?;
    Ok(removed.rows_affected() == 1)
}
