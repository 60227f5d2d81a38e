//! One address of a backend, with what is known of it. It outlives a change of the configuration that leaves it as it was.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
};

use flotilla_gateway_config::{self as config, Protocol};

use super::{health::Health, tls::Tls};

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
    in_flight: AtomicU32,
}

static IDS: AtomicU64 = AtomicU64::new(0);

impl Endpoint {
    /// A new one.
    pub fn new(written: config::Endpoint, protocol: Protocol, tls: Option<Arc<Tls>>) -> Self {
        let bare = written.host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let address: Option<IpAddr> = bare.unwrap_or(&written.host).parse().ok();
        Self {
            id: IDS.fetch_add(1, Ordering::Relaxed),
            address: address.map(|address| SocketAddr::new(address, written.port)),
            written,
            protocol,
            tls,
            health: Health::default(),
            in_flight: AtomicU32::new(0),
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
