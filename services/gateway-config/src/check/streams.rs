//! What streams lead to, and which of them a listener can do.

use std::collections::BTreeSet;

use super::{Dangling, missing};
use crate::{Backend, GatewayConfig, ListenerProtocol, Stream};

impl GatewayConfig {
    pub(super) fn check_streams(&self, found: &mut Vec<Dangling>) {
        let backends: BTreeSet<_> = self.backends.keys().map(String::as_str).collect();
        let mut names = BTreeSet::new();
        for (index, stream) in self.streams.iter().enumerate() {
            let mut say = |field: &str, why: String| {
                found.push(Dangling { field: format!("streams[{index}].{field}"), why });
            };
            if !names.insert(&stream.name) {
                say("name", format!("{:?} is there twice: names are unique", stream.name));
            }
            for (place, backend) in stream.backends.iter().enumerate() {
                if let Some(name) = backend.backend.as_ref().filter(|name| !backends.contains(name.as_str()))
                {
                    say(&format!("backends[{place}].backend"), missing("backend", name, &backends));
                }
            }
        }
        for (index, listener) in self.listeners.iter().enumerate() {
            for (field, stream) in self.streams_of(index) {
                if listener.protocol != ListenerProtocol::Tls && !stream.hostnames.is_empty() {
                    let why = format!(
                        "stream {:?} has hostnames, which {} has not: remove them, or write protocol: TLS",
                        stream.name, listener.protocol
                    );
                    found.push(Dangling { field: field.clone(), why });
                }
                if listener.protocol == ListenerProtocol::Udp {
                    self.check_datagrams(&field, stream, found);
                }
            }
        }
    }

    /// The streams that a listener takes, with the field that says so.
    fn streams_of(&self, listener: usize) -> Vec<(String, &Stream)> {
        let Some(written) = self.listeners.get(listener).filter(|written| !written.protocol.has_requests())
        else {
            return Vec::new();
        };
        let streams = self.streams.iter();
        match &written.routes {
            // Those with hostnames are for other listeners.
            None => streams
                .filter(|stream| stream.hostnames.is_empty())
                .map(|stream| (format!("listeners[{listener}]"), stream))
                .collect(),
            Some(names) => {
                let place = |stream: &Stream| names.iter().position(|name| *name == stream.name);
                streams
                    .filter_map(|stream| {
                        Some((format!("listeners[{listener}].routes[{}]", place(stream)?), stream))
                    })
                    .collect()
            }
        }
    }

    fn check_datagrams(&self, field: &str, stream: &Stream, found: &mut Vec<Dangling>) {
        let named = stream.backends.iter().filter_map(|backend| backend.backend.as_ref());
        for (name, backend) in named.filter_map(|name| Some((name, self.backends.get(name)?))) {
            let Backend { tls, proxy_protocol, .. } = backend;
            let has = match (tls, proxy_protocol) {
                (Some(_), _) => "tls",
                (None, Some(_)) => "proxyProtocol",
                (None, None) => continue,
            };
            let why = format!(
                "backend {name:?} of stream {:?} has {has}, which UDP has not: remove it",
                stream.name
            );
            found.push(Dangling { field: field.to_owned(), why });
        }
    }
}
