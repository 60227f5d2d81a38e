//! The port.

use futures::future::BoxFuture;

use crate::{Consumer, DeadLetter, Deliveries, Event, Subscription, Which};

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Why the bus did not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The broker is not there, or not able. It may be later: what was asked for may have been done or not.
    #[error("the bus is not available")]
    Unavailable(#[source] Source),
    /// It will not do it, now or later.
    #[error("the bus refuses: {0}")]
    Refused(String),
}

impl Error {
    /// The broker failed with this.
    pub(crate) fn unavailable(source: impl Into<Source>) -> Self {
        Self::Unavailable(source.into())
    }
}

/// Carries events between services.
pub trait Bus: Send + Sync + std::fmt::Debug {
    /// Publishes events in this order. Once it has returned, they are kept; when it fails, some of them may be.
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>>;

    /// The same, of what was published before and may have been lost since: it is delivered even if it is known, to consumers
    /// that have handled it as well. Consumers of RabbitMQ and Kafka still leave out what they remember to have just handled.
    fn publish_again<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>>;

    /// Takes part in a consumer's work. From the first call with its name on it gets what is published, also while nobody
    /// takes it. The consumer's types are those of the last call.
    fn subscribe(&self, subscription: Subscription) -> BoxFuture<'_, Result<Deliveries, Error>>;

    /// The oldest dead letters of a consumer, at most so many.
    fn dead_letters<'a>(
        &'a self,
        consumer: &'a Consumer,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, Error>>;

    /// Delivers dead letters to their consumer again, and says how many.
    fn replay<'a>(&'a self, consumer: &'a Consumer, which: &'a Which) -> BoxFuture<'a, Result<u64, Error>>;

    /// Whether the broker answers.
    fn ping(&self) -> BoxFuture<'_, Result<(), Error>>;
}
