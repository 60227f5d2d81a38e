//! A rate limit: what it counts by, and how much room there is.

mod gcra;
mod table;

use std::{
    hash::{BuildHasher, Hash, Hasher, RandomState},
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use flotilla_gateway_config::{RateKey, RateLimit};
use http::HeaderMap;
use prometheus_client::metrics::counter::Counter;

use self::{gcra::Gcra, table::Table};
use super::token::Good;
use crate::clock::nanoseconds;

/// Keys that one limit counts apart at most; 16 bytes each. When there are more at a time, see [`table`].
const MOST_KEYS: usize = 131_072;

/// There is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// How long until there is.
    pub wait: Duration,
}

/// A limit of the process, for all its workers.
#[derive(Debug)]
pub struct Limit {
    /// Its name.
    pub name: Arc<str>,
    /// What the configuration says, to tell whether it is still the same.
    pub written: RateLimit,
    /// Requests that it refused.
    pub limited: Counter,
    gcra: Gcra,
    counted: Counted,
    /// Nobody outside knows which keys meet.
    hasher: RandomState,
}

/// What has been counted.
#[derive(Debug)]
enum Counted {
    Together(AtomicU64),
    Apart(Table),
}

/// What requests have in common that are counted together.
#[derive(Hash)]
enum Key<'k> {
    /// They have none of it.
    None,
    Address(IpAddr),
    Text(&'k [u8]),
}

impl Limit {
    pub(super) fn new(name: &str, written: RateLimit, limited: Counter) -> Self {
        let counted = match written.key {
            RateKey::Everybody => Counted::Together(AtomicU64::new(0)),
            _ => Counted::Apart(Table::new(MOST_KEYS)),
        };
        Self {
            name: name.into(),
            gcra: Gcra::new(&written),
            counted,
            written,
            limited,
            hasher: RandomState::new(),
        }
    }

    /// Takes room for a request.
    pub(super) fn take(
        &self,
        headers: &HeaderMap,
        client: impl Fn() -> IpAddr,
        good: Option<&Good>,
        time: Instant,
    ) -> Result<(), Full> {
        let now = nanoseconds(time);
        match &self.counted {
            Counted::Together(full_at) => {
                let decide = |full_at| self.gcra.take(full_at, now).ok();
                match full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, decide) {
                    Ok(_) => Ok(()),
                    Err(full_at) => Err(Full { wait: self.gcra.wait(full_at, now) }),
                }
            }
            Counted::Apart(table) => {
                let hash = match &self.written.key {
                    RateKey::Everybody => self.hash(&Key::None),
                    RateKey::ClientAddress => self.hash(&Key::Address(network(client()))),
                    RateKey::Header(name) => {
                        let mut hasher = self.hasher.build_hasher();
                        for value in headers.get_all(&name.0) {
                            Key::Text(value.as_bytes()).hash(&mut hasher);
                        }
                        hasher.finish()
                    }
                    RateKey::Claim(claim) => match good.and_then(|good| good.text(claim)) {
                        Some(text) => self.hash(&Key::Text(text.as_bytes())),
                        None => self.hash(&Key::None),
                    },
                };
                table.take(hash, &self.gcra, now)
            }
        }
    }

    fn hash(&self, key: &Key<'_>) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// What one client commonly has for itself: an address of IPv4, or 64 bits of IPv6 (RFC 6177 gives sites at least those).
fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(long) => IpAddr::V6((long.to_bits() >> 64 << 64).into()),
    }
}

#[cfg(test)]
mod tests;
