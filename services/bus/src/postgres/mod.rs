//! The bus on Postgres: needs nothing but a database, and keeps what a transaction keeps.
//!
//! Publishers and those who settle take a lock for each key, in one order, so that a key has exactly one head, and so that
//! sequence numbers of one key are in the order of their commits. What is delivered has its `due_at` moved ahead: that is its
//! lease.

mod dead_letters;
mod lease;
mod lock;
mod publish;
mod settle;
mod sweep;
mod wake;
mod worker;

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use sqlx::{
    PgPool,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{sync::mpsc, task::JoinHandle};

use self::{wake::Waker, worker::Worker};
use crate::{Bus, Consumer, DeadLetter, Deliveries, Error, Event, Subscription, Which};

/// What a published event is kept for, at least, so that it is known when it is published again.
const RETENTION: Duration = Duration::from_secs(24 * 3_600);

/// The tables of the bus, in a schema of their own.
pub fn migrations() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/bus");
    migrator.create_schema("bus");
    migrator.dangerous_set_table_name("bus.migrations");
    migrator
}

/// A bus on Postgres. Its database has to have [`migrations`].
#[derive(Debug)]
pub struct PostgresBus {
    pool: PgPool,
    waker: Waker,
    sweeper: JoinHandle<()>,
}

impl PostgresBus {
    /// A bus in a database. Nothing is asked of it yet.
    pub fn new(options: PgConnectOptions) -> Self {
        // Compiling a plan takes longer than anything that is asked here.
        let options = options.application_name("flotilla-bus").options([("jit", "off")]);
        let pool = PgPoolOptions::new()
            // Each subscription listens with one of its own.
            .max_connections(16)
            .acquire_timeout(Duration::from_secs(5))
            // A ping for each use costs a third of the throughput; a broken connection shows itself, and is replaced.
            .test_before_acquire(false)
            .connect_lazy_with(options);
        let waker = Waker::start(pool.clone());
        let sweeper = tokio::spawn(sweep::sweep(pool.clone(), RETENTION));
        Self { pool, waker, sweeper }
    }

    async fn publish_and_wake(&self, events: &[Event], is_again: bool) -> Result<(), Error> {
        let consumers = publish::publish(&self.pool, events, is_again).await?;
        // After the commit: within, it would hold up every other one.
        self.waker.wake(consumers);
        Ok(())
    }
}

impl Drop for PostgresBus {
    fn drop(&mut self) {
        self.sweeper.abort();
    }
}

impl Bus for PostgresBus {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        self.publish_and_wake(events, false).boxed()
    }

    fn publish_again<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        self.publish_and_wake(events, true).boxed()
    }

    fn subscribe(&self, subscription: Subscription) -> BoxFuture<'_, Result<Deliveries, Error>> {
        async {
            publish::register(&self.pool, &subscription).await?;
            let in_flight = usize::try_from(subscription.in_flight.get()).unwrap_or(usize::MAX);
            let (sender, deliveries) = mpsc::channel(in_flight);
            let worker = Worker::new(self.pool.clone(), subscription, sender);
            Ok(Deliveries::new(deliveries, tokio::spawn(worker.run())))
        }
        .boxed()
    }

    fn dead_letters<'a>(
        &'a self,
        consumer: &'a Consumer,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, Error>> {
        dead_letters::list(&self.pool, consumer, limit).boxed()
    }

    fn replay<'a>(&'a self, consumer: &'a Consumer, which: &'a Which) -> BoxFuture<'a, Result<u64, Error>> {
        async {
            let count = dead_letters::replay(&self.pool, consumer, which).await?;
            self.waker.wake([consumer.to_string()]);
            Ok(count)
        }
        .boxed()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), Error>> {
        async {
            sqlx::query_scalar!("select 1 as one").fetch_one(&self.pool).await?;
            Ok(())
        }
        .boxed()
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::unavailable(error)
    }
}
