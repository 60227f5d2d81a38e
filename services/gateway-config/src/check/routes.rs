//! What routes lead to, and which headers they may change.

use std::collections::BTreeSet;

use super::{Dangling, missing};
use crate::{Backend, Filter, GatewayConfig, HeaderModifier, HeaderName, HeaderValue};

impl GatewayConfig {
    pub(super) fn check_routes(&self, found: &mut Vec<Dangling>) {
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
                let mut say = |field: String, name: &str| match self.backends.get(name) {
                    None => found.push(Dangling { field, why: missing("backend", name, &backends) }),
                    Some(Backend { proxy_protocol: Some(_), .. }) => {
                        let why = format!(
                            "backend {name:?} has proxyProtocol, which requests have not, as they share connections: make another backend without it"
                        );
                        found.push(Dangling { field, why });
                    }
                    Some(_) => {}
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
            if name.frames_messages() {
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
