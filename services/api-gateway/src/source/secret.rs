//! The configuration in a Secret, taken again whenever its index changes. When its parts are in other Secrets, those are
//! read by their names, so that no right is needed but for these.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use flotilla_gateway_config::{
    Loader,
    package::{INDEX_KEY, Index, PART_KEY, Part, UnpackError, Unpacking, WHOLE_LIMIT},
};
use k8s_openapi::{ByteString, api::core::v1};
use kube::{Api, Client, runtime::watcher::Event};
use tokio::{
    sync::watch,
    task::{JoinError, spawn_blocking},
    time::{sleep, timeout},
};

use crate::{
    cluster::{self, Backoff},
    control::{self, Control},
    metrics::Metrics,
};

/// How long a part is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A Secret: `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretName {
    namespace: String,
    name: String,
}

/// What is no name of a Secret.
#[derive(Debug, thiserror::Error)]
#[error("write NAMESPACE/NAME, in lower case, such as shop/gateway")]
pub struct BadName;

impl FromStr for SecretName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let is_name = |name: &str| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.".contains(&byte);
            !name.is_empty() && name.len() <= 253 && name.bytes().all(fits)
        };
        match text.split_once('/') {
            Some((namespace, name)) if is_name(namespace) && is_name(name) => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            _ => Err(BadName),
        }
    }
}

