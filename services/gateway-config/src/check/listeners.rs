//! Whether listeners fit each other, and lead somewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::{Dangling, missing};
use crate::{GatewayConfig, Listener, ListenerProtocol};

/// Listeners of a port, which a socket of either transport stands for.
type Place = (bool, u16);

/// What has been seen of listeners before.
#[derive(Default)]
struct Seen<'c> {
    names: BTreeSet<&'c str>,
    /// The first of each port.
    ports: BTreeMap<Place, &'c Listener>,
    /// By the ports of sockets.
    sockets: BTreeMap<Place, u16>,
    hosts: BTreeSet<(u16, String)>,
}

impl GatewayConfig {
    pub(super) fn check_listeners(&self, found: &mut Vec<Dangling>) {
        let mut seen = Seen::default();
        for (index, listener) in self.listeners.iter().enumerate() {
            let mut say = |field: &str, why: String| {
                found.push(Dangling { field: format!("listeners[{index}].{field}"), why });
            };
            seen.check(listener, &mut say);
            check_parts(listener, &mut say);
            self.check_names(listener, &mut say);
        }
    }

    fn check_names(&self, listener: &Listener, say: &mut impl FnMut(&str, String)) {
        let certificates: BTreeSet<_> = self.certificates.keys().map(String::as_str).collect();
        for (place, name) in listener.tls.iter().flat_map(|tls| &tls.certificates).enumerate() {
            if !certificates.contains(name.as_str()) {
                say(&format!("tls.certificates[{place}]"), missing("certificate", name, &certificates));
            }
        }
        let (what, known): (_, BTreeSet<&str>) = if listener.protocol.has_requests() {
            ("route", self.routes.iter().map(|route| route.name.as_str()).collect())
        } else {
            ("stream", self.streams.iter().map(|stream| stream.name.as_str()).collect())
        };
        for (place, name) in listener.routes.iter().flatten().enumerate() {
            if !known.contains(name.as_str()) {
                say(&format!("routes[{place}]"), missing(what, name, &known));
            }
        }
    }
}

impl<'c> Seen<'c> {
    fn check(&mut self, listener: &'c Listener, say: &mut impl FnMut(&str, String)) {
        let Listener { port, protocol, .. } = listener;
        if !self.names.insert(&listener.name) {
            say("name", format!("{:?} is there twice: names are unique", listener.name));
        }
        let transport = *protocol == ListenerProtocol::Udp;
        let first = *self.ports.entry((transport, *port)).or_insert(listener);
        if first.protocol != *protocol && !(first.protocol.is_secure() && protocol.is_secure()) {
            say("protocol", format!("another listener of port {port} speaks another one"));
        } else if first.name != listener.name && !has_hosts(*protocol) {
            say("port", format!("another listener of {protocol} has {port}: there can be one"));
        }
        if first.socket_port() != listener.socket_port() {
            say("targetPort", format!("another listener of port {port} has another one"));
        } else if let Some(other) = self.sockets.insert((transport, listener.socket_port()), *port)
            && other != *port
        {
            let field = if listener.target_port.is_some() { "targetPort" } else { "port" };
            say(field, format!("{} is the socket of port {other}", listener.socket_port()));
        }
        if first.proxy_protocol != listener.proxy_protocol {
            say("proxyProtocol", format!("another listener of port {port} says something else"));
        }
        let host = listener.hostname.as_ref().map(ToString::to_string).unwrap_or_default();
        if has_hosts(*protocol) && !self.hosts.insert((*port, host)) {
            say("hostname", format!("another listener of port {port} has the same"));
        }
    }
}

/// What a listener has that its protocol has not, and the other way round.
fn check_parts(listener: &Listener, say: &mut impl FnMut(&str, String)) {
    let protocol = listener.protocol;
    if listener.port == 0 {
        say("port", "0 is none: write one from 1".to_owned());
    }
    if listener.target_port == Some(0) {
        say("targetPort", "0 is none: write one from 1".to_owned());
    }
    match (&listener.tls, protocol) {
        (None, ListenerProtocol::Https) => say("tls", "HTTPS needs it: name a certificate".to_owned()),
        (Some(_), ListenerProtocol::Http) => {
            say("tls", "HTTP has none: remove it, or write protocol: HTTPS".to_owned());
        }
        (Some(_), ListenerProtocol::Tcp) => {
            say("tls", "TCP has none: remove it, or write protocol: TLS".to_owned());
        }
        (Some(_), ListenerProtocol::Udp) => say("tls", "UDP has none: remove it".to_owned()),
        (Some(tls), _) if tls.certificates.is_empty() => {
            say("tls.certificates", "name at least one".to_owned());
        }
        _ => {}
    }
    if listener.hostname.is_some() && !has_hosts(protocol) {
        say("hostname", format!("{protocol} has none: remove it"));
    }
    if listener.proxy_protocol && protocol == ListenerProtocol::Udp {
        say("proxyProtocol", "UDP has none: remove it".to_owned());
    }
}

/// Whether clients say which host they want.
fn has_hosts(protocol: ListenerProtocol) -> bool {
    protocol.has_requests() || protocol.is_secure()
}
