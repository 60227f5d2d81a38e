//! The bus on Redis Streams: streams by partitions of keys, which all consumers read as groups. A partition of a consumer has
//! one owner at a time, for as long as it renews its lease; all that take part in a consumer's work share its partitions.
//!
//! What is published is as safe as the server's settings make it: with `appendfsync always` it is on the disk, else the last
//! second may be lost, and is published again by `outbox replay`. The keys are in no hash slot together: no Redis Cluster.

mod consuming;
mod dead_letters;
mod link;
mod ownership;
mod publish;
mod trim;

use futures::future::{BoxFuture, FutureExt};
use redis::{Client, RedisError, cmd};

use self::{consuming::Consuming, link::Link};
use crate::{Bus, Consumer, DeadLetter, Deliveries, Error, Event, Subscription, Which, local};

/// Parts of all keys.
const PARTITIONS: u16 = 8;

/// The stream of a partition.
fn stream(partition: u16) -> String {
    format!("flotilla:events:{partition}")
}

/// A bus on Redis.
pub struct RedisBus {
    client: Client,
    link: Link,
}

impl std::fmt::Debug for RedisBus {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address has a password.
        formatter.debug_struct("RedisBus").finish_non_exhaustive()
    }
}

impl RedisBus {
    /// A bus at an address. Nothing is asked of it yet.
    pub fn new(client: Client) -> Self {
        Self { link: Link::new(client.clone()), client }
    }
}

impl Bus for RedisBus {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        publish::publish(&self.link, events, false).boxed()
    }

    fn publish_again<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        publish::publish(&self.link, events, true).boxed()
    }

    fn subscribe(&self, subscription: Subscription) -> BoxFuture<'_, Result<Deliveries, Error>> {
        let client = self.client.clone();
        local::subscribe(subscription, move |wanted| Consuming::start(client.clone(), wanted)).boxed()
    }

    fn dead_letters<'a>(
        &'a self,
        consumer: &'a Consumer,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, Error>> {
        dead_letters::list(&self.link, consumer, limit).boxed()
    }

    fn replay<'a>(&'a self, consumer: &'a Consumer, which: &'a Which) -> BoxFuture<'a, Result<u64, Error>> {
        dead_letters::replay(&self.link, consumer, which).boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), Error>> {
        async {
            let mut connection = self.link.connection().await?;
            let answer = cmd("PING").query_async(&mut connection).await;
            self.link.heard(answer).await
        }
        .boxed()
    }
}

impl From<RedisError> for Error {
    fn from(error: RedisError) -> Self {
        Self::unavailable(error)
    }
}
