//! Names in a configuration that lead nowhere.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Filter, GatewayConfig, HeaderModifier, HeaderName, HeaderValue, ListenerProtocol};

/// Headers that say where a message ends or speak of one connection: whoever changes them makes a message that two programs
/// read in two ways.
const FRAMING: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A part of a configuration that does not fit the others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {why}")]
pub struct Dangling {
    /// The field, such as `routes[0].rules[1].backends[0].backend`.
    pub field: String,
    /// What is wrong, and what to write.
    pub why: String,
}

impl GatewayConfig {
    /// Everything in it that does not fit the rest.
    pub fn check(&self) -> Vec<Dangling> {
        let mut found = Vec::new();
        self.check_listeners(&mut found);
        self.check_routes(&mut found);
        self.check_backends(&mut found);
        found
    }

    fn check_listeners(&self, found: &mut Vec<Dangling>) {
        let routes: BTreeSet<_> = self.routes.iter().map(|route| route.name.as_str()).collect();
        let certificates: BTreeSet<_> = self.certificates.keys().map(String::as_str).collect();
        let mut names = BTreeSet::new();
        let mut protocols = BTreeMap::new();
        let mut hosts = BTreeSet::new();
        for (index, listener) in self.listeners.iter().enumerate() {
            let mut say = |field: &str, why: String| {
                found.push(Dangling { field: format!("listeners[{index}].{field}"), why });
            };
            if !names.insert(&listener.name) {
                say("name", format!("{:?} is there twice: names are unique", listener.name));
            }
            if *protocols.entry(listener.port).or_insert(listener.protocol) != listener.protocol {
                say("protocol", format!("another listener of port {} speaks another one", listener.port));
            }
            if !hosts.insert((listener.port, &listener.hostname)) {
                say("hostname", format!("another listener of port {} has the same", listener.port));
            }
            match (&listener.tls, listener.protocol) {
                (None, ListenerProtocol::Https) => {
                    say("tls", "HTTPS needs it: name a certificate".to_owned())
                }
                (Some(_), ListenerProtocol::Http) => {
                    say("tls", "HTTP has none: remove it, or write protocol: HTTPS".to_owned());
                }
                (Some(tls), ListenerProtocol::Https) if tls.certificates.is_empty() => {
                    say("tls.certificates", "name at least one".to_owned());
                }
                _ => {}
            }
            for (place, name) in listener.tls.iter().flat_map(|tls| &tls.certificates).enumerate() {
                if !certificates.contains(name.as_str()) {
                    say(&format!("tls.certificates[{place}]"), missing("certificate", name, &certificates));
                }
            }
            for (place, name) in listener.routes.iter().flatten().enumerate() {
                if !routes.contains(name.as_str()) {
                    say(&format!("routes[{place}]"), missing("route", name, &routes));
                }
            }
        }
    }

    fn check_routes(&self, found: &mut Vec<Dangling>) {
        let backends: BTreeSet<_> = self.backends.keys().map(String::as_str).collect();
        let mut names = BTreeSet::new();
        for (index, route) in self.routes.iter().enumerate() {
            let place = format!("routes[{index}]");
            if !names.insert(&route.name) {
                let why = format!("{:?} is there twice: names are unique", route.name);
                found.push(Dangling { field: format!("{place}.name"), why });
            }
            for (index, rule) in route.rules.iter().enumerate() {
                let place = format!("{place}.rules[{index}]");
                framing(&rule.filters, &place, found);
                for (index, backend) in rule.backends.iter().enumerate() {
                    framing(&backend.filters, &format!("{place}.backends[{index}]"), found);
                }
                let mut say = |field: String, name: &str| {
                    if !backends.contains(name) {
                        found.push(Dangling { field, why: missing("backend", name, &backends) });
                    }
                };
                for (index, backend) in rule.backends.iter().enumerate() {
                    let place = format!("{place}.backends[{index}]");
                    if let Some(name) = &backend.backend {
                        say(format!("{place}.backend"), name);
                    }
                    mirrors(&backend.filters, &place, &mut say);
                }
                mirrors(&rule.filters, &place, &mut say);
            }
        }
    }

    fn check_backends(&self, found: &mut Vec<Dangling>) {
        let certificates: BTreeSet<_> = self.certificates.keys().map(String::as_str).collect();
        for (name, backend) in &self.backends {
            let mut say = |field: &str, why: String| {
                found.push(Dangling { field: format!("backends.{name}{field}"), why });
            };
            if backend.endpoints.is_empty() == backend.service.is_none() {
                say("", "write either endpoints or service".to_owned());
            }
            if let Some(check) = &backend.health_check {
                check.check(backend.protocol, &mut say);
            }
            if let Some(limits) = &backend.limits {
                limits.check(&mut say);
            }
            if backend.panic_percent.is_some_and(|percent| percent > 100) {
                say(".panicPercent", "it is at most 100".to_owned());
            }
            let shown = backend.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
            if let Some(shown) = shown.filter(|shown| !certificates.contains(shown.as_str())) {
                say(".tls.certificate", missing("certificate", shown, &certificates));
            }
        }
    }
}

fn mirrors(filters: &[Filter], place: &str, say: &mut impl FnMut(String, &str)) {
    for (index, filter) in filters.iter().enumerate() {
        if let Filter::RequestMirror(mirror) = filter {
            say(format!("{place}.filters[{index}].requestMirror.backend"), &mirror.backend);
        }
    }
}

fn framing(filters: &[Filter], place: &str, found: &mut Vec<Dangling>) {
    for (index, filter) in filters.iter().enumerate() {
        let (kind, HeaderModifier { set, add, remove }) = match filter {
            Filter::RequestHeaderModifier(changes) => ("requestHeaderModifier", changes),
            Filter::ResponseHeaderModifier(changes) => ("responseHeaderModifier", changes),
            _ => continue,
        };
        let removed = remove.iter().enumerate().map(|(at, name)| (format!("remove[{at}]"), name));
        for (field, name) in names("set", set).chain(names("add", add)).chain(removed) {
            if FRAMING.contains(&name.0.as_str()) {
                let field = format!("{place}.filters[{index}].{kind}.{field}");
                let why = format!(
                    "{:?} is the gateway's own, as it frames messages: leave it out",
                    name.0.as_str()
                );
                found.push(Dangling { field, why });
            }
        }
    }
}

fn names<'h>(
    part: &'static str,
    headers: &'h [HeaderValue],
) -> impl Iterator<Item = (String, &'h HeaderName)> {
    headers.iter().enumerate().map(move |(at, header)| (format!("{part}[{at}].name"), &header.name))
}

fn missing(what: &str, name: &str, known: &BTreeSet<&str>) -> String {
    let known = if known.is_empty() {
        "there is none".to_owned()
    } else {
        format!("there are {}", known.iter().copied().collect::<Vec<_>>().join(", "))
    };
    format!("there is no {what} {name:?}: {known}")
}
