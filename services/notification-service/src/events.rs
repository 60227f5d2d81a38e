//! What this service tells others: `shop.notification.{sent,failed,bounced,suppressed}.v1`.

use flotilla_bus::{Error, Event, EventType, outbox};
use flotilla_kit::{Secret, database::Transaction};
use serde_json::json;
use uuid::Uuid;

use crate::domain::{channel::Channel, outcome::State};

/// Where they come from.
pub const SOURCE: &str = "/notification-service";

/// Something that has come to an end.
#[derive(Clone, Debug)]
pub struct Ended<'a> {
    /// The notification.
    pub notification: Uuid,
    /// Its delivery.
    pub delivery: Uuid,
    /// Whom it was for, unless it was for an endpoint.
    pub user: Option<Uuid>,
    /// What it was told with.
    pub template: &'a str,
    /// How.
    pub channel: Channel,
    /// What became of it.
    pub state: State,
    /// Why.
    pub reason: &'a str,
    /// The address that a mail came back from.
    pub bounced: Option<&'a Secret<String>>,
    /// The request that it came from.
    pub correlation_id: Option<&'a str>,
    /// The trace that it is in.
    pub traceparent: Option<&'a str>,
}

impl Ended<'_> {
    /// The event of it. Nothing: it has not come to an end.
    pub fn event(&self) -> Result<Option<Event>, Error> {
        let what = match self.state {
            State::Sent => "sent",
            State::Dead => "failed",
            State::Bounced => "bounced",
            State::Suppressed => "suppressed",
            State::Queued | State::Sending => return Ok(None),
        };
        let refused = |error: flotilla_bus::InvalidType| Error::Refused(error.to_string());
        let kind = EventType::try_from(format!("shop.notification.{what}.v1")).map_err(refused)?;
        let mut data = json!({
            "notification_id": self.notification,
            "delivery_id": self.delivery,
            "user_id": self.user,
            "template": self.template,
            "channel": self.channel,
            "reason": self.reason,
        });
        if self.state == State::Bounced {
            data["recipient"] = json!(self.bounced.map(Secret::expose));
        }
        let mut event = Event::new(SOURCE, kind, self.notification.to_string(), data);
        event.schema = Some(format!("https://flotilla.dev/events/shop.notification.{what}.v1.json"));
        event.correlation_id = self.correlation_id.map(str::to_owned);
        event.traceparent = self.traceparent.map(str::to_owned);
        Ok(Some(event))
    }

    /// Publishes it with the transaction.
    pub async fn publish(&self, transaction: &mut Transaction<'_>) -> Result<(), Error> {
        match self.event()? {
            Some(event) => outbox::append(transaction, &event).await,
            None => Ok(()),
        }
    }
}
