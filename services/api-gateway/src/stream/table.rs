//! Which stream takes a connection: an immutable table for each listener. Pure.

use std::sync::Arc;

use flotilla_gateway_config::{self as config, BackendRef, Listener, ListenerProtocol, intersection};

use crate::{
    metrics::StreamMetrics,
    route::{Backends, Hosts, Named},
};

/// What is done with connections, or with datagrams.
#[derive(Debug)]
pub struct Stream {
    /// Its name.
    pub name: Arc<str>,
    /// To whom they go.
    pub backends: Backends,
    /// What is measured of it.
    pub metrics: Arc<StreamMetrics>,
}

impl Stream {
    /// From what the configuration says.
    pub fn new(written: &config::Stream, metrics: Arc<StreamMetrics>) -> Self {
        let backend = |share: &config::StreamBackend| BackendRef {
            backend: share.backend.clone(),
            weight: share.weight,
            filters: Vec::new(),
        };
        let backends: Vec<_> = written.backends.iter().map(backend).collect();
        Self { name: Arc::clone(&metrics.name), backends: Backends::compile(&backends), metrics }
    }
}

/// The streams of a listener by their server names.
#[derive(Clone, Debug, Default)]
pub struct Streams(Hosts<Option<Arc<Stream>>>);

impl Streams {
    /// Those of a listener, of all in a checked configuration in their order.
    pub fn compile<'c>(
        listener: &Listener,
        all: impl Iterator<Item = (&'c config::Stream, &'c Arc<Stream>)>,
    ) -> Self {
        let mut hosts: Hosts<Option<Arc<Stream>>> = Hosts::default();
        let own = Named::by(listener);
        for (written, stream) in all {
            let has_names = !written.hostnames.is_empty();
            if !own.has(&written.name) || (has_names && listener.protocol != ListenerProtocol::Tls) {
                continue;
            }
            let names = written.hostnames.iter().map(Some).chain((!has_names).then_some(None));
            for name in names {
                if intersection(listener.hostname.as_ref(), name).is_ok() {
                    hosts.entry(name).get_or_insert_with(|| Arc::clone(stream));
                }
            }
        }
        Self(hosts)
    }

    /// The stream for a server name of the listener, in lower case; for none, that of every name.
    pub fn find(&self, name: Option<&str>) -> Option<&Arc<Stream>> {
        self.0.find(name.unwrap_or_default()).find_map(Option::as_ref)
    }
}

#[cfg(test)]
mod tests {
    use flotilla_gateway_config::load;

    use super::*;
    use crate::metrics::Metrics;

    fn found(listener: &str, names: &[Option<&str>]) -> Vec<String> {
        let config = load(&format!(
            "
listeners: [{{name: l, port: 1, {listener}}}]
streams:
- {{name: below, hostnames: ['*.example.com']}}
- {{name: exact, hostnames: [a.example.com, b.test]}}
- {{name: deeper, hostnames: ['*.b.example.com']}}
- {{name: twice, hostnames: ['*.example.com']}}
- {{name: any}}
- {{name: second}}
"
        ))
        .unwrap();
        let metrics = Metrics::default();
        let streams: Vec<_> = config
            .streams
            .iter()
            .map(|written| Arc::new(Stream::new(written, metrics.stream(&written.name))))
            .collect();
        let table = Streams::compile(&config.listeners[0], config.streams.iter().zip(&streams));
        names.iter().map(|name| table.find(*name).map_or("none", |stream| &stream.name).to_owned()).collect()
    }

    const NAMES: [Option<&str>; 5] =
        [Some("a.example.com"), Some("c.example.com"), Some("x.b.example.com"), Some("b.test"), None];

    #[test]
    fn the_most_specific_name_wins_and_then_the_first() {
        assert_eq!(found("protocol: TLS", &NAMES), ["exact", "below", "deeper", "exact", "any"]);
    }

    #[test]
    fn a_listener_has_its_own_hosts_and_streams_alone() {
        let names = [Some("x.b.example.com")];
        for (listener, expected) in [
            ("hostname: '*.b.example.com'", "deeper"),
            ("hostname: '*.b.example.com', routes: [any, below]", "below"),
            ("hostname: '*.b.example.com', routes: [any, exact]", "any"),
            ("hostname: '*.b.example.com', routes: [exact]", "none"),
            ("hostname: x.b.example.com, routes: [second, twice]", "twice"),
        ] {
            assert_eq!(found(&format!("protocol: TLS, {listener}"), &names), [expected], "{listener}");
        }
        let listener = "protocol: TLS, routes: [exact]";
        assert_eq!(found(listener, &NAMES), ["exact", "none", "none", "exact", "none"]);
    }

    #[test]
    fn without_tls_there_are_no_names() {
        for protocol in ["protocol: TCP", "protocol: UDP"] {
            assert_eq!(found(protocol, &[None]), ["any"]);
        }
        assert_eq!(found("protocol: TCP, routes: [second]", &[None]), ["second"]);
    }
}
