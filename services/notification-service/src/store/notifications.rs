//! Notifications.

use flotilla_kit::database::{Pool, Transaction};
use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::Error;
use crate::domain::{
    category::Category,
    channel::Channel,
    outcome::{State, Status},
};

/// A notification to be sent.
#[derive(Clone, Debug)]
pub struct New<'a> {
    /// What makes it this one.
    pub dedupe_key: &'a str,
    /// Whom it is for. Nothing: for endpoints alone.
    pub user: Option<Uuid>,
    /// What it is told with.
    pub template: &'a str,
    /// What kind it is.
    pub category: Category,
    /// What it is about.
    pub subject: &'a str,
    /// The type of the event that it comes from, or what else it comes from.
    pub kind: &'a str,
    /// What the template fills in.
    pub data: &'a Value,
    /// The request that it comes from.
    pub correlation_id: Option<&'a str>,
    /// The trace that it is in.
    pub traceparent: Option<&'a str>,
    /// When its cause was.
    pub time: Timestamp,
}

/// A notification as it is kept.
#[derive(Clone, Debug)]
pub struct Notification {
    /// Which one it is.
    pub id: Uuid,
    /// Whom it is for.
    pub user: Option<Uuid>,
    /// What it is told with.
    pub template: String,
    /// What kind it is.
    pub category: String,
    /// What it is about.
    pub subject: String,
    /// What it comes from.
    pub kind: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// Where its deliveries are.
    pub states: Vec<String>,
}

impl Notification {
    /// What became of it.
    pub fn status(&self) -> Status {
        let states: Vec<State> = self.states.iter().filter_map(|state| state.parse().ok()).collect();
        Status::of(&states)
    }
}

/// Queues a notification for these recipients, once. Gives its id, and whether it was queued now.
pub async fn queue(
    transaction: &mut Transaction<'_>,
    new: &New<'_>,
    recipients: &[(Channel, String)],
) -> Result<(Uuid, bool), Error> {
    let inserted = sqlx::query_scalar!(
        "insert into notification.notifications
             (id, dedupe_key, user_id, template, category, subject, kind, data, correlation_id, traceparent, created_at)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) on conflict (dedupe_key) do nothing returning id",
        Uuid::now_v7(),
        new.dedupe_key,
        new.user,
        new.template,
        new.category.as_str(),
        new.subject,
        new.kind,
        Json(new.data) as _,
        new.correlation_id,
        new.traceparent,
        new.time.to_sqlx() as jiff_sqlx::Timestamp,
    )
    .fetch_optional(&mut **transaction)
    .await?;
    let Some(id) = inserted else {
        let known = sqlx::query_scalar!(
            "select id from notification.notifications where dedupe_key = $1",
            new.dedupe_key
        );
        let id = known.fetch_one(&mut **transaction).await?;
        return Ok((id, false));
    };
    for (channel, recipient) in recipients {
        sqlx::query!(
            "insert into notification.deliveries (id, notification_id, channel, recipient) values ($1, $2, $3, $4)
             on conflict (notification_id, channel, recipient) do nothing",
            Uuid::now_v7(),
            id,
            channel.as_str(),
            recipient,
        )
        .execute(&mut **transaction)
        .await?;
    }
    Ok((id, true))
}

/// Notifications, the newest first: of a user or of all, before one of them.
pub async fn list(
    pool: &Pool,
    user: Option<Uuid>,
    before: Option<Uuid>,
    limit: i64,
) -> Result<Vec<Notification>, Error> {
    let rows = sqlx::query!(
        r#"select id, user_id, template, category, subject, kind, created_at as "created_at: jiff_sqlx::Timestamp",
               array(select state from notification.deliveries where notification_id = notification.id) as "states!"
           from notification.notifications notification
           where ($1::uuid is null or user_id = $1) and ($2::uuid is null or id < $2)
           order by id desc limit $3"#,
        user,
        before,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Notification {
            id: row.id,
            user: row.user_id,
            template: row.template,
            category: row.category,
            subject: row.subject,
            kind: row.kind,
            created_at: row.created_at.to_jiff(),
            states: row.states,
        })
        .collect())
}

