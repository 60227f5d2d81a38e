//! The bus on RabbitMQ: one topic exchange, and for each consumer a quorum queue and one of dead letters. What is published is
//! confirmed once most nodes have it on their disks.
//!
//! Of all that take part in a consumer's work, one has its queue at a time (single active consumer) and the others stand by:
//! that is what keeps keys in order. It works on as many events at once as it asked for.

mod dead_letters;
mod publisher;
mod session;
mod topology;

use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use lapin::{Connection, ConnectionProperties, uri::AMQPUri};
use tokio::sync::{mpsc, oneshot};

use self::{publisher::Publisher, session::Consuming};
use crate::{Bus, Consumer, DeadLetter, Deliveries, Error, Event, Subscription, Which, local};

/// Seconds between two signs of life. The broker's own wish is a minute, and it takes two to miss them.
const HEARTBEAT: u16 = 10;

/// A bus on RabbitMQ.
pub struct RabbitMqBus {
    address: Arc<AMQPUri>,
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
    pub fn new(mut address: AMQPUri) -> Self {
        address.query.heartbeat.get_or_insert(HEARTBEAT);
        let address = Arc::new(address);
        Self { publisher: Publisher::new(Arc::clone(&address)), address }
    }
}

/// A connection with a name that its management shows.
async fn connect(address: &AMQPUri, name: String) -> Result<Connection, lapin::Error> {
    Connection::connect_uri(
        address.clone(),
        ConnectionProperties::default().with_connection_name(name.into()),
    )
    .await
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
        async {
            let in_flight = usize::try_from(subscription.in_flight.get()).unwrap_or(usize::MAX);
            let (sender, deliveries) = mpsc::channel(in_flight);
            let (ready, is_ready) = oneshot::channel();
            let (address, wanted) = (Arc::clone(&self.address), subscription.clone());
            let connect = move || Consuming::start(Arc::clone(&address), wanted.clone());
            let worker = tokio::spawn(local::run(connect, subscription, sender, ready));
            let deliveries = Deliveries::new(deliveries, worker);
            is_ready.await.map_err(Error::unavailable)??;
            Ok(deliveries)
        }
        .boxed()
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

impl From<lapin::Error> for Error {
    fn from(error: lapin::Error) -> Self {
        Self::unavailable(error)
    }
}
