//! To whom requests go: endpoints, which of them is taken, and the connections to them.

mod balance;
mod connect;
mod endpoint;
mod health;
mod http1;
mod http2;
mod lease;
mod pool;
mod raw;
mod tls;
mod verifier;

pub(crate) use self::tls::{authorities, certificates};
pub use self::{
    connect::Error as ConnectError,
    endpoint::{Endpoint, InFlight},
    lease::Lease,
    pool::{Cause, Pools, SendError},
    raw::Raw,
    tls::{Error as TlsError, Tls},
};

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

use arc_swap::ArcSwap;
use flotilla_gateway_config as config;

/// Of the requests that a backend has now, how many may be repetitions, in hundredths (a retry budget, GEP-3388): when
/// everything fails, repeating everything makes it worse.
const RETRY_BUDGET: u32 = 20;

/// Repetitions that are always allowed.
const LEAST_RETRIES: u32 = 3;

/// Endpoints that all do the same.
#[derive(Debug)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: Arc<str>,
    /// What the configuration says, to tell whether it is still the same.
    pub written: config::Backend,
    /// With what it is called in TLS.
    pub tls: Option<Arc<Tls>>,
    /// Where it is. It changes without the rest.
    endpoints: ArcSwap<Vec<Arc<Endpoint>>>,
    retries: AtomicU32,
}

/// A repetition that is counted.
#[derive(Debug)]
pub struct Retrying<'a>(&'a AtomicU32);

impl Upstream {
    /// A new one. It has endpoints of `before` that are called in the same way, until [`Upstream::place`] says where it is.
    pub fn new(
        name: Arc<str>,
        written: config::Backend,
        tls: Option<Arc<Tls>>,
        before: &[Arc<Endpoint>],
    ) -> Self {
        let is_same = |endpoint: &&Arc<Endpoint>| {
            endpoint.protocol == written.protocol
                && match (&endpoint.tls, &tls) {
                    (None, None) => true,
                    (Some(before), Some(tls)) => Arc::ptr_eq(before, tls),
                    _ => false,
                }
        };
        let endpoints = before.iter().filter(is_same).cloned().collect();
        Self { name, written, tls, endpoints: ArcSwap::from_pointee(endpoints), retries: AtomicU32::new(0) }
    }

    /// Where it is now.
    pub fn endpoints(&self) -> Arc<Vec<Arc<Endpoint>>> {
        self.endpoints.load_full()
    }

    /// Says where it is from now on. Endpoints that stay keep their connections and what is known of them, and requests to
    /// those that go are finished. Not for two at a time.
    pub fn place(&self, addresses: impl IntoIterator<Item = config::Endpoint>) {
        let before = self.endpoints();
        let known: HashMap<&config::Endpoint, &Arc<Endpoint>> =
            before.iter().map(|endpoint| (&endpoint.written, endpoint)).collect();
        let endpoint = |address: config::Endpoint| match known.get(&address) {
            Some(known) => Arc::clone(known),
            None => Arc::new(Endpoint::new(address, self.written.protocol, self.tls.clone())),
        };
        let after: Vec<_> = addresses.into_iter().map(endpoint).collect();
        let is_same =
            after.len() == before.len() && after.iter().zip(&*before).all(|(a, b)| Arc::ptr_eq(a, b));
        if !is_same {
            self.endpoints.store(Arc::new(after));
        }
    }

    /// Counts a repetition until what is returned goes. `None` when there are too many.
    pub fn retry(&self) -> Option<Retrying<'_>> {
        let load: u32 = self.endpoints.load().iter().map(|endpoint| endpoint.load()).sum();
        let most = LEAST_RETRIES.max(load.saturating_mul(RETRY_BUDGET) / 100);
        if self.retries.fetch_add(1, Ordering::Relaxed) >= most {
            self.retries.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Retrying(&self.retries))
    }
}

impl Drop for Retrying<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(protocol: config::Protocol, before: &[Arc<Endpoint>]) -> Upstream {
        Upstream::new("a".into(), config::Backend { protocol, ..config::Backend::default() }, None, before)
    }

    fn at(ports: &[u16]) -> impl IntoIterator<Item = config::Endpoint> {
        ports.iter().map(|port| config::Endpoint { host: "127.0.0.1".to_owned(), port: *port })
    }

    #[test]
    fn endpoints_that_stay_are_the_same() {
        let upstream = upstream(config::Protocol::Http1, &[]);
        upstream.place(at(&[1, 2, 3]));
        let before = upstream.endpoints();
        upstream.place(at(&[1, 2, 3]));
        assert!(Arc::ptr_eq(&before, &upstream.endpoints()), "nothing has changed");
        upstream.place(at(&[4, 3, 2]));
        let after = upstream.endpoints();
        assert_eq!(after.iter().map(|endpoint| endpoint.written.port).collect::<Vec<_>>(), [4, 3, 2]);
        assert!(Arc::ptr_eq(&before[2], &after[1]) && Arc::ptr_eq(&before[1], &after[2]));
        upstream.place(at(&[]));
        assert!(upstream.endpoints().is_empty());
    }

    #[test]
    fn endpoints_are_held_over_when_they_are_called_alike() {
        let before = upstream(config::Protocol::Http1, &[]);
        before.place(at(&[1]));
        let before = before.endpoints();
        let same = upstream(config::Protocol::Http1, &before);
        same.place(at(&[1]));
        assert!(Arc::ptr_eq(&same.endpoints()[0], &before[0]));
        let other = upstream(config::Protocol::Http2, &before);
        assert!(other.endpoints().is_empty());
        other.place(at(&[1]));
        assert_eq!(other.endpoints()[0].protocol, config::Protocol::Http2);
    }
}
