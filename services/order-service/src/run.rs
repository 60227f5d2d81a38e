//! The service, made of its configuration.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use flotilla_bus::{Pattern, outbox};
use flotilla_kit::{
    auth::{NoIdentity, NoKeys, Signer},
    database::{self, Pool},
    drain::{Announcement, Phase},
    health::Health,
    http::cursor::Cursors,
    metrics::Metrics,
    serve::Service,
};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::{
    app::App,
    config::Serve,
    consumers, grpc, http,
    psp::{PaymentProvider, stripe::Stripe},
    saga::Runner,
    settle,
    stock::Stock,
    store::{
        self,
        ledger::{self, Difference},
    },
    sweep,
};

/// The name of this service, which is that of its keys as well.
pub const NAME: &str = "order-service";

/// How long a cursor is good for.
const CURSORS: Duration = Duration::from_secs(24 * 3_600);

/// Customers who may follow their orders at a time, in one process: each asks the database four times a second.
const STREAMS: usize = 1_000;

/// Differences in the books that are told at a time.
const DIFFERENCES: i64 = 100;

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is not configured.
    #[error(transparent)]
    Config(#[from] flotilla_kit::config::Error),
    /// There is no database.
    #[error(transparent)]
    Database(#[from] database::NoDatabase),
    /// It cannot be migrated.
    #[error(transparent)]
    Migrate(#[from] database::NotMigrated),
    /// There is no bus.
    #[error(transparent)]
    Bus(#[from] flotilla_bus::NoBus),
    /// The address of keys is none.
    #[error(transparent)]
    Keys(#[from] NoKeys),
    /// It cannot say who it is, or tell who others are.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// There is no gRPC API.
    #[error(transparent)]
    Grpc(#[from] flotilla_kit::grpc::Unable),
    /// It cannot subscribe.
    #[error(transparent)]
    Consumers(#[from] consumers::Error),
    /// The outbox cannot be replayed.
    #[error("the outbox cannot be replayed")]
    Replay(#[source] flotilla_bus::Error),
    /// The books cannot be read.
    #[error("the books cannot be read")]
    Books(#[from] store::Error),
}

/// Brings the database to where this version needs it.
pub async fn migrate(config: &Serve) -> Result<(), Error> {
    Ok(database::migrate_configured(&config.database, store::all_migrations()).await?)
}

/// Has events be published again.
pub async fn replay(config: &Serve, since: Timestamp, types: Pattern) -> Result<(), Error> {
    let pool = database::pool(&config.database, NAME)?;
    outbox::replay(pool.sqlx(), since, &[types]).await.map(drop).map_err(Error::Replay)
}

/// Orders of which the books say something else than their payments, or as many as somebody may look at.
pub async fn differences(config: &Serve) -> Result<Vec<Difference>, Error> {
    let pool = database::pool(&config.database, NAME)?;
    Ok(ledger::differences(&pool, DIFFERENCES).await?)
}

/// The service, and what its handlers have in common.
pub async fn service(config: &Serve, metrics: Arc<Metrics>) -> Result<(Service, App), Error> {
    let pool = database::pool(&config.database, NAME)?;
    let bus_url = config.bus.url()?;
    flotilla_bus::prepare(bus_url.expose()).await?;
    let bus = flotilla_bus::connect(bus_url.expose())?;
    let announcement = Announcement::default();
    let drain = announcement.hear();
    let identity = &config.identity;
    let signer = Signer::new(NAME, &identity.key.service_key_id, &identity.key.required()?)?;
    let provider: Arc<dyn PaymentProvider> = Arc::new(Stripe::new(config.payments.settings()?));
    let stock = Stock::new(&config.product_grpc, signer);
    let relay = outbox::Relay::new(pool.sqlx().clone(), Arc::clone(&bus));
    let runner = Runner::new(
        pool.clone(),
        Arc::clone(&provider),
        stock.clone(),
        config.times.saga(),
        config.failpoints(),
        relay.wake(),
    );
    let providers = BTreeMap::from([(provider.name(), Arc::clone(&provider))]);
    let app = App {
        pool: pool.clone(),
        verifier: identity.askers.verifier()?,
        trust: identity.askers.trust(NAME)?,
        stock,
        provider: Arc::clone(&provider),
        providers: Arc::new(providers),
        runner: runner.clone(),
        cursors: Cursors::new(&config.cursors.key()?, CURSORS),
        deadline: config.times.deadline(),
        streams: Arc::new(Semaphore::new(STREAMS)),
        drain: drain.clone(),
    };
    metrics.collect(database::PoolMetrics(pool.clone()));
    metrics.collect(relay.metrics());
    let health = health(&pool, &announcement, &relay);
    let every = Duration::from_secs(config.times.reconcile_seconds.into());
    let subscription = consumers::subscription()?;
    let service = Service {
        http: http::router(app.clone(), Arc::clone(&metrics)),
        grpc: Some(grpc::router(app.clone(), Arc::clone(&metrics))?),
        health: Arc::new(health),
        metrics,
        announcement,
        background: vec![
            ("the sagas", Box::pin(runner.clone().run(drain.clone()))),
            ("the refunds", Box::pin(runner.clone().run_refunds(drain.clone()))),
            ("the reconciler", Box::pin(settle::reconcile(runner.clone(), provider, every, drain.clone()))),
            ("the relay", Box::pin(relay.run(drain.at_least(Phase::Ending)))),
            (
                "the consumer",
                Box::pin(consumers::run(pool.clone(), bus, runner, subscription, drain.clone())),
            ),
            ("the sweeper", Box::pin(database::sweep(pool.clone(), drain.clone()))),
            ("the sweeper of orders", Box::pin(sweep::run(pool, drain))),
        ],
    };
    Ok((service, app))
}

fn health(pool: &Pool, announcement: &Announcement, relay: &outbox::Relay) -> Health {
    let pool = pool.clone();
    Health::new(announcement.hear())
        .need("database with all migrations", move || {
            let pool = pool.clone();
            async move { database::is_ready(&pool, store::all_migrations()).await }
        })
        .want("bus", relay.is_up())
}
