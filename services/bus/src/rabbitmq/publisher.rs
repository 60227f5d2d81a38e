//! Publishes over one connection, which is made when it is needed, and made again after it broke.

use std::{sync::Arc, time::Duration};

use futures::future::try_join_all;
use lapin::{
    BasicProperties, Channel, Confirmation, Connection, PublisherConfirm,
    options::{BasicPublishOptions, ConfirmSelectOptions},
};
use tokio::{sync::Mutex, time::timeout};

use super::{
    broker::Broker,
    topology::{EXCHANGE, declare_exchange},
};
use crate::{Error, Event};

/// How long the broker may take. One without memory or disk left takes for ever.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) struct Publisher {
    broker: Arc<Broker>,
    open: Mutex<Option<Open>>,
}

struct Open {
    // Closed with its last channel otherwise.
    _connection: Connection,
    channel: Channel,
}

impl Publisher {
    pub(super) fn new(broker: Arc<Broker>) -> Self {
        Self { broker, open: Mutex::default() }
    }

    pub(super) async fn publish(&self, events: &[Event]) -> Result<(), Error> {
        let messages =
            events.iter().map(|event| Ok((event, event.to_json()?))).collect::<Result<Vec<_>, Error>>()?;
        let confirms = {
            // Held until all are written, so that they stay together.
            let mut open = self.open.lock().await;
            let written = timeout(PATIENCE, self.write(&mut open, &messages)).await;
            match written.map_err(Error::unavailable).and_then(|written| written.map_err(Error::from)) {
                Ok(confirms) => confirms,
                Err(error) => {
                    *open = None;
                    return Err(error);
                }
            }
        };
        let confirmations = timeout(PATIENCE, try_join_all(confirms)).await.map_err(Error::unavailable)??;
        if confirmations.iter().all(Confirmation::is_ack) {
            Ok(())
        } else {
            Err(Error::unavailable("the broker did not keep an event"))
        }
    }

    async fn write(
        &self,
        open: &mut Option<Open>,
        messages: &[(&Event, String)],
    ) -> Result<Vec<PublisherConfirm>, lapin::Error> {
        let channel = self.channel(open).await?;
        let mut confirms = Vec::with_capacity(messages.len());
        for (event, body) in messages {
            let confirm = channel
                .basic_publish(
                    EXCHANGE.into(),
                    event.kind.as_str().into(),
                    BasicPublishOptions::default(),
                    body.as_bytes(),
                    properties(event),
                )
                .await?;
            confirms.push(confirm);
        }
        Ok(confirms)
    }

    async fn channel(&self, open: &mut Option<Open>) -> Result<Channel, lapin::Error> {
        if let Some(open) = open.as_ref().filter(|open| open.channel.status().connected()) {
            return Ok(open.channel.clone());
        }
        let connection = self.broker.connect("publisher".to_owned()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        declare_exchange(&channel).await?;
        *open = Some(Open { _connection: connection, channel: channel.clone() });
        Ok(channel)
    }

    pub(super) async fn ping(&self) -> Result<(), Error> {
        let mut open = self.open.lock().await;
        let asked = async {
            let channel = self.channel(&mut open).await?;
            declare_exchange(&channel).await
        };
        timeout(PATIENCE, asked).await.map_err(Error::unavailable)??;
        Ok(())
    }
}

/// On the disk, and as CloudEvents have it (AMQP binding, structured mode).
pub(super) fn properties(event: &Event) -> BasicProperties {
    const PERSISTENT: u8 = 2;
    BasicProperties::default()
        .with_delivery_mode(PERSISTENT)
        .with_content_type("application/cloudevents+json".into())
        .with_message_id(event.id.to_string().into())
}
