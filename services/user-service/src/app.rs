//! What all handlers have at hand.

use std::{collections::BTreeMap, ops::Deref, sync::Arc, time::Duration};

use axum::http::Uri;
use flotilla_bus::outbox::Wake;
use flotilla_kit::{
    auth::{NoIdentity, Signer, Trust},
    config::Error,
    database::{Pool, Readers, Together},
    http::cursor::Cursors,
};
use futures::{FutureExt, TryFutureExt};
use uuid::Uuid;

use crate::{
    config,
    crypto::{Keyring, MasterKey, NoMasterKey, Passwords, Purpose, Unable},
    store::{
        accounts::{self, Account},
        sessions::{self, Live},
    },
};

/// The name of this service.
pub const NAME: &str = "user-service";

/// How long a cursor is good for.
const CURSORS: Duration = Duration::from_secs(3_600);

/// Why a configuration is none to serve with.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Something is not there.
    #[error(transparent)]
    Config(#[from] Error),
    /// The key that seals is none.
    #[error(transparent)]
    MasterKey(#[from] NoMasterKey),
    /// Keys of services are none.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// Passwords cannot be hashed so.
    #[error("passwords cannot be hashed at this cost: SHOP_USER_ARGON2_KIB must be at least 8 for each lane")]
    Cost(#[from] Unable),
}

/// What all handlers have at hand. Every request has it several times.
#[derive(Clone, Debug)]
pub struct App(Arc<Hand>);

/// What is at hand.
#[derive(Debug)]
pub struct Hand {
    /// The database.
    pub pool: Pool,
    /// Sessions that go on, by their ids.
    pub sessions: Together<Uuid, Live>,
    /// Accounts by their ids.
    pub accounts: Together<Uuid, Account>,
    /// Wakes the relay.
    pub wake: Wake,
    /// Hashes passwords.
    pub passwords: Passwords,
    /// Signs tokens.
    pub keyring: Keyring,
    /// Seals secrets.
    pub master: MasterKey,
    /// Makes cursors.
    pub cursors: Cursors,
    /// The services that may ask.
    pub trust: Trust,
    /// Says to others who this is.
    pub signer: Option<Signer>,
    /// Who knows something of people as well.
    pub others: BTreeMap<&'static str, Uri>,
    /// The configuration.
    pub config: config::Serve,
}

impl App {
    /// With a configuration.
    pub fn new(config: config::Serve, pool: Pool, wake: Wake) -> Result<Self, Invalid> {
        let master = MasterKey::parse(&config.identity.master_key()?)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let hashes = config.passwords.hashes.and_then(|hashes| usize::try_from(hashes).ok()).unwrap_or(cores);
        let queue = usize::try_from(config.passwords.hash_queue).unwrap_or(usize::MAX);
        let key = &config.identity.key;
        let signer = key.optional()?.map(|pem| Signer::new(NAME, &key.service_key_id, &pem)).transpose()?;
        let readers = Readers::new(&pool);
        Ok(Self(Arc::new(Hand {
            sessions: Together::new(&readers, |connection, ids| sessions::live(connection, ids).boxed()),
            accounts: Together::new(&readers, |connection, ids| {
                accounts::batch(connection, ids)
                    .map_ok(|found| found.into_iter().map(|account| (account.id, account)).collect())
                    .boxed()
            }),
            pool,
            wake,
            passwords: Passwords::new(config.passwords.cost(), hashes, queue)?,
            keyring: Keyring::new(&config.identity.issuer, &config.identity.audience),
            cursors: Cursors::new(&master.derive(Purpose::Cursor), CURSORS),
            master,
            trust: Trust::new(NAME, &config.identity.service_keys)?,
            signer,
            others: config.identity.others(),
            config,
        })))
    }
}

impl Deref for App {
    type Target = Hand;

    fn deref(&self) -> &Hand {
        &self.0
    }
}
