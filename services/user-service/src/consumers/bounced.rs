//! Mail came back from an address: whoever has it is told when they log in.

use flotilla_bus::{Consumer, Event, Failure, inbox};
use serde::Deserialize;
use serde_json::json;
use uuid::Uuid;

use crate::{
    app::App,
    domain::email::Email,
    store::{accounts, audit},
};

/// The type of the event.
pub(super) const TYPE: &str = "shop.notification.bounced.v1";

/// What of it matters here.
#[derive(Deserialize)]
struct Bounced {
    user_id: Uuid,
    channel: String,
    /// Where the mail went. Without it nobody can tell whether they have another address by now.
    recipient: Option<String>,
}

/// Notes it, once.
pub(super) async fn handle(app: &App, consumer: &Consumer, event: &Event) -> Result<(), Failure> {
    let bounced = Bounced::deserialize(&event.data).map_err(|error| Failure::Poison(error.to_string()))?;
    let email = bounced.recipient.as_deref().map(Email::parse).transpose();
    let email = email.map_err(|error| Failure::Poison(error.to_string()))?;
    let Some(email) = email.filter(|_| bounced.channel == "email") else { return Ok(()) };
    note(app, consumer, event, bounced.user_id, &email)
        .await
        .map_err(|error| Failure::Again(error.to_string()))
}

async fn note(
    app: &App,
    consumer: &Consumer,
    event: &Event,
    user: Uuid,
    email: &Email,
) -> Result<(), sqlx::Error> {
    let mut transaction = app.pool.begin().await?;
    if inbox::is_first(&mut transaction, consumer, event).await?
        && accounts::bounced(&mut transaction, user, email).await?
    {
        audit::append(&mut transaction, None, user, "email_bounced", json!({})).await?;
    }
    transaction.commit().await
}
