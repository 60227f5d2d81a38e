//! One address of a backend, with what is known of it. It outlives a change of the configuration that leaves it as it was.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use flotilla_gateway_config::{self as config, Protocol};

use super::{affinity, health::Health, tls::Tls};
use crate::clock::milliseconds;

/// The share that an endpoint has at once, in hundredths of the whole.
const LEAST_SHARE: u64 = 10;

/// An address, and how it is spoken to.
#[derive(Debug)]
pub struct Endpoint {
    /// Differs for every endpoint of a process.
    pub id: u64,
    /// What the configuration says.
    pub written: config::Endpoint,
    /// The address, unless it is a name that is looked up for each connection.
    pub address: Option<SocketAddr>,
    /// What is spoken.
    pub protocol: Protocol,
    /// With what it is called in TLS.
    pub tls: Option<Arc<Tls>>,
    /// How it has answered.
    pub health: Health,
    /// A number that is its own, the same in every process.
    pub(super) number: u64,
    in_flight: AtomicU32,
    /// When its share began to grow, in milliseconds; 0 when it has the whole.
    since: AtomicU64,
}

static IDS: AtomicU64 = AtomicU64::new(0);

impl Endpoint {
    /// A new one.
    pub fn new(written: config::Endpoint, protocol: Protocol, tls: Option<Arc<Tls>>) -> Self {
        let bare = written.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let address: Option<IpAddr> = bare.unwrap_or(&written.host).parse().ok();
        let number = affinity::number(format!("{}:{}", written.host, written.port).as_bytes());
        Self {
            number,
            id: IDS.fetch_add(1, Ordering::Relaxed),
            address: address.map(|address| SocketAddr::new(address, written.port)),
            written,
            protocol,
            tls,
            health: Health::default(),
            in_flight: AtomicU32::new(0),
            since: AtomicU64::new(0),
        }
    }

    /// Has its share grow from now on.
    pub fn begin_slowly(&self, now: Instant) {
        self.since.store(milliseconds(now), Ordering::Relaxed);
    }

    /// Its checks go well. Returns whether they had not before; then its share grows again.
    pub fn recovers(&self) -> bool {
        let is_new = self.health.check_succeeds();
        if is_new {
            self.begin_slowly(Instant::now());
        }
        is_new
    }

    /// The share that it has, in hundredths of the whole, when it grows for so long.
    pub(super) fn share(&self, window: Duration, now: Instant) -> u64 {
        let since = self.since.load(Ordering::Relaxed);
        let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
        let passed = milliseconds(now).saturating_sub(since);
        if since == 0 || passed >= window {
            100
        } else {
            LEAST_SHARE.max(passed.saturating_mul(100) / window)
        }
    }

    /// How many requests it has now.
    pub fn load(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request until what is returned goes.
    pub fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(Arc::clone(self))
    }
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.address {
            Some(address) => address.fmt(formatter),
            None => write!(formatter, "{}:{}", self.written.host, self.written.port),
        }
    }
}

/// A request that is counted.
#[derive(Debug)]
pub struct InFlight(Arc<Endpoint>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_grows_to_the_whole() {
        let written = config::Endpoint { host: "10.0.0.1".to_owned(), port: 80 };
        let endpoint = Endpoint::new(written, Protocol::Http1, None);
        let (now, window) = (Instant::now(), Duration::from_secs(10));
        assert_eq!(endpoint.share(window, now), 100);
        endpoint.begin_slowly(now);
        let share = |seconds| endpoint.share(window, now + Duration::from_secs(seconds));
        assert_eq!([0, 1, 5, 9, 10, 60].map(share), [10, 10, 50, 90, 100, 100]);
        assert_eq!(endpoint.share(Duration::ZERO, now), 100);
        assert!(!endpoint.recovers());
        endpoint.health.check_fails();
        assert!(endpoint.recovers() && endpoint.health.is_good(now));
    }
}
