//! Deliveries: the queue, and the log of attempts.

use flotilla_kit::database::{Pool, Transaction};
use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use uuid::Uuid;

use super::Error;
use crate::domain::{
    channel::Channel,
    outcome::{Report, State},
};

/// How long somebody has a delivery. Longer than an attempt may take.
const LEASE: Duration = Duration::from_secs(120);

/// Dead letters that are queued again at a time, so that no transaction is long.
const BATCH: i64 = 10_000;

/// A delivery that is to be attempted now.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// Which one it is.
    pub id: Uuid,
    /// Its notification.
    pub notification: Uuid,
    /// How it is sent.
    pub channel: String,
    /// To whom.
    pub recipient: String,
    /// Which attempt this is.
    pub attempt: i32,
    /// Which one since it was queued.
    pub tries: i32,
    /// What makes the notification this one.
    pub dedupe_key: String,
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
    /// What the template fills in.
    pub data: Value,
    /// The request that it comes from.
    pub correlation_id: Option<String>,
    /// The trace that it is in.
    pub traceparent: Option<String>,
    /// When its cause was.
    pub created_at: Timestamp,
}

/// Takes deliveries of a channel that are due, at most so many, but none for these recipients. Those of whoever took them and
/// was not heard of again are due as well. What is for an endpoint that is left alone for now waits.
pub async fn claim(
    pool: &Pool,
    channel: Channel,
    not_for: &[String],
    limit: i64,
) -> Result<Vec<Claimed>, Error> {
    let rows = sqlx::query!(
        r#"with due as (
               select id from notification.deliveries
               where channel = $1 and state in ('queued', 'sending') and due_at <= now() and recipient <> all ($2)
                   and ($1 <> 'webhook' or recipient not in (
                       select id::text from notification.webhook_endpoints where paused_until > now()
                   ))
               order by due_at limit $3 for update skip locked
           ), claimed as (
               update notification.deliveries delivery
               set state = 'sending', attempt = attempt + 1, tries = tries + 1,
                   due_at = now() + make_interval(secs => $4)
               from due where due.id = delivery.id
               returning delivery.id, notification_id, channel, recipient, attempt, tries
           )
           select claimed.id, notification_id, channel, recipient, attempt, tries, dedupe_key, user_id, template, category,
               subject, kind, data, correlation_id, traceparent, created_at as "created_at: jiff_sqlx::Timestamp"
           from claimed join notification.notifications notification on notification.id = notification_id"#,
        channel.as_str(),
        not_for,
        limit,
        LEASE.as_secs_f64(),
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Claimed {
            id: row.id,
            notification: row.notification_id,
            channel: row.channel,
            recipient: row.recipient,
            attempt: row.attempt,
            tries: row.tries,
            dedupe_key: row.dedupe_key,
            user: row.user_id,
            template: row.template,
            category: row.category,
            subject: row.subject,
            kind: row.kind,
            data: row.data,
            correlation_id: row.correlation_id,
            traceparent: row.traceparent,
            created_at: row.created_at.to_jiff(),
        })
        .collect())
}

/// Writes how an attempt ended, and where the delivery is now; queued again it is due after a while. False: it is somebody
/// else's by now, and nothing was written.
pub async fn finish(
    transaction: &mut Transaction<'_>,
    claimed: &Claimed,
    report: &Report,
    (began, took): (Timestamp, Duration),
    state: State,
    again: Duration,
) -> Result<bool, Error> {
    let is_over = !matches!(state, State::Queued | State::Sending);
    let updated = sqlx::query!(
        "update notification.deliveries
         set state = $3, due_at = now() + make_interval(secs => $4), reason = $5,
             finished_at = case when $6 then now() end
         where id = $1 and attempt = $2 and state = 'sending'",
        claimed.id,
        claimed.attempt,
        state.as_str(),
        again.as_secs_f64(),
        report.detail,
        is_over,
    )
    .execute(&mut **transaction)
    .await?;
    if updated.rows_affected() == 0 {
        return Ok(false);
    }
    sqlx::query!(
        "insert into notification.delivery_attempts
             (delivery_id, number, started_at, duration_ms, outcome, status, detail, template_version)
         values ($1, $2, $3, $4, $5, $6, $7, $8)",
        claimed.id,
        claimed.attempt,
        began.to_sqlx() as jiff_sqlx::Timestamp,
        i32::try_from(took.as_millis()).unwrap_or(i32::MAX),
        report.outcome.as_str(),
        report.status.and_then(|status| i16::try_from(status).ok()),
        report.detail,
        report.template_version,
    )
    .execute(&mut **transaction)
    .await?;
    Ok(true)
}

