//! To whom requests go: endpoints, which of them is taken, and the connections to them.

mod affinity;
mod answer;
mod balance;
pub mod check;
mod connect;
mod endpoint;
mod health;
mod http1;
mod http2;
mod lease;
mod limits;
mod outbound;
mod placed;
mod pool;
mod raw;
mod tls;
mod verifier;
mod wire;

pub(crate) use self::tls::{authorities, certificates, roots};
pub use self::{
    affinity::Wish,
    answer::{Answered, Broken},
    connect::Error as ConnectError,
    endpoint::{Endpoint, InFlight},
    lease::Lease,
    limits::{Counted, Overloaded},
    outbound::{Head, Outbound},
    pool::{Cause, Pools, SendError},
    raw::Raw,
    tls::{Error as TlsError, Tls},
    wire::{Error as WireError, Tunnel},
};

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use flotilla_gateway_config as config;
use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;

use self::{affinity::Affinity, limits::Limits, placed::Placed};

/// Of the requests that a backend has now, how many may be repetitions, in hundredths (a retry budget, GEP-3388): when
/// everything fails, repeating everything makes it worse.
const RETRY_BUDGET: u32 = 20;

/// When fewer of a hundred endpoints are well, all are asked, unless the configuration says something else.
const PANIC: u8 = 50;

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
    affinity: Option<Affinity>,
    limits: Limits,
    slow_start: Option<Duration>,
    panic_percent: usize,
    /// Where it is. It changes without the rest.
    placed: ArcSwap<Placed>,
    /// Tells that it has changed.
    tells: watch::Sender<()>,
    is_checked: AtomicBool,
    retries: AtomicU32,
}

/// A repetition that is counted.
#[derive(Debug)]
pub struct Retrying<'a>(&'a AtomicU32);

impl Upstream {
    /// A new one in place of one before. It has those of its endpoints that are called in the same way, until
    /// [`Upstream::place`] says where it is.
    pub fn new(
        name: Arc<str>,
        written: config::Backend,
        tls: Option<Arc<Tls>>,
        before: Option<&Self>,
    ) -> Self {
        let endpoints = before.map_or_else(Vec::new, Self::endpoints);
        let is_same = |endpoint: &Arc<Endpoint>| {
            endpoint.protocol == written.protocol
                && match (&endpoint.tls, &tls) {
                    (None, None) => true,
                    (Some(before), Some(tls)) => Arc::ptr_eq(before, tls),
                    _ => false,
                }
        };
        let endpoints: Vec<_> = endpoints.into_iter().filter(is_same).collect();
        if before.is_some_and(|before| before.written.health_check != written.health_check) {
            // What others have asked says nothing any more.
            for endpoint in &endpoints {
                endpoint.health.check_succeeds();
            }
        }
        // What is under way stays counted.
        let same_limits = before.filter(|before| before.written.limits == written.limits);
        let limits = match (same_limits, &written.limits) {
            (Some(before), _) => before.limits.clone(),
            (None, Some(limits)) => Limits::new(limits),
            (None, None) => Limits::default(),
        };
        let affinity = written.affinity.as_ref().map(Affinity::new);
        Self {
            placed: ArcSwap::from_pointee(Placed::new(&name, endpoints, affinity.as_ref())),
            affinity,
            limits,
            slow_start: written.slow_start_ms.map(Duration::from_millis),
            panic_percent: usize::from(written.panic_percent.unwrap_or(PANIC)),
            name,
            written,
            tls,
            tells: watch::Sender::new(()),
            is_checked: AtomicBool::new(false),
            retries: AtomicU32::new(0),
        }
    }

