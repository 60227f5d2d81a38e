//! The service as a whole, from a configuration, a database and a bus.

use std::sync::Arc;

use flotilla_bus::{Bus, outbox::Relay};
use flotilla_kit::{
    database::{self, Pool, PoolMetrics},
    drain::{Announcement, Phase},
    health::Health,
    http::layer::{Limits, wrap},
    metrics::Metrics,
    serve::Service,
};

use crate::{
    app::{App, Invalid, NAME},
    background,
    config::Serve,
    graphql, grpc, http,
    store::all_migrations,
};

/// Bytes that a body may have: an import is one. Other bodies are far smaller by their own rules.
const BODY: u64 = 4 * 1024 * 1024;

/// Puts it together.
pub fn assemble(
    config: &Serve,
    pool: Pool,
    bus: Arc<dyn Bus>,
    metrics: Arc<Metrics>,
) -> Result<Service, Invalid> {
    let announcement = Announcement::default();
    let relay = Relay::new(pool.sqlx().clone(), bus);
    let app = App::new(config, pool.clone(), relay.wake())?;
    metrics.collect(PoolMetrics(pool.clone()));
    metrics.collect(relay.metrics());
    let health = {
        let pool = pool.clone();
        Health::new(announcement.hear())
            .need("database", move || {
                let pool = pool.clone();
                async move { database::is_ready(&pool, all_migrations()).await }
            })
            .want("bus", relay.is_up())
    };
    let limits = Limits { body_bytes: BODY, ..Limits::default() };
    let end = announcement.hear().at_least(Phase::Ending);
    tracing::debug!(service = NAME, "put together");
    Ok(Service {
        http: wrap(
            http::router(app.clone()).merge(graphql::router(app.clone())),
            limits,
            Arc::clone(&metrics),
        ),
        grpc: Some(grpc::router(app.clone(), &announcement.hear(), Arc::clone(&metrics))?),
        health: Arc::new(health),
        metrics,
        background: vec![
            ("the relay of the outbox", Box::pin(relay.run(end))),
            (
                "the sweeper of reservations",
                Box::pin(background::sweep(app.clone(), config.sweep(), announcement.hear())),
            ),
            ("the import", Box::pin(background::import(app, announcement.hear()))),
            ("the sweeper of answers", Box::pin(database::sweep(pool, announcement.hear()))),
        ],
        announcement,
    })
}