/// A delivery, with its attempts.
#[derive(Clone, Debug)]
pub struct Delivery {
    /// Which one it is.
    pub id: Uuid,
    /// How it is sent.
    pub channel: String,
    /// Where it is.
    pub state: String,
    /// What was said last.
    pub reason: Option<String>,
    /// Its attempts, the first one first.
    pub attempts: Vec<Attempt>,
}

/// An attempt.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which one it is.
    pub number: i32,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub duration_ms: i32,
    /// How it ended.
    pub outcome: String,
    /// The status of SMTP or HTTP.
    pub status: Option<i16>,
    /// What was said.
    pub detail: String,
    /// Which version of the template it was.
    pub template_version: Option<i32>,
}

/// The deliveries of notifications.
pub async fn of(pool: &Pool, notifications: &[Uuid]) -> Result<HashMap<Uuid, Vec<Delivery>>, Error> {
    let rows = sqlx::query!(
        "select id, notification_id, channel, state, reason from notification.deliveries
         where notification_id = any ($1) order by id",
        notifications,
    )
    .fetch_all(pool)
    .await?;
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let attempts = sqlx::query!(
        r#"select delivery_id, number, started_at as "started_at: jiff_sqlx::Timestamp", duration_ms, outcome, status,
               detail, template_version
           from notification.delivery_attempts where delivery_id = any ($1) order by number"#,
        &ids,
    )
    .fetch_all(pool)
    .await?;
    let mut attempts_of: HashMap<Uuid, Vec<Attempt>> = HashMap::new();
    for attempt in attempts {
        attempts_of.entry(attempt.delivery_id).or_default().push(Attempt {
            number: attempt.number,
            started_at: attempt.started_at.to_jiff(),
            duration_ms: attempt.duration_ms,
            outcome: attempt.outcome,
            status: attempt.status,
            detail: attempt.detail,
            template_version: attempt.template_version,
        });
    }
    let mut deliveries: HashMap<Uuid, Vec<Delivery>> = HashMap::new();
    for row in rows {
        deliveries.entry(row.notification_id).or_default().push(Delivery {
            id: row.id,
            channel: row.channel,
            state: row.state,
            reason: row.reason,
            attempts: attempts_of.remove(&row.id).unwrap_or_default(),
        });
    }
    Ok(deliveries)
}

/// A dead letter.
#[derive(Clone, Debug)]
pub struct Dead {
    /// The delivery.
    pub id: Uuid,
    /// Its notification.
    pub notification: Uuid,
    /// How it was sent.
    pub channel: String,
    /// What it was told with.
    pub template: String,
    /// What was said last.
    pub reason: Option<String>,
    /// Attempts.
    pub attempts: i32,
    /// When it was given up.
    pub time: Timestamp,
}

/// Where a page of dead letters ends. It stays where it is when the letter itself is sent again.
pub type Position = (Timestamp, Uuid);

/// Dead letters, those given up last first, from a position on.
pub async fn dead(pool: &Pool, before: Option<Position>, limit: i64) -> Result<Vec<Dead>, Error> {
    let (time, id) = before.unzip();
    let rows = sqlx::query!(
        r#"select delivery.id, notification_id, channel, template, reason, attempt,
               finished_at as "finished_at!: jiff_sqlx::Timestamp"
           from notification.deliveries delivery
           join notification.notifications notification on notification.id = notification_id
           where state = 'dead' and ($2::uuid is null or (finished_at, delivery.id) < ($1, $2))
           order by finished_at desc, delivery.id desc limit $3"#,
        time.map(ToSqlx::to_sqlx) as Option<jiff_sqlx::Timestamp>,
        id,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Dead {
            id: row.id,
            notification: row.notification_id,
            channel: row.channel,
            template: row.template,
            reason: row.reason,
            attempts: row.attempt,
            time: row.finished_at.to_jiff(),
        })
        .collect())
}

/// Queues dead letters again: these, or all, or those of a notification, the oldest first. Says how many; when there are very
/// many it is not all of them.
pub async fn replay(pool: &Pool, these: Option<&[Uuid]>, notification: Option<Uuid>) -> Result<u64, Error> {
    let replayed = sqlx::query!(
        "update notification.deliveries
         set state = 'queued', tries = 0, due_at = now(), finished_at = null
         where id in (
             select id from notification.deliveries
             where state = 'dead' and ($1::uuid[] is null or id = any ($1))
                 and ($2::uuid is null or notification_id = $2)
             order by finished_at, id limit $3 for update skip locked
         )",
        these,
        notification,
        BATCH,
    )
    .execute(pool)
    .await?;
    Ok(replayed.rows_affected())
}
