//! Everything that this service knows of somebody (GDPR, article 15): one JSON object for each thing.

use serde_json::Value;
use sqlx::PgExecutor;
use uuid::Uuid;

/// A thing that is known, and the table that it is in.
#[derive(Clone, Debug)]
pub struct Record {
    /// The table.
    pub table: String,
    /// What it says. No hashes and nothing sealed: those are not about somebody, and would help whoever took an export.
    pub json: Value,
}

/// All of them.
pub async fn records(executor: impl PgExecutor<'_>, user: Uuid) -> Result<Vec<Record>, sqlx::Error> {
    sqlx::query_as!(
        Record,
        r#"select "table" as "table!", json as "json!" from (
               select 1 as place, created_at as time, 'accounts' as "table",
                   to_jsonb(accounts) - 'email_key' || jsonb_build_object('roles', array(
                       select role from users.user_roles where user_id = accounts.id order by role
                   )) as json
               from users.accounts where id = $1 and status <> 'erased'
               union all
               select 2, created_at, 'addresses', to_jsonb(addresses) - 'user_id' from users.addresses where user_id = $1
               union all
               select 3, created_at, 'sessions', to_jsonb(sessions) - 'user_id' from users.sessions where user_id = $1
               union all
               select 4, created_at, 'second_factors', jsonb_build_object('confirmed_at', confirmed_at)
               from users.second_factors where user_id = $1
               union all
               select 5, at, 'audit_log', to_jsonb(audit_log) - 'subject' from users.audit_log where subject = $1
           ) known order by place, time"#,
        user,
    )
    .fetch_all(executor)
    .await
}
