//! Webhooks that have had their effect.

use super::Error;
use flotilla_kit::database::{Pool, Transaction};

/// Whether one has.
pub async fn is_handled(pool: &Pool, provider: &str, event: &str) -> Result<bool, Error> {
    let found = sqlx::query_scalar!(
        r#"select exists (select from orders.psp_webhooks where provider = $1 and event_id = $2) as "is!""#,
        provider,
        event
    )
    .fetch_one(pool)
    .await?;
    Ok(found)
}

/// Notes that one has, in the transaction of its effect. False: it had before.
pub async fn note(
    transaction: &mut Transaction<'_>,
    provider: &str,
    event: &str,
    kind: &str,
) -> Result<bool, Error> {
    let noted = sqlx::query!(
        "insert into orders.psp_webhooks (provider, event_id, kind) values ($1, $2, $3) on conflict do nothing",
        provider,
        event,
        kind
    )
    .execute(&mut **transaction)
    .await?;
    Ok(noted.rows_affected() == 1)
}

/// Forgets which webhooks had their effect so many days ago, at most so many of them, and says how many.
pub async fn forget_old(pool: &Pool, days: i32, limit: i64) -> Result<u64, Error> {
    let forgotten = sqlx::query!(
        "delete from orders.psp_webhooks where (provider, event_id) in (
             select provider, event_id from orders.psp_webhooks where handled_at < now() - make_interval(days => $1)
             order by handled_at limit $2 for update skip locked
         )",
        days,
        limit,
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}
