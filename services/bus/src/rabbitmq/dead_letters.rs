//! Dead letters: a queue of them for each consumer.

use lapin::{
    Channel, Connection,
    options::{
        BasicAckOptions, BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};

use super::{
    broker::Broker,
    publisher::properties,
    topology::{REPLAYED, dead_queue, queue},
};
use crate::{Consumer, DeadLetter, Error, Which};

/// A dead letter as a message.
pub(super) fn write(letter: &DeadLetter) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(letter)
        .map_err(|error| Error::Refused(format!("a dead letter cannot be written: {error}")))
}

fn read(message: &[u8]) -> Result<DeadLetter, Error> {
    serde_json::from_slice(message).map_err(Error::unavailable)
}

/// What was acknowledged has been written before it; a broker that is gone by now has it or will bring it again.
async fn goodbye(connection: &Connection) {
    if let Err(error) = connection.close(200, "done".into()).await {
        tracing::debug!(%error, "the broker did not say goodbye");
    }
}

/// A channel of its own: when it is closed, what was looked at goes back to where it was.
async fn open(broker: &Broker) -> Result<(Connection, Channel), Error> {
    let connection = broker.connect("dead letters".to_owned()).await?;
    let channel = connection.create_channel().await?;
    Ok((connection, channel))
}

/// How many there are. Nothing: nobody has subscribed as this consumer.
async fn count(connection: &Connection, consumer: &Consumer) -> Result<Option<u32>, Error> {
    // Asking for a queue that is not there ends the channel.
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    match channel.queue_declare(dead_queue(consumer).into(), options, FieldTable::default()).await {
        Ok(queue) => Ok(Some(queue.message_count())),
        Err(_error) if connection.status().connected() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn list(broker: &Broker, consumer: &Consumer, limit: u32) -> Result<Vec<DeadLetter>, Error> {
    let (connection, channel) = open(broker).await?;
    let mut letters = Vec::new();
    if count(&connection, consumer).await?.is_some() {
        let most = usize::try_from(limit).unwrap_or(usize::MAX);
        while letters.len() < most
            && let Some(message) =
                channel.basic_get(dead_queue(consumer).into(), BasicGetOptions::default()).await?
        {
            letters.push(read(&message.delivery.data)?);
        }
    }
    goodbye(&connection).await;
    Ok(letters)
}

pub(super) async fn replay(broker: &Broker, consumer: &Consumer, which: &Which) -> Result<u64, Error> {
    let (connection, channel) = open(broker).await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let mut replayed = 0;
    for _ in 0..count(&connection, consumer).await?.unwrap_or_default() {
        let message = channel.basic_get(dead_queue(consumer).into(), BasicGetOptions::default()).await?;
        let Some(message) = message else { break };
        let letter = read(&message.delivery.data)?;
        if !which.has(&letter.event) {
            continue;
        }
        let mut headers = FieldTable::default();
        headers.insert(REPLAYED.into(), AMQPValue::Boolean(true));
        let confirm = channel
            .basic_publish(
                "".into(),
                queue(consumer).into(),
                BasicPublishOptions::default(),
                letter.event.to_json()?.as_bytes(),
                properties(&letter.event).with_headers(headers),
            )
            .await?;
        if !confirm.await?.is_ack() {
            return Err(Error::unavailable("the broker did not keep an event"));
        }
        channel.basic_ack(message.delivery.delivery_tag, BasicAckOptions::default()).await?;
        replayed += 1;
    }
    goodbye(&connection).await;
    Ok(replayed)
}