impl std::fmt::Display for SecretName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// Why the configuration is not taken. What is wrong stands in one line, as it is what a person looks for in a log.
#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("there is no such Secret")]
    Absent,
    #[error("there is no key {INDEX_KEY}")]
    NoIndex,
    #[error("there is no key {PART_KEY} in Secret {0}")]
    NoPart(String),
    #[error("Secret {name} cannot be read: {}", cluster::whole(&**.source))]
    Get { name: String, source: Box<kube::Error> },
    #[error("Secret {0} cannot be read within {seconds} s", seconds = PATIENCE.as_secs())]
    Slow(String),
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error(transparent)]
    Load(#[from] Box<flotilla_gateway_config::Error>),
    #[error(transparent)]
    Take(#[from] Box<control::Error>),
    #[error(transparent)]
    Died(#[from] JoinError),
}

impl Error {
    /// Whether it may be other in a moment, without another index.
    fn passes(&self) -> bool {
        match self {
            Self::NoPart(_) | Self::Get { .. } | Self::Slow(_) => true,
            Self::Unpack(error) => matches!(error, UnpackError::Changed { .. }),
            // Somebody else has the port, perhaps the gateway before this one.
            Self::Take(error) => matches!(**error, control::Error::Listen(_)),
            _ => false,
        }
    }
}

/// What the Secret of the index has now.
#[derive(Clone, PartialEq)]
enum Found {
    /// Nobody has looked yet.
    Unknown,
    Absent,
    Data(Arc<BTreeMap<String, ByteString>>),
}

impl Found {
    fn of(secret: v1::Secret) -> Self {
        Self::Data(Arc::new(secret.data.unwrap_or_default()))
    }
}

/// The Secret of the index, which is followed.
#[derive(Debug)]
pub struct Secret {
    name: SecretName,
    api: Api<v1::Secret>,
    loader: Arc<Mutex<Loader>>,
}

impl Secret {
    /// One that has not been read.
    pub fn new(name: SecretName, client: Client) -> Self {
        Self { api: Api::namespaced(client, &name.namespace), name, loader: Arc::default() }
    }

    /// Has workers go by it, whenever it changes, for ever. What cannot be taken is logged, and changes nothing.
    pub async fn follow(self, control: Arc<Control>, metrics: Arc<Metrics>) -> Option<Infallible> {
        let (tells, hears) = watch::channel(Found::Unknown);
        tokio::select! {
            () = self.watch(&tells, &metrics) => None,
            ended = self.take_all(hears, &control, &metrics) => ended,
        }
    }

    async fn watch(&self, tells: &watch::Sender<Found>, metrics: &Metrics) {
        let selection = cluster::selection().fields(&format!("metadata.name={}", self.name.name));
        let mut listed = Found::Absent;
        // What says nothing new, as after the watch broke, is no news.
        let tell = |found: Found| {
            tells.send_if_modified(|before| {
                let is_new = *before != found;
                *before = found;
                is_new
            });
        };
        cluster::follow(self.api.clone(), selection, "secrets", metrics, |event| match event {
            Event::Init => listed = Found::Absent,
            Event::InitApply(secret) => listed = Found::of(secret),
            Event::InitDone => tell(listed.clone()),
            Event::Apply(secret) => tell(Found::of(secret)),
            Event::Delete(_) => tell(Found::Absent),
        })
        .await;
    }

    async fn take_all(
        &self,
        mut hears: watch::Receiver<Found>,
        control: &Arc<Control>,
        metrics: &Metrics,
    ) -> Option<Infallible> {
        let mut backoff = Backoff::default();
        hears.changed().await.ok()?;
        loop {
            let found = hears.borrow_and_update().clone();
            let passes = match self.take(found, control).await {
                Ok(version) => {
                    tracing::info!(secret = %self.name, version, "the configuration has changed");
                    false
                }
                Err(error) => {
                    self.tell(&error, control, metrics);
                    error.passes()
                }
            };
            if passes {
                tokio::select! {
                    changed = hears.changed() => changed.ok()?,
                    () = sleep(backoff.pause()) => {}
                }
            } else {
                backoff.reset();
                hears.changed().await.ok()?;
            }
        }
    }

    fn tell(&self, error: &Error, control: &Control, metrics: &Metrics) {
        if error.passes() || matches!(error, Error::Absent) {
            metrics.incomplete.inc();
            tracing::warn!(secret = %self.name, %error, "the configuration cannot be had yet, the one before stays");
        } else {
            metrics.load_failures.inc();
            tracing::error!(secret = %self.name, %error, "the configuration is refused, the one before stays");
        }
        control.refused(format!("Secret {}: {error}", self.name));
    }

    /// Returns the version that has been taken.
    async fn take(&self, found: Found, control: &Arc<Control>) -> Result<String, Error> {
        let Found::Data(data) = found else { return Err(Error::Absent) };
        let index = Index::read(&data.get(INDEX_KEY).ok_or(Error::NoIndex)?.0)?;
        let mut unpacking = Unpacking::new(WHOLE_LIMIT);
        for part in index.parts.clone() {
            let bytes = self.part(&part, &data).await?;
            let added = spawn_blocking(move || unpacking.add(&part, &bytes.0).map(|()| unpacking));
            unpacking = added.await??;
        }
        let (control, loader) = (Arc::clone(control), Arc::clone(&self.loader));
        let origin = format!("Secret {}, version {}", self.name, index.version);
        // Endpoints of Services must not wait for it.
        spawn_blocking(move || {
            let whole = unpacking.finish(&index)?;
            let read = loader.lock().unwrap_or_else(PoisonError::into_inner).load(whole);
            let config = read.map_err(Box::new)?;
            control.take(config, &origin).map_err(Box::new)?;
            Ok(index.version)
        })
        .await?
    }

    async fn part(&self, part: &Part, own: &BTreeMap<String, ByteString>) -> Result<ByteString, Error> {
        let missing = || Error::NoPart(part.name.clone());
        if part.name == self.name.name {
            return own.get(PART_KEY).cloned().ok_or_else(missing);
        }
        let secret = timeout(PATIENCE, self.api.get(&part.name))
            .await
            .map_err(|_| Error::Slow(part.name.clone()))?
            .map_err(|source| Error::Get { name: part.name.clone(), source: Box::new(source) })?;
        secret.data.and_then(|mut data| data.remove(PART_KEY)).ok_or_else(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_both_parts_and_nothing_that_selects_more() {
        let name: SecretName = "shop/gateway.a-1".parse().unwrap();
        assert_eq!(name.to_string(), "shop/gateway.a-1");
        for bad in ["", "gateway", "/gateway", "shop/", "shop/a,metadata.name!=b", "Shop/a", "a/b/c"] {
            let error = bad.parse::<SecretName>().unwrap_err().to_string();
            assert!(error.contains("NAMESPACE/NAME"), "{bad}");
        }
    }
}
