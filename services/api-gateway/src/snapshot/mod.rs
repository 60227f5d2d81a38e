//! What the workers go by: everything that follows from one configuration, made once and swapped as a whole. What a new
//! configuration leaves as it was is held over, with its connections and sessions.

mod tls;
mod upstreams;

pub use self::tls::{PortTls, Secure, TakesSecure};
use self::upstreams::Followers;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flotilla_gateway_config::{GatewayConfig, ListenerProtocol};

use crate::{
    listen::{Place, Transport},
    map::Map,
    metrics::{Metrics, RouteMetrics},
    policy::Policies,
    route::Table,
    stream::{Stream, Streams},
    upstream::{self, Upstream},
};

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// TLS with clients.
    #[error("listeners[{listener}].tls.{source}")]
    Listener {
        /// The name of the listener.
        listener: String,
        /// What is wrong.
        source: upstream::TlsError,
    },
    /// TLS with a backend.
    #[error("backends.{backend}.tls.{source}")]
    Backend {
        /// The name of the backend.
        backend: String,
        /// What is wrong.
        source: upstream::TlsError,
    },
}

/// What is done at a port with connections.
#[derive(Debug)]
pub struct Port {
    /// The port of the socket.
    pub socket: u16,
    /// Whether they begin with a header of the PROXY protocol.
    pub has_proxy_header: bool,
    /// What is taken.
    pub takes: Takes,
}

/// What a port takes.
#[derive(Debug)]
pub enum Takes {
    /// Requests.
    Requests,
    /// What is in TLS, by the server name.
    Secure(PortTls),
    /// Connections.
    Streams(Bare),
}

/// The one listener of a port whose clients do not say what they want.
#[derive(Debug)]
pub struct Bare {
    /// Its name.
    pub listener: Arc<str>,
    /// To whom they go.
    pub streams: Streams,
}

/// What is done at a port with datagrams.
#[derive(Debug)]
pub struct DatagramPort {
    /// The port of the socket.
    pub socket: u16,
    /// Its listener.
    pub bare: Bare,
}

/// What the workers go by.
#[derive(Debug)]
pub struct Snapshot {
    /// What it was made from.
    pub config: Arc<GatewayConfig>,
    /// What requests may need.
    pub policies: Policies,
    /// Which rule takes a request.
    pub table: Table,
    /// The backends by name.
    pub upstreams: Map<Arc<str>, Arc<Upstream>>,
    followers: Followers,
    /// The metrics of routes by their names.
    pub routes: Map<Arc<str>, Arc<RouteMetrics>>,
    /// The metrics of requests that no route takes.
    pub no_route: Arc<RouteMetrics>,
    /// The streams. One that no listener takes is still measured.
    pub streams: Vec<Arc<Stream>>,
    /// Where it takes connections.
    pub ports: BTreeMap<u16, Port>,
    /// Where it takes datagrams.
    pub datagrams: BTreeMap<u16, DatagramPort>,
}

impl Snapshot {
    /// Before there is a configuration.
    pub fn nothing(metrics: &Metrics) -> Self {
        Self {
            config: Arc::default(),
            policies: Policies::default(),
            table: Table::default(),
            upstreams: Map::default(),
            followers: Followers::default(),
            routes: Map::default(),
            no_route: metrics.no_route(),
            streams: Vec::new(),
            ports: BTreeMap::new(),
            datagrams: BTreeMap::new(),
        }
    }

    /// From a checked configuration, holding over from the one before.
    pub fn compile(config: GatewayConfig, before: Option<&Self>, metrics: &Metrics) -> Result<Self, Error> {
        let upstreams = upstreams::compile(&config, before)?;
        let streams: Vec<Arc<Stream>> = config
            .streams
            .iter()
            .map(|written| Arc::new(Stream::new(written, metrics.stream(&written.name))))
            .collect();
        let (mut ports, mut datagrams) = (BTreeMap::new(), BTreeMap::new());
        for listener in &config.listeners {
            let attached = || Streams::compile(listener, config.streams.iter().zip(&streams));
            let bare = || Bare { listener: listener.name.as_str().into(), streams: attached() };
            let socket = listener.socket_port();
            if listener.protocol == ListenerProtocol::Udp {
                datagrams.insert(listener.port, DatagramPort { socket, bare: bare() });
                continue;
            }
            let port = ports.entry(listener.port).or_insert_with(|| Port {
                socket,
                has_proxy_header: listener.proxy_protocol,
                takes: match listener.protocol {
                    ListenerProtocol::Tcp => Takes::Streams(bare()),
                    protocol if protocol.is_secure() => Takes::Secure(PortTls::default()),
                    _ => Takes::Requests,
                },
            });
            if let Takes::Secure(port) = &mut port.takes {
                let known = before.and_then(|before| before.ports.get(&listener.port)?.secure());
                port.add(&config, listener, attached, known)
                    .map_err(|source| Error::Listener { listener: listener.name.clone(), source })?;
            }
        }
        let policies = Policies::compile(&config, before.map(|before| &before.policies), metrics);
        let table = Table::compile(&config, &policies, before.map(|before| &before.table));
        let routes = config.routes.iter().map(|route| {
            let metrics = metrics.route(&route.name);
            (Arc::clone(&metrics.name), metrics)
        });
        Ok(Self {
            routes: routes.collect(),
            no_route: metrics.no_route(),
            config: Arc::new(config),
            policies,
            table,
            followers: upstreams::followers(&upstreams),
            upstreams,
            streams,
            ports,
            datagrams,
        })
    }

    /// Where sockets are.
    pub fn places(&self) -> BTreeSet<Place> {
        let connections =
            self.ports.iter().map(|(port, Port { socket, .. })| Place::new(Transport::Tcp, *port, *socket));
        let datagrams = self
            .datagrams
            .iter()
            .map(|(port, DatagramPort { socket, .. })| Place::new(Transport::Udp, *port, *socket));
        connections.chain(datagrams).collect()
    }
}

impl Port {
    /// Its listeners by server name, when it takes what is in TLS.
    pub fn secure(&self) -> Option<&PortTls> {
        match &self.takes {
            Takes::Secure(secure) => Some(secure),
            _ => None,
        }
    }
}
