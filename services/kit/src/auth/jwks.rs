//! The keys of an issuer (RFC 7517), fetched when they are needed and kept.
//!
//! When they get old they are fetched again beside the requests, which go on with the old ones. For a key that is not known it
//! is asked at once, but not by each forged token.

use std::{
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use ::http::{StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jsonwebtoken::jwk::JwkSet;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use super::keys::{Key, Keys, usable};
use super::trust;

/// Keys are new for so long.
const FRESH: Duration = Duration::from_secs(300);

/// Keys are good for so long, when no newer ones can be had.
const GOOD: Duration = Duration::from_secs(24 * 3_600);

/// How long to wait between two questions.
const PAUSE: Duration = Duration::from_secs(10);

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Bytes that it may have.
const MAX: usize = 256 * 1024;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum NoKeys {
    /// The address is none.
    #[error("{0} is no address of keys: write one such as http://user-service:8080/.well-known/jwks.json")]
    Address(Uri),
    /// They could not be fetched.
    #[error("keys cannot be fetched from {0}")]
    Fetch(Uri, #[source] Cause),
    /// None could be fetched before, and it is not time to try again.
    #[error("there are no keys from {0} yet")]
    Waiting(Uri),
}

/// The keys of an issuer.
pub struct Jwks {
    address: Uri,
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    known: RwLock<Known>,
    /// When it was asked last. Held while it is.
    asked: Mutex<Option<Instant>>,
}

#[derive(Clone, Default)]
struct Known {
    keys: Arc<Keys>,
    since: Option<Instant>,
}

impl std::fmt::Debug for Jwks {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Jwks").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Jwks {
    /// The keys at an address. Nothing is fetched yet.
    pub fn new(address: Uri) -> Result<Arc<Self>, NoKeys> {
        if !matches!(address.scheme_str(), Some("http" | "https")) || address.host().is_none() {
            return Err(NoKeys::Address(address));
        }
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(trust()).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Arc::new(Self { address, client, known: RwLock::default(), asked: Mutex::default() }))
    }

    /// The key with an id, if the issuer has it.
    pub(super) async fn key(self: &Arc<Self>, id: &str) -> Result<Option<Key>, NoKeys> {
        let known = self.known();
        let age = known.since.map(|since| since.elapsed());
        if let Some(key) = known.keys.get(id).filter(|_| age.is_some_and(|age| age < GOOD)) {
            if age.is_some_and(|age| age > FRESH) {
                self.renew_beside();
            }
            return Ok(Some(key.clone()));
        }
        self.renew().await?;
        let known = self.known();
        match known.since {
            Some(since) if since.elapsed() < GOOD => Ok(known.keys.get(id).cloned()),
            _ => Err(NoKeys::Waiting(self.address.clone())),
        }
    }

    fn known(&self) -> Known {
        self.known.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn renew_beside(self: &Arc<Self>) {
        // Somebody is at it.
        if self.asked.try_lock().is_err() {
            return;
        }
        let this = Arc::clone(self);
        tokio::spawn(async move {
            if let Err(error) = this.renew().await {
                tracing::warn!(%error, "keys are not renewed; the old ones go on");
            }
        });
    }

    /// Asks, unless that was just done.
    async fn renew(&self) -> Result<(), NoKeys> {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < PAUSE) {
            return Ok(());
        }
        *asked = Some(Instant::now());
        let fail = |error: Cause| NoKeys::Fetch(self.address.clone(), error);
        let set = timeout(PATIENCE, self.fetch()).await.map_err(|late| fail(late.into()))?.map_err(fail)?;
        let keys = Arc::new(usable(&set));
        *self.known.write().unwrap_or_else(PoisonError::into_inner) =
            Known { keys, since: Some(Instant::now()) };
        Ok(())
    }

    async fn fetch(&self) -> Result<JwkSet, Cause> {
        let response = self.client.get(self.address.clone()).await?;
        if response.status() != StatusCode::OK {
            return Err(format!("the answer is {}", response.status()).into());
        }
        let body = Limited::new(response.into_body(), MAX).collect().await?;
        Ok(serde_json::from_slice(&body.to_bytes())?)
    }
}
