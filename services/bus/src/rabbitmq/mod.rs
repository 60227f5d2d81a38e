//! The bus on RabbitMQ: one topic exchange, and for each consumer a quorum queue and one of dead letters. What is published is
//! confirmed once most nodes have it on their disks.
//!
//! Of all that take part in a consumer's work, one has its queue at a time (single active consumer) and the others stand by:
//! that is what keeps keys in order. It works on as many events at once as it asked for.

mod broker;
mod dead_letters;
mod publisher;
mod session;
mod tls;
mod topology;

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use lapin::uri::AMQPUri;

use self::{broker::Broker, publisher::Publisher, session::Consuming};
use crate::{Bus, Consumer, DeadLetter, Deliveries, Error, Event, Subscription, Which, local};

/// A bus on RabbitMQ.
pub struct RabbitMqBus {
    broker: Arc<Broker>,
    publisher: Publisher,
}

impl std::fmt::Debug for RabbitMqBus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address has a password.
        formatter.debug_struct("RabbitMqBus").finish_non_exhaustive()
    }
}

impl RabbitMqBus {
    /// A bus at an address. Nothing is asked of it yet.
    pub fn new(address: AMQPUri) -> Self {
        let broker = Arc::new(Broker::new(address));
        Self { publisher: Publisher::new(Arc::clone(&broker)), broker }
    }
}

impl Bus for RabbitMqBus {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        self.publisher.publish(events).boxed()
    }

    fn publish_again<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        // The broker knows nothing of what it had.
        self.publish(events)
    }

    fn subscribe(&self, subscription: Subscription) -> BoxFuture<'_, Result<Deliveries, Error>> {
        let broker = Arc::clone(&self.broker);
        local::subscribe(subscription, move |wanted| Consuming::start(Arc::clone(&broker), wanted)).boxed()
    }

    fn dead_letters<'a>(
        &'a self,
        consumer: &'a Consumer,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, Error>> {
        dead_letters::list(&self.broker, consumer, limit).boxed()
    }

    fn replay<'a>(&'a self, consumer: &'a Consumer, which: &'a Which) -> BoxFuture<'a, Result<u64, Error>> {
        dead_letters::replay(&self.broker, consumer, which).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.publisher.ping().boxed()
    }
}

impl From<lapin::Error> for Error {
    fn from(error: lapin::Error) -> Self {
        Self::unavailable(error)
    }
}
