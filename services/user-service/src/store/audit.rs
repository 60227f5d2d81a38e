//! What was done to accounts, by whom. It is only ever added to.

use flotilla_kit::correlation::CorrelationId;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::{PgConnection, PgExecutor};
use uuid::Uuid;

/// A line.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// By whom. Nothing: somebody who was not logged in.
    pub actor: Option<Uuid>,
    /// What was done.
    pub action: String,
    /// The request that it came from.
    pub correlation_id: Option<String>,
    /// What else there is to say. Nothing about people.
    pub detail: Value,
}

/// Adds a line, in the transaction of what was done.
pub async fn append(
    connection: &mut PgConnection,
    actor: Option<Uuid>,
    subject: Uuid,
    action: &str,
    detail: Value,
) -> Result<(), sqlx::Error> {
    let correlation = CorrelationId::current();
    sqlx::query!(
        "insert into users.audit_log (id, actor, subject, action, correlation_id, detail)
         values ($1, $2, $3, $4, $5, $6)",
        Uuid::now_v7(),
        actor,
        subject,
        action,
        correlation.as_ref().map(CorrelationId::as_str),
        detail,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The newest lines about somebody, before a position.
pub async fn list(
    executor: impl PgExecutor<'_>,
    subject: Uuid,
    before: Option<(Timestamp, Uuid)>,
    limit: u32,
) -> Result<Vec<Entry>, sqlx::Error> {
    let (time, id) = before.unzip();
    let rows = sqlx::query!(
        r#"select id, at as "at: jiff_sqlx::Timestamp", actor, action, correlation_id, detail from users.audit_log
           where subject = $1 and ($2::timestamptz is null or (at, id) < ($2, $3))
           order by at desc, id desc limit $4"#,
        subject,
        time.map(ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
        id,
        i64::from(limit),
    )
    .fetch_all(executor)
    .await?;
    let entries = rows.into_iter().map(|row| Entry {
        id: row.id,
        at: row.at.to_jiff(),
        actor: row.actor,
        action: row.action,
        correlation_id: row.correlation_id,
        detail: row.detail,
    });
    Ok(entries.collect())
}
