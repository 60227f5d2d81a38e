//! What all handlers have at hand.

use std::{ops::Deref, sync::Arc, time::Duration};

use axum::extract::FromRef;
use flotilla_bus::outbox::Wake;
use flotilla_kit::{
    auth::{NoIdentity, NoKeys, Trust, Verifier},
    config::Error,
    database::{Pool, Readers, Together},
    http::cursor::Cursors,
};
use futures::FutureExt;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use crate::{
    config,
    store::products::{self, Stored},
};

/// The name of this service.
pub const NAME: &str = "product-service";

/// How long a cursor is good for.
const CURSORS: Duration = Duration::from_secs(24 * 3_600);

/// Why a configuration is none to serve with.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Something is not there.
    #[error(transparent)]
    Config(#[from] Error),
    /// Keys of services are none.
    #[error("SHOP_SERVICE_KEYS")]
    Identity(#[from] NoIdentity),
    /// There is no gRPC API.
    #[error(transparent)]
    Grpc(#[from] flotilla_kit::grpc::Unable),
    /// The address of keys is none.
    #[error("SHOP_JWKS_URL")]
    Keys(#[from] NoKeys),
}

/// What all handlers have at hand. Every request has it several times.
#[derive(Clone, Debug)]
pub struct App(Arc<Hand>);

/// What is at hand.
#[derive(Debug)]
pub struct Hand {
    /// The database.
    pub pool: Pool,
    /// A part of it, for those who only read.
    pub readers: Readers,
    /// Products by their ids.
    pub products: Together<Uuid, Stored>,
    /// Wakes the relay.
    pub wake: Wake,
    /// Checks tokens of people.
    pub verifier: Verifier,
    /// The services that may ask.
    pub trust: Trust,
    /// Makes cursors.
    pub cursors: Cursors,
    /// Wakes whoever deals with imports.
    pub imports: Arc<Notify>,
    /// Changes with each change of stock that is made here.
    pub stock: watch::Sender<u64>,
}

impl App {
    /// With a configuration.
    pub fn new(config: &config::Serve, pool: Pool, wake: Wake) -> Result<Self, Invalid> {
        let askers = &config.identity.askers;
        let readers = Readers::new(&pool);
        Ok(Self(Arc::new(Hand {
            products: Together::new(&readers, |connection, ids| products::batch(connection, ids).boxed()),
            readers,
            pool,
            wake,
            verifier: askers.verifier()?,
            trust: askers.trust(NAME)?,
            cursors: Cursors::new(&config.cursors.key()?, CURSORS),
            imports: Arc::default(),
            stock: watch::Sender::new(0),
        })))
    }

    /// Something was committed: there may be events for others.
    pub fn committed(&self) {
        self.wake.wake();
    }

    /// Stock was changed, and that committed.
    pub fn stock_changed(&self) {
        self.stock.send_modify(|changes| *changes = changes.wrapping_add(1));
        self.wake.wake();
    }
}

impl Deref for App {
    type Target = Hand;

    fn deref(&self) -> &Hand {
        &self.0
    }
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

impl FromRef<App> for Trust {
    fn from_ref(app: &App) -> Self {
        app.trust.clone()
    }
}
