//! What events lead to: notifications, queued in the transaction that notes the event as handled.

use flotilla_bus::{Consumer, Event, Failure, Pattern, Subscription, inbox};
use flotilla_kit::{
    correlation::CorrelationId,
    database::{Pool, Transaction},
};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    domain::{category::Category, channel::Channel, identity::dedupe_key, rules},
    store::{
        Error, endpoints,
        notifications::{self, New},
        preferences, push_subscriptions,
    },
    worker::Bell,
};

/// The name of this consumer.
pub const NAME: &str = "notification-service";

/// Whom mail and pushes go to.
const USER: &str = "user";

/// What this service wants of the bus.
pub fn subscription() -> Result<Subscription, Box<dyn std::error::Error + Send + Sync>> {
    let types = ["shop.user.*", "shop.order.*", "shop.payment.*"].map(Pattern::try_from);
    let types: Vec<_> = types.into_iter().collect::<Result<_, _>>()?;
    Ok(Subscription::new(Consumer::try_from(NAME)?, types))
}

/// Handles an event, once.
pub async fn handle(pool: Pool, bell: Bell, event: Event) -> Result<(), Failure> {
    let id = event.correlation_id.as_deref().and_then(CorrelationId::parse).unwrap_or_default();
    id.scope(handle_once(pool, bell, event)).await
}

async fn handle_once(pool: Pool, bell: Bell, event: Event) -> Result<(), Failure> {
    let again = |error: &dyn std::fmt::Display| Failure::Again(error.to_string());
    let consumer = Consumer::try_from(NAME).map_err(|error| Failure::Poison(error.to_string()))?;
    let mut transaction = pool.begin().await.map_err(|error| again(&error))?;
    if !inbox::is_first(&mut transaction, &consumer, &event).await.map_err(|error| again(&error))? {
        return transaction.rollback().await.map_err(|error| again(&error));
    }
    let kind = event.kind.as_str();
    let user = user(&event.data)?;
    if user.is_none() && (kind == rules::ERASED || rules::of(kind).next().is_some()) {
        return Err(Failure::Poison("data: user_id is needed".to_owned()));
    }
    if let Some(user) = user.filter(|_| kind == rules::ERASED) {
        notifications::erase(&mut transaction, user).await.map_err(|error| again(&error))?;
    } else {
        told(&mut transaction, &event, user).await.map_err(|error| again(&error))?;
    }
    transaction.commit().await.map_err(|error| again(&error))?;
    bell.ring();
    Ok(())
}

/// Whom an event is about. What is no id never will be one.
fn user(data: &Value) -> Result<Option<Uuid>, Failure> {
    match data.get("user_id") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => {
            text.parse().map(Some).map_err(|_| Failure::Poison("data: user_id is no UUID".to_owned()))
        }
        Some(_) => Err(Failure::Poison("data: user_id is no text".to_owned())),
    }
}

/// Queues what an event leads to: a notification for the person, and one for endpoints.
async fn told(transaction: &mut Transaction<'_>, event: &Event, user: Option<Uuid>) -> Result<(), Error> {
    let kind = event.kind.as_str();
    let id = event.id.to_string();
    for (rule, user) in rules::of(kind).zip(user.into_iter().cycle()) {
        let recipients = recipients(transaction, user, rule.category, rule.is_pushed).await?;
        let key = dedupe_key(rule.template, rule.once, &event.subject, &id);
        if !recipients.is_empty() {
            let new = new(event, &event.data, &key, Some(user), (rule.template, rule.category));
            notifications::queue(transaction, &new, &recipients).await?;
        }
    }
    if rules::is_for_webhooks(kind) {
        let endpoints = endpoints::wanting(transaction, kind).await?;
        if !endpoints.is_empty() {
            let recipients: Vec<_> = endpoints.iter().map(|id| (Channel::Webhook, id.to_string())).collect();
            let key = format!("{}/event/{id}", rules::WEBHOOK);
            let new = new(event, &event.data, &key, None, (rules::WEBHOOK, Category::Updates));
            notifications::queue(transaction, &new, &recipients).await?;
        }
    }
    Ok(())
}

fn new<'a>(
    event: &'a Event,
    data: &'a Value,
    dedupe_key: &'a str,
    user: Option<Uuid>,
    (template, category): (&'a str, Category),
) -> New<'a> {
    // Others wrote it, and it becomes a header.
    let correlation_id = event.correlation_id.as_deref().filter(|id| CorrelationId::parse(id).is_some());
    New {
        dedupe_key,
        user,
        template,
        category,
        subject: &event.subject,
        kind: event.kind.as_str(),
        data,
        correlation_id,
        traceparent: event.traceparent.as_deref(),
        time: event.time,
    }
}

/// Where somebody wants to have something.
pub async fn recipients(
    transaction: &mut Transaction<'_>,
    user: Uuid,
    category: Category,
    is_pushed: bool,
) -> Result<Vec<(Channel, String)>, Error> {
    let (preferences, _version) = preferences::get(transaction, user).await?;
    let mut recipients = Vec::new();
    if preferences.wants(category, Channel::Email) {
        recipients.push((Channel::Email, USER.to_owned()));
    }
    if is_pushed && preferences.wants(category, Channel::Push) {
        for known in push_subscriptions::list(transaction, user).await? {
            recipients.push((Channel::Push, known.id.to_string()));
        }
    }
    Ok(recipients)
}
