//! A consumer's session with the broker.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use lapin::{
    Channel, Connection, Consumer as Incoming,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    },
    types::{AMQPValue, FieldTable},
};
use tokio::time::timeout;

use super::{
    broker::Broker,
    dead_letters,
    publisher::properties,
    topology::{REPLAYED, dead_queue, declare, queue},
};
use crate::{
    DeadLetter, Error, Event, Subscription,
    local::{Arrival, Session},
};

/// How long the broker may take to confirm a dead letter, and to say goodbye.
const PATIENCE: Duration = Duration::from_secs(10);

/// A session.
pub(super) struct Consuming {
    connection: Connection,
    channel: Channel,
    incoming: Incoming,
    subscription: Arc<Subscription>,
}

impl Consuming {
    pub(super) async fn start(broker: Arc<Broker>, subscription: Arc<Subscription>) -> Result<Self, Error> {
        let consumer = &subscription.consumer;
        let connection =
            timeout(PATIENCE, broker.connect(consumer.to_string())).await.map_err(Error::unavailable)??;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        declare(&channel, &subscription).await?;
        // More than may be out, so that one key that waits does not hold up all others.
        let prefetch = subscription.in_flight.get().saturating_mul(4).max(64);
        let prefetch = u16::try_from(prefetch).unwrap_or(u16::MAX);
        channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
        let incoming = channel
            .basic_consume(
                queue(consumer).into(),
                "".into(),
                BasicConsumeOptions::default(),
                FieldTable::default(),
            )
            .await?;
        Ok(Self { connection, channel, incoming, subscription })
    }
}

impl Session for Consuming {
    type Tag = u64;

    async fn receive(&mut self) -> Result<Arrival<u64>, Error> {
        let delivery =
            self.incoming.next().await.ok_or_else(|| Error::unavailable("the channel was closed"))??;
        let tag = delivery.delivery_tag;
        let header = |name: &str| {
            let headers = delivery.properties.headers().as_ref()?;
            headers.inner().get(name).cloned()
        };
        let returns = match header("x-delivery-count") {
            Some(AMQPValue::LongLongInt(count)) => u32::try_from(count).unwrap_or_default(),
            Some(AMQPValue::LongInt(count)) => u32::try_from(count).unwrap_or_default(),
            _ => 0,
        };
        let event = match serde_json::from_slice::<Event>(&delivery.data) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(consumer = %self.subscription.consumer, %error, "what is no event was left out");
                return Ok(Arrival::Nothing { tag });
            }
        };
        // Bindings of earlier versions stay.
        if !self.subscription.types.iter().any(|pattern| pattern.has(&event.kind)) {
            return Ok(Arrival::Nothing { tag });
        }
        let is_replayed = header(REPLAYED).is_some();
        Ok(Arrival::Event { tag, event: Box::new(event), returns, is_replayed })
    }

    async fn finish(&mut self, tags: Vec<u64>) -> Result<(), Error> {
        for tag in tags {
            self.channel.basic_ack(tag, BasicAckOptions::default()).await?;
        }
        Ok(())
    }

    async fn bury(&mut self, tag: u64, letter: &DeadLetter) -> Result<(), Error> {
        // First the letter: should this end in between, it is there twice rather than not at all.
        let body = dead_letters::write(letter)?;
        let queue = dead_queue(&self.subscription.consumer);
        let confirm = self
            .channel
            .basic_publish(
                "".into(),
                queue.into(),
                BasicPublishOptions::default(),
                &body,
                properties(&letter.event),
            )
            .await?;
        let confirmation = timeout(PATIENCE, confirm).await.map_err(Error::unavailable)??;
        if !confirmation.is_ack() {
            return Err(Error::unavailable("the broker did not keep a dead letter"));
        }
        Ok(self.channel.basic_ack(tag, BasicAckOptions::default()).await?)
    }

    async fn close(self) {
        let goodbye = self.connection.close(200, "done".into());
        let _said = timeout(PATIENCE, goodbye).await.is_ok();
    }
}