    /// Where it is now.
    pub fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.placed.load().endpoints.clone()
    }

    /// Says where it is from now on. Endpoints that stay keep their connections and what is known of them, and requests to
    /// those that go are finished. Not for two at a time.
    pub fn place(&self, addresses: impl IntoIterator<Item = config::Endpoint>) {
        let before = self.placed.load_full();
        let known: HashMap<&config::Endpoint, &Arc<Endpoint>> =
            before.endpoints.iter().map(|endpoint| (&endpoint.written, endpoint)).collect();
        let now = Instant::now();
        let endpoint = |address: config::Endpoint| {
            if let Some(known) = known.get(&address) {
                return Arc::clone(known);
            }
            let new = Endpoint::new(address, self.written.protocol, self.tls.clone());
            // Those that begin together share alike.
            if !known.is_empty() {
                new.begin_slowly(now);
            }
            Arc::new(new)
        };
        let after: Vec<_> = addresses.into_iter().map(endpoint).collect();
        let is_same = after.len() == before.endpoints.len()
            && after.iter().zip(&before.endpoints).all(|(a, b)| Arc::ptr_eq(a, b));
        if !is_same {
            self.placed.store(Arc::new(Placed::new(&self.name, after, self.affinity.as_ref())));
            self.tells.send_replace(());
        }
    }

    /// Hears when it is elsewhere.
    pub(crate) fn hear(&self) -> watch::Receiver<()> {
        self.tells.subscribe()
    }

    /// Whether nobody has had it checked yet; from now on somebody does.
    pub(crate) fn begin_checks(&self) -> bool {
        !self.is_checked.swap(true, Ordering::Relaxed)
    }

    /// Where a request should go. `client` says where it comes from.
    pub fn wish(&self, headers: &HeaderMap, client: impl FnOnce() -> IpAddr) -> Wish {
        self.affinity.as_ref().map_or(Wish::None, |affinity| affinity.wish(headers, client))
    }

    /// The header for a client whose request has gone to an endpoint, by which it comes back, when it needs one.
    pub fn token(
        &self,
        endpoint: &Endpoint,
        wish: Wish,
        is_secure: bool,
    ) -> Option<(HeaderName, HeaderValue)> {
        self.affinity.as_ref()?.token(&self.name, endpoint, wish, is_secure)
    }

    /// Counts a request until what is returned goes.
    pub fn admit(&self) -> Result<Option<Counted>, Overloaded> {
        self.limits.admit()
    }

    /// Counts a repetition until what is returned goes. `None` when there are too many.
    pub fn retry(&self) -> Option<Retrying<'_>> {
        let load: u32 = self.placed.load().endpoints.iter().map(|endpoint| endpoint.load()).sum();
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

    fn upstream(protocol: config::Protocol, before: Option<&Upstream>) -> Upstream {
        Upstream::new("a".into(), config::Backend { protocol, ..config::Backend::default() }, None, before)
    }

    fn at(ports: &[u16]) -> impl IntoIterator<Item = config::Endpoint> {
        ports.iter().map(|port| config::Endpoint { host: "127.0.0.1".to_owned(), port: *port })
    }

    #[test]
    fn endpoints_that_stay_are_the_same() {
        let upstream = upstream(config::Protocol::Http1, None);
        upstream.place(at(&[1, 2, 3]));
        let (before, mut hears) = (upstream.endpoints(), upstream.hear());
        upstream.place(at(&[1, 2, 3]));
        assert!(!hears.has_changed().unwrap(), "nothing has changed");
        upstream.place(at(&[4, 3, 2]));
        assert!(hears.has_changed().unwrap());
        hears.mark_unchanged();
        let after = upstream.endpoints();
        assert_eq!(after.iter().map(|endpoint| endpoint.written.port).collect::<Vec<_>>(), [4, 3, 2]);
        assert!(Arc::ptr_eq(&before[2], &after[1]) && Arc::ptr_eq(&before[1], &after[2]));
        upstream.place(at(&[]));
        assert!(upstream.endpoints().is_empty());
    }

    #[test]
    fn endpoints_are_held_over_when_they_are_called_alike() {
        let before = upstream(config::Protocol::Http1, None);
        before.place(at(&[1]));
        let same = upstream(config::Protocol::Http1, Some(&before));
        same.place(at(&[1]));
        assert!(Arc::ptr_eq(&same.endpoints()[0], &before.endpoints()[0]));
        let other = upstream(config::Protocol::Http2, Some(&before));
        assert!(other.endpoints().is_empty());
        other.place(at(&[1]));
        assert_eq!(other.endpoints()[0].protocol, config::Protocol::Http2);
    }
}
