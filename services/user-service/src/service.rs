//! The service as a whole, from a configuration, a database and a bus.

use std::{sync::Arc, time::Duration};

use flotilla_bus::{Bus, outbox::Relay};
use flotilla_kit::{
    database::{self, Pool, PoolMetrics},
    drain::{Announcement, Drain, Phase},
    health::Health,
    http::layer::{Limits, wrap},
    metrics::Metrics,
    serve::Service,
};
use tokio::time::sleep;

use crate::{
    app::{App, Invalid},
    config::Serve,
    consumers, exporting, graphql, grpc, http, keys, store,
};

/// Bytes of a body. Nothing here is long.
const BODY: u64 = 64 * 1024;

/// How often what is old is removed.
const SWEEP: Duration = Duration::from_secs(600);

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
pub enum Unable {
    /// The configuration is none to serve with.
    #[error(transparent)]
    Config(#[from] Invalid),
    /// There is no gRPC API.
    #[error(transparent)]
    Grpc(#[from] flotilla_kit::grpc::Unable),
    /// It cannot hear of others.
    #[error(transparent)]
    Consumer(#[from] consumers::Invalid),
}

/// Puts it together.
pub fn assemble(
    config: Serve,
    pool: Pool,
    bus: Arc<dyn Bus>,
    metrics: Arc<Metrics>,
) -> Result<Service, Unable> {
    let announcement = Announcement::default();
    let relay = Relay::new(pool.sqlx().clone(), Arc::clone(&bus));
    let app = App::new(config, pool.clone(), relay.wake())?;
    let subscription = consumers::subscription()?;
    metrics.collect(PoolMetrics(pool.clone()));
    metrics.collect(relay.metrics());
    let health = {
        let (pool, keyring) = (pool.clone(), app.keyring.clone());
        Health::new(announcement.hear())
            .need("database", move || {
                let pool = pool.clone();
                async move { database::is_ready(&pool, store::all_migrations()).await }
            })
            .need("key to sign with", move || {
                let is_ready = keyring.is_ready();
                async move { is_ready }
            })
            .want("bus", relay.is_up())
    };
    let limits = Limits { body_bytes: BODY, ..Limits::default() };
    let hear = || announcement.hear();
    Ok(Service {
        http: wrap(
            http::router(app.clone()).merge(graphql::router(app.clone())),
            limits,
            Arc::clone(&metrics),
        ),
        grpc: Some(grpc::router(app.clone(), &hear(), Arc::clone(&metrics))?),
        health: Arc::new(health),
        metrics,
        background: vec![
            ("the relay of the outbox", Box::pin(relay.run(hear().at_least(Phase::Ending)))),
            ("the keeper of keys", Box::pin(keys::keep(app.clone(), hear()))),
            ("the maker of exports", Box::pin(exporting::run(app.clone(), hear()))),
            ("the consumer", Box::pin(consumers::run(app, bus, subscription, hear()))),
            ("the sweeper", Box::pin(sweep(pool, hear()))),
        ],
        announcement,
    })
}

async fn sweep(pool: Pool, drain: Drain) {
    let mut end = std::pin::pin!(drain.at_least(Phase::Ending));
    loop {
        if let Err(error) = database::bounded(store::sweep::sweep(&pool)).await {
            tracing::debug!(%error, "what is old cannot be removed now");
        }
        tokio::select! {
            () = &mut end => return,
            () = sleep(SWEEP) => {}
        }
    }
}
