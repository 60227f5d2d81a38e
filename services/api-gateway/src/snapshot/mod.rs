//! What the workers go by: everything that follows from one configuration, made once and swapped as a whole. What a new
//! configuration leaves as it was is held over, with its connections and sessions.

mod tls;
mod upstreams;

pub use self::tls::PortTls;

use std::{collections::BTreeMap, sync::Arc};

use flotilla_gateway_config::{GatewayConfig, ListenerProtocol};

use crate::{
    map::Map,
    metrics::{Metrics, RouteMetrics},
    route::Table,
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
    /// A Service without a cluster.
    #[error("backends.{0}.service: there is no cluster to look it up in; write endpoints")]
    Service(String),
}

/// What is done at a port.
#[derive(Debug)]
pub struct Port {
    /// TLS, when there is.
    pub tls: Option<PortTls>,
}

/// What the workers go by.
#[derive(Debug)]
pub struct Snapshot {
    /// What it was made from.
    pub config: Arc<GatewayConfig>,
    /// Which rule takes a request.
    pub table: Table,
    /// The backends by name.
    pub upstreams: Map<Arc<str>, Arc<Upstream>>,
    /// The metrics of routes by their names.
    pub routes: Map<Arc<str>, Arc<RouteMetrics>>,
    /// The metrics of requests that no route takes.
    pub no_route: Arc<RouteMetrics>,
    /// Where it listens.
    pub ports: BTreeMap<u16, Port>,
}

impl Snapshot {
    /// Before there is a configuration.
    pub fn nothing(metrics: &Metrics) -> Self {
        Self {
            config: Arc::default(),
            table: Table::default(),
            upstreams: Map::default(),
            routes: Map::default(),
            no_route: metrics.no_route(),
            ports: BTreeMap::new(),
        }
    }

    /// From a checked configuration, holding over from the one before.
    pub fn compile(config: GatewayConfig, before: Option<&Self>, metrics: &Metrics) -> Result<Self, Error> {
        let upstreams = upstreams::compile(&config, before)?;
        let mut ports = BTreeMap::new();
        for listener in &config.listeners {
            let port = ports.entry(listener.port).or_insert_with(|| Port {
                tls: (listener.protocol == ListenerProtocol::Https).then(PortTls::default),
            });
            if let (Some(port), Some(tls)) = (&mut port.tls, &listener.tls) {
                let known = before.and_then(|before| before.ports.get(&listener.port)?.tls.as_ref());
                port.add(&config, listener, tls, known)
                    .map_err(|source| Error::Listener { listener: listener.name.clone(), source })?;
            }
        }
        let table = Table::compile(&config);
        let routes = config.routes.iter().map(|route| {
            let metrics = metrics.route(&route.name);
            (Arc::clone(&metrics.name), metrics)
        });
        Ok(Self {
            routes: routes.collect(),
            no_route: metrics.no_route(),
            config: Arc::new(config),
            table,
            upstreams,
            ports,
        })
    }
}
