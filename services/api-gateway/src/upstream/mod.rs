//! To whom requests go: endpoints, which of them is taken, and the connections to them.

mod answer;
mod balance;
mod connect;
mod endpoint;
mod health;
mod http1;
mod http2;
mod lease;
mod outbound;
mod pool;
mod tls;
mod wire;

pub(crate) use self::tls::{authorities, certificates};
pub use self::{
    answer::{Answered, Broken},
    connect::Error as ConnectError,
    endpoint::{Endpoint, InFlight},
    lease::Lease,
    outbound::{Head, Outbound},
    pool::{Cause, Pools, SendError},
    tls::{Error as TlsError, Tls},
    wire::{Error as WireError, Tunnel},
};

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

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
    /// Where it is.
    pub endpoints: Vec<Arc<Endpoint>>,
    retries: AtomicU32,
}

/// A repetition that is counted.
#[derive(Debug)]
pub struct Retrying<'a>(&'a AtomicU32);

impl Upstream {
    /// With no repetition under way.
    pub fn new(name: Arc<str>, endpoints: Vec<Arc<Endpoint>>) -> Self {
        Self { name, endpoints, retries: AtomicU32::new(0) }
    }

    /// Counts a repetition until what is returned goes. `None` when there are too many.
    pub fn retry(&self) -> Option<Retrying<'_>> {
        let load: u32 = self.endpoints.iter().map(|endpoint| endpoint.load()).sum();
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
