//! Gets the keys of providers, apart from the workers: when they are named first, again by and by, and when a token names
//! one that is not among them. What was there stays until there is something better.

use std::{
    io,
    sync::{Arc, Weak},
    time::Duration,
};

use bytes::Bytes;
use flotilla_gateway_config::RemoteJwks;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_rustls::HttpsConnectorBuilder;
use rustls::ClientConfig;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};
use tower::ServiceExt;

use super::token::{BadKeys, KeySet, Keys};
use crate::{metrics::Metrics, snapshot::Snapshot, upstream};

/// How long a fetch may take as a whole.
const PATIENCE: Duration = Duration::from_secs(10);

/// Bytes that a set of keys may have.
const LARGEST: usize = 512 * 1024;

/// From one fetch to the next when nothing is said.
const REFRESH: u32 = 300;

/// From one fetch to the next at least, whatever tokens name.
const FLOOR: Duration = Duration::from_secs(10);

/// Before the next fetch, while there are no keys at all. It doubles, up to the floor.
const FIRST: Duration = Duration::from_millis(500);

/// Who asks.
const AGENT: HeaderValue = HeaderValue::from_static("flotilla-api-gateway");

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("no answer within {seconds} s", seconds = PATIENCE.as_secs())]
    Slow,
    #[error(transparent)]
    Tls(#[from] upstream::TlsError),
    #[error("no connection: {0}")]
    Connect(Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer: {0}")]
    Http(#[from] hyper::Error),
    #[error("the address cannot be asked: {0}")]
    Uri(#[from] http::Error),
    #[error("the status is {0}")]
    Status(StatusCode),
    #[error("the answer cannot be read, or is larger than {LARGEST} bytes: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Keys(#[from] BadKeys),
}

/// Has the keys of all providers fetched, as long as there are workers.
pub async fn follow(mut snapshots: watch::Receiver<Arc<Snapshot>>, metrics: Arc<Metrics>) {
    loop {
        let snapshot = Arc::clone(&snapshots.borrow_and_update());
        for provider in snapshot.policies.providers().filter(|provider| provider.keys.begin_following()) {
            let (name, keys) = (Arc::clone(&provider.name), Arc::downgrade(&provider.keys));
            tokio::spawn(supervise(name, keys, Arc::clone(&metrics)));
        }
        drop(snapshot);
        if snapshots.changed().await.is_err() {
            return;
        }
    }
}

/// Fetches keys until nobody has them any more.
async fn supervise(provider: Arc<str>, keys: Weak<Keys>, metrics: Arc<Metrics>) {
    let mut pause = FIRST;
    loop {
        let Some(known) = keys.upgrade() else { return };
        let Some(remote) = &known.remote else { return };
        let begun = Instant::now();
        let fetched = timeout(PATIENCE, fetch(remote)).await.unwrap_or(Err(Error::Slow));
        metrics.keys_fetched(&provider, fetched.is_ok());
        let refresh = Duration::from_secs(remote.refresh_seconds.unwrap_or(REFRESH).into());
        let next = match fetched {
            Ok(set) => {
                tracing::debug!(%provider, keys = set.count(), "keys were fetched");
                known.put(set);
                pause = FIRST;
                refresh
            }
            Err(error) => {
                let has_some = known.now().is_some();
                tracing::warn!(%provider, %error, has_some, "the keys of a provider cannot be fetched");
                pause = (pause * 2).min(FLOOR);
                if has_some { FLOOR.min(refresh) } else { pause }
            }
        };
        known.tried();
        drop(known);
        wait(&keys, begun, next).await;
    }
}

/// Waits for the time of the next fetch, or for a token that names another key. Somebody has to have the keys meanwhile.
async fn wait(keys: &Weak<Keys>, begun: Instant, next: Duration) {
    let end = begun + next;
    let floor = (begun + FLOOR).min(end);
    sleep_until(floor).await;
    while Instant::now() < end {
        let Some(known) = keys.upgrade() else { return };
        // By and by somebody looks whether they are still in use.
        let step = (Instant::now() + FLOOR).min(end);
        tokio::select! {
            () = known.are_wanted() => return,
            () = sleep_until(step) => {}
        }
    }
}

async fn fetch(remote: &RemoteJwks) -> Result<KeySet, Error> {
    let roots = upstream::roots(remote.ca.as_deref());
    let is_secure = remote.uri.starts_with("https:");
    let roots = match roots {
        Err(_) if !is_secure => rustls::RootCertStore::empty(),
        roots => roots?,
    };
    let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
    let uri: Uri = remote.uri.parse().map_err(http::Error::from)?;
    let io = connector.oneshot(uri.clone()).await.map_err(Error::Connect)?;
    let (mut sender, connection) = http1::handshake(io).await?;
    let connection = tokio::spawn(connection);
    let answer = ask(&mut sender, &uri).await;
    // Nothing more is asked on it.
    connection.abort();
    Ok(KeySet::read(&answer?)?)
}

async fn ask(sender: &mut http1::SendRequest<Empty<Bytes>>, uri: &Uri) -> Result<Bytes, Error> {
    let host = uri.authority().ok_or_else(|| Error::Connect(Box::new(io::Error::other("no host"))))?;
    let target = uri.path_and_query().map_or("/", |target| target.as_str());
    let request = Request::get(target)
        .header(header::HOST, host.as_str())
        .header(header::USER_AGENT, AGENT)
        .header(header::ACCEPT, "application/jwk-set+json, application/json")
        .body(Empty::new())?;
    let (parts, body) = sender.send_request(request).await?.into_parts();
    // Where it leads elsewhere nobody has said that keys are good from there.
    if parts.status != StatusCode::OK {
        return Err(Error::Status(parts.status));
    }
    Ok(Limited::new(body, LARGEST).collect().await.map_err(Error::Body)?.to_bytes())
}
