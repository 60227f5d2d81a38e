//! The service, of its parts.

use std::{sync::Arc, time::Duration};

use flotilla_bus::{NoBus, Subscription, connect, keep_consuming, outbox::Relay};
use flotilla_kit::{
    auth::{NoIdentity, NoKeys, Signer},
    config::Error as ConfigError,
    database::{self, NoDatabase, Pool, PoolMetrics, is_ready, pool},
    drain::{Announcement, Drain, Phase},
    health::Health,
    http::{cursor::Cursors, layer::Limits},
    metrics::Metrics,
    serve::Service,
};

use crate::{
    config::Serve,
    consumers,
    deliver::Deliverer,
    graphql, grpc,
    http::{self, App},
    keys::{self, Keys, Purpose},
    measures::Measures,
    people::People,
    send::{
        mail::{Mailer, Setup},
        outbound::Outbound,
        push::{self, Vapid},
    },
    store::all_migrations,
    sweep,
    worker::{Bell, Worker, guard},
};

/// The name of the service.
pub const NAME: &str = "notification-service";

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// How long a cursor is good for.
const CURSOR: Duration = DAY;

/// Why there is no service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Something is missing in the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// There is no database.
    #[error(transparent)]
    Database(#[from] NoDatabase),
    /// There is no bus.
    #[error(transparent)]
    Bus(#[from] NoBus),
    /// Tokens cannot be checked.
    #[error(transparent)]
    Keys(#[from] NoKeys),
    /// It cannot say who it is, or who others are.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// Its secret is none.
    #[error(transparent)]
    Secret(#[from] keys::Error),
    /// No mail can be sent.
    #[error(transparent)]
    Mail(#[from] Setup),
    /// Nothing can be pushed.
    #[error(transparent)]
    Push(#[from] push::Error),
    /// There is no gRPC API.
    #[error(transparent)]
    Grpc(#[from] flotilla_kit::grpc::Unable),
    /// It does not know what to want of the bus.
    #[error("there is no subscription")]
    Subscription(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The service as it is configured.
pub fn service(config: &Serve, metrics: Arc<Metrics>, announcement: Announcement) -> Result<Service, Error> {
    let drain = announcement.hear();
    let pool = pool(&config.database, NAME)?;
    metrics.collect(PoolMetrics(pool.clone()));
    let bus = connect(config.bus.url()?.expose())?;
    let keys = Keys::new(&config.identity.secret()?)?;
    let verifier = config.identity.askers.verifier()?;
    let trust = config.identity.askers.trust(NAME)?;
    let key = &config.identity.key;
    let signer = Signer::new(NAME, &key.service_key_id, &key.required()?)?;
    let outbound =
        Outbound::new(guard(&config.outbound), Duration::from_secs(config.outbound.outbound_seconds.into()));
    let vapid = config.outbound.vapid_key()?;
    let vapid = vapid.map(|key| Vapid::new(&key, &config.outbound.vapid_contact)).transpose()?;
    let push_key = vapid.as_ref().map(Vapid::public_key);
    let deliverer = Arc::new(Deliverer {
        pool: pool.clone(),
        people: People::new(config.identity.user_grpc.clone(), signer),
        keys: keys.clone(),
        mailer: Mailer::new(&config.mail)?,
        outbound: outbound.clone(),
        vapid,
        shop: config.mail.shop_name.clone(),
        url: config.mail.public_url.to_string().trim_end_matches('/').to_owned(),
    });
    let (bell, relay) = (Bell::default(), Relay::new(pool.sqlx().clone(), Arc::clone(&bus)));
    metrics.collect(relay.metrics());
    let worker = Worker {
        pool: pool.clone(),
        deliverer,
        room: config.outbound.deliveries,
        mails_per_second: config.mail.mails_per_second,
        bell: bell.clone(),
        wake: relay.wake(),
        measures: Measures::new(&metrics),
    };
    let ready = pool.clone();
    let health = Health::new(drain.clone())
        .need("database", move || {
            let pool = ready.clone();
            async move { is_ready(&pool, all_migrations()).await }
        })
        .want("bus", relay.is_up());
    let app = App {
        pool: pool.clone(),
        cursors: Cursors::new(
            &flotilla_kit::Secret::new(keys.of(Purpose::Cursors).expose().to_vec()),
            CURSOR,
        ),
        verifier,
        keys,
        guard: outbound.guard.clone(),
        push_key,
        bell: bell.clone(),
    };
    let subscription = consumers::subscription().map_err(Error::Subscription)?;
    let consumer = run_consumer(bus, subscription, pool.clone(), bell.clone(), drain.clone());
    let grpc = grpc::router(pool.clone(), bell, trust, &drain, Arc::clone(&metrics))?;
    let router = http::router(app.clone()).merge(graphql::router(app));
    let age = DAY.saturating_mul(config.notification_days);
    let relaying = drain.at_least(Phase::Ending);
    Ok(Service {
        http: flotilla_kit::http::layer::wrap(router, Limits::default(), Arc::clone(&metrics)),
        grpc: Some(grpc),
        health: Arc::new(health),
        metrics,
        announcement,
        background: vec![
            ("the consumer", Box::pin(consumer)),
            ("the worker", Box::pin(worker.run(drain.clone()))),
            ("the relay", Box::pin(relay.run(relaying))),
            ("the sweeper of notifications", Box::pin(sweep::run(pool.clone(), age, drain.clone()))),
            ("the sweeper", Box::pin(database::sweep(pool, drain))),
        ],
    })
}

/// Takes events until the end.
async fn run_consumer(
    bus: Arc<dyn flotilla_bus::Bus>,
    subscription: Subscription,
    pool: Pool,
    bell: Bell,
    drain: Drain,
) {
    let handle = |event| consumers::handle(pool.clone(), bell.clone(), event);
    keep_consuming(&*bus, &subscription, handle, drain.at_least(Phase::Ending)).await;
}