/// A notification.
pub async fn get(pool: &Pool, id: Uuid) -> Result<Option<Notification>, Error> {
    Ok(batch(pool, &[id]).await?.pop())
}

/// Those of these notifications that there are.
pub async fn batch(pool: &Pool, ids: &[Uuid]) -> Result<Vec<Notification>, Error> {
    let rows = sqlx::query!(
        r#"select id, user_id, template, category, subject, kind, created_at as "created_at: jiff_sqlx::Timestamp",
               array(select state from notification.deliveries where notification_id = notification.id) as "states!"
           from notification.notifications notification where id = any ($1)"#,
        ids,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Notification {
            id: row.id,
            user: row.user_id,
            template: row.template,
            category: row.category,
            subject: row.subject,
            kind: row.kind,
            created_at: row.created_at.to_jiff(),
            states: row.states,
        })
        .collect())
}

/// Forgets everything about somebody (GDPR, article 17). What endpoints of webhooks are still to hear of them is forgotten
/// with what is old: the events that it was in cannot be taken back from those either.
pub async fn erase(transaction: &mut Transaction<'_>, user: Uuid) -> Result<(), Error> {
    sqlx::query!(
        "delete from notification.notifications notification
         where user_id = $1 or (user_id is null and data ->> 'user_id' = $2 and not exists (
             select from notification.deliveries
             where notification_id = notification.id and state in ('queued', 'sending')
         ))",
        user,
        user.to_string(),
    )
    .execute(&mut **transaction)
    .await?;
    sqlx::query!("delete from notification.preferences where user_id = $1", user)
        .execute(&mut **transaction)
        .await?;
    sqlx::query!("delete from notification.push_subscriptions where user_id = $1", user)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Forgets notifications that are older than this and on their way to nobody, at most so many, and says how many.
pub async fn forget(pool: &Pool, age: Duration, limit: i64) -> Result<u64, Error> {
    let forgotten = sqlx::query!(
        "delete from notification.notifications where id in (
             select id from notification.notifications notification
             where created_at < now() - make_interval(secs => $1) and not exists (
                 select from notification.deliveries
                 where notification_id = notification.id and state in ('queued', 'sending')
             )
             order by created_at limit $2 for update skip locked
         )",
        age.as_secs_f64(),
        limit,
    )
    .execute(pool)
    .await?;
    Ok(forgotten.rows_affected())
}

/// Everything that is known of somebody, as objects with the tables that they are from (GDPR, article 15). References to the
/// secrets of mails are nobody's to read.
pub async fn export(pool: &Pool, user: Uuid) -> Result<Vec<(String, Value)>, Error> {
    let rows = sqlx::query!(
        r#"select 'notifications' as "source!",
                   to_jsonb(notification) - 'dedupe_key' #- '{data,reference}' as "json!"
               from notification.notifications notification where user_id = $1
           union all
           select 'deliveries', to_jsonb(delivery) from notification.deliveries delivery
               join notification.notifications notification on notification.id = delivery.notification_id
               where notification.user_id = $1
           union all
           select 'delivery_attempts', to_jsonb(attempt) from notification.delivery_attempts attempt
               join notification.deliveries delivery on delivery.id = attempt.delivery_id
               join notification.notifications notification on notification.id = delivery.notification_id
               where notification.user_id = $1
           union all
           select 'preferences', to_jsonb(preference) from notification.preferences preference where user_id = $1
           union all
           select 'push_subscriptions', to_jsonb(subscription) - 'auth' - 'p256dh'
               from notification.push_subscriptions subscription where user_id = $1"#,
        user,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| (row.source, row.json)).collect())
}
