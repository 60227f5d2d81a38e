//! What there is at the broker, and how it is called.

use lapin::{
    Channel, ExchangeKind,
    options::{ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions},
    types::{AMQPValue, FieldTable},
};

use crate::{Consumer, Pattern, Subscription};

/// Where all events go.
pub(super) const EXCHANGE: &str = "flotilla.events";

/// The header of an event that was a dead letter.
pub(super) const REPLAYED: &str = "x-replayed";

/// Newer brokers drop what was returned 20 times, unless they are told another number. Here it becomes a dead letter before.
const RETURNS: i64 = 1_000_000;

/// The queue of a consumer.
pub(super) fn queue(consumer: &Consumer) -> String {
    format!("flotilla.{consumer}")
}

/// The queue of its dead letters.
pub(super) fn dead_queue(consumer: &Consumer) -> String {
    format!("flotilla.{consumer}.dead")
}

/// Makes the exchange, when it is not there.
pub(super) async fn declare_exchange(channel: &Channel) -> Result<(), lapin::Error> {
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(EXCHANGE.into(), ExchangeKind::Topic, options, FieldTable::default()).await
}

/// Makes the queues of a consumer, when they are not there, and has what it wants go to them.
pub(super) async fn declare(channel: &Channel, subscription: &Subscription) -> Result<(), lapin::Error> {
    declare_exchange(channel).await?;
    let consumer = &subscription.consumer;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    let mut arguments = quorum();
    arguments.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
    channel.queue_declare(queue(consumer).into(), options, arguments).await?;
    channel.queue_declare(dead_queue(consumer).into(), options, quorum()).await?;
    for pattern in &subscription.types {
        channel
            .queue_bind(
                queue(consumer).into(),
                EXCHANGE.into(),
                binding(pattern).into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            )
            .await?;
    }
    Ok(())
}

fn quorum() -> FieldTable {
    let mut arguments = FieldTable::default();
    arguments.insert("x-queue-type".into(), AMQPValue::LongString("quorum".into()));
    arguments.insert("x-delivery-limit".into(), AMQPValue::LongLongInt(RETURNS));
    arguments
}

/// The routing key of an event is its type; `#` stands for any number of words.
fn binding(pattern: &Pattern) -> String {
    pattern.prefix().map_or_else(|| pattern.as_str().to_owned(), |prefix| format!("{prefix}#"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_bindings() {
        let binding = |pattern: &str| binding(&Pattern::try_from(pattern).unwrap());
        assert_eq!(binding("shop.order.paid.v1"), "shop.order.paid.v1");
        assert_eq!(binding("shop.order.*"), "shop.order.#");
    }
}
