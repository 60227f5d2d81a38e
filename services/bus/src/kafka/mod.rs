//! The bus on Kafka (4.0 or newer): one topic of all events, in partitions by key, which each consumer reads as a group. A
//! partition has one reader at a time; whoever joins or leaves a consumer moves only the partitions that have to move, and each
//! only once nothing of it is being handled, which is waited for for five minutes. Who is not heard of for as long as the
//! cluster says (`group.consumer.session.timeout.ms`, 45 s) loses what it had: that stands here for the lease of a policy.
//!
//! Kafka keeps events for a time (two weeks, in a topic that is made here), not until everybody has them, and remembers how far
//! a consumer is for `offsets.retention.minutes` (a week) after its last process. What comes later begins with the oldest that
//! is kept, and the inbox tells what it has had.
//!
//! The client is krafka: Rust alone, and the one of four with all of consumer groups as brokers of today have them (KIP-848),
//! an idempotent producer, transactions, SCRAM, and TLS by the rustls and aws-lc-rs that are here already. rskafka has no
//! groups; confluent-kafka trusts no authorities of the system, and is three times the code (377,000 lines to 125,000); rdkafka
//! builds librdkafka, which is C, for the same suite.

mod address;
mod consuming;
mod dead_letters;
mod partitions;
mod progress;
mod publisher;
mod topics;

use futures::future::{BoxFuture, FutureExt};
use krafka::KrafkaError;

pub use self::address::{Address, NoAddress};
use self::{consuming::Consuming, publisher::Publisher};
use crate::{Bus, Consumer, DeadLetter, Deliveries, Error, Event, Subscription, Which, local};

/// A bus on Kafka.
pub struct KafkaBus {
    address: Address,
    publisher: Publisher,
}

impl std::fmt::Debug for KafkaBus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address has a password.
        formatter.debug_struct("KafkaBus").finish_non_exhaustive()
    }
}

impl KafkaBus {
    /// A bus at an address. Nothing is asked of it yet.
    pub fn new(address: Address) -> Self {
        Self { publisher: Publisher::new(address.clone()), address }
    }
}

impl Bus for KafkaBus {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        self.publisher.publish(events).boxed()
    }

    fn publish_again<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        // The brokers know nothing of what they had.
        self.publish(events)
    }

    fn subscribe(&self, subscription: Subscription) -> BoxFuture<'_, Result<Deliveries, Error>> {
        let address = self.address.clone();
        local::subscribe(subscription, move |wanted| Consuming::start(address.clone(), wanted)).boxed()
    }

    fn dead_letters<'a>(
        &'a self,
        consumer: &'a Consumer,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, Error>> {
        dead_letters::list(&self.address, consumer, limit).boxed()
    }

    fn replay<'a>(&'a self, consumer: &'a Consumer, which: &'a Which) -> BoxFuture<'a, Result<u64, Error>> {
        dead_letters::replay(&self.address, consumer, which).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.publisher.ping().boxed()
    }
}

impl From<KrafkaError> for Error {
    fn from(error: KrafkaError) -> Self {
        Self::unavailable(error)
    }
}
