//! Which rule takes a request: an immutable table, made from a configuration and swapped as a whole. Pure.

mod backends;
mod hosts;
mod named;
mod paths;
#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use flotilla_gateway_config::{
    self as config, GatewayConfig, HostPattern, Listener, Match, Retry, intersection,
};
use http::request::Parts;

pub use self::backends::{Backends, Share};
use self::paths::Paths;
pub(crate) use self::{hosts::Hosts, named::Named};
use crate::{
    filter::Filters,
    map::Map,
    policy::{Policies, Policy},
};

/// Every port's listeners with their routes.
#[derive(Clone, Debug, Default)]
pub struct Table {
    ports: Map<u16, Hosts<Attached>>,
    /// The rules of each route, as listeners without a policy have them.
    rules: Vec<(Arc<config::Route>, Vec<Arc<Rule>>)>,
}

/// A listener and the routes for its hosts.
#[derive(Clone, Debug, Default)]
struct Attached {
    name: Arc<str>,
    routes: Hosts<Paths>,
}

/// What is done with a request.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The name of its route.
    pub route: Arc<str>,
    /// Its own name.
    pub name: Option<Arc<str>>,
    /// What happens to every request.
    pub filters: Filters,
    /// To whom requests go.
    pub backends: Backends,
    /// The longest that a request may take with all attempts, when the configuration says it; zero is without a limit.
    timeout: Option<Duration>,
    /// The longest that one attempt may take; `None` without a limit.
    pub backend_timeout: Option<Duration>,
    /// Whether and when there is another attempt.
    pub retry: Option<Retry>,
    /// What requests need before anything else happens to them; `None` when nothing.
    pub policy: Option<Arc<Policy>>,
}

/// The longest that a request may take when nothing is said, as long as servers and clients commonly wait.
const TIMEOUT: Duration = Duration::from_secs(60);

impl Rule {
    /// The longest that a request may take with all attempts, until the head of its answer; `None` without a limit. Calls
    /// of gRPC have one only when it is written, as streams may say nothing for long.
    pub fn limit(&self, is_grpc: bool) -> Option<Duration> {
        match self.timeout {
            None => (!is_grpc).then_some(TIMEOUT),
            Some(Duration::ZERO) => None,
            written => written,
        }
    }
}

/// The rule that takes a request.
#[derive(Clone, Copy, Debug)]
pub struct Matched<'t> {
    /// The rule.
    pub rule: &'t Arc<Rule>,
    /// How many bytes of the path its prefix has matched; 0 when another kind of path has.
    pub prefix: usize,
}

/// What a table says of a request. The first two are answered with 404.
#[derive(Clone, Copy, Debug)]
pub enum Found<'t> {
    /// No listener of the port is for the host.
    NoListener,
    /// None of the listener's rules takes it.
    NoRoute {
        /// The listener.
        listener: &'t Arc<str>,
    },
    /// A rule takes it.
    Rule {
        /// The listener.
        listener: &'t Arc<str>,
        /// The rule.
        matched: Matched<'t>,
    },
}

impl Table {
    /// The table of a checked configuration. The rules of routes that are the same ones as `before` are held over.
    pub fn compile(config: &GatewayConfig, policies: &Policies, before: Option<&Self>) -> Self {
        let nothing = config::Policy::default();
        let before = before.into_iter().flat_map(|before| &before.rules);
        let known: Map<_, _> = before.map(|(route, rules)| (Arc::as_ptr(route), rules)).collect();
        // What a policy has counted and fetched may be another's now.
        let is_free = |route: &config::Route| route.rules.iter().all(|rule| rule.policy.is_empty());
        let plain = config.routes.iter().map(|route| {
            let known = known.get(&Arc::as_ptr(route)).filter(|_| is_free(route));
            let rules = known.map_or_else(|| rules(route, &nothing, policies), |known| Vec::clone(known));
            (Arc::clone(route), rules)
        });
        let plain: Vec<_> = plain.collect();
        let mut table = Self::default();
        // A listener of TLS takes no requests, and its hosts are no other's either.
        let has_hosts =
            |listener: &&Listener| listener.protocol.has_requests() || listener.protocol.is_secure();
        for listener in config.listeners.iter().filter(has_hosts) {
            let hosts = table.ports.entry(listener.port).or_default();
            let attached = hosts.entry(listener.hostname.as_ref());
            attached.name = listener.name.as_str().into();
            let (mut order, named) = (0, Named::by(listener));
            let routes = plain.iter().filter(|_| listener.protocol.has_requests());
            for (route, plain) in routes.filter(|(route, _)| named.has(&route.name)) {
                // Listeners without a policy share their rules.
                let own = (!listener.policy.is_empty()).then(|| rules(route, &listener.policy, policies));
                let rules = own.as_ref().unwrap_or(plain);
                attached.add(listener.hostname.as_ref(), route, rules, &mut order);
            }
            attached.routes.values_mut().for_each(Paths::sort);
        }
        table.rules = plain;
        table
    }

    /// What is done with a request that came in at a port. Of the port's listeners that with the most specific host is
    /// asked, and no other (listener isolation of the Gateway API); of its routes those with the most specific host come
    /// first.
    ///
    /// `host` is in lower case and without a port; `path` is normalised.
    pub fn find(&self, port: u16, host: &str, path: &str, parts: &Parts) -> Found<'_> {
        let Some(attached) = self.ports.get(&port).and_then(|hosts| hosts.find(host).next()) else {
            return Found::NoListener;
        };
        let listener = &attached.name;
        match attached.routes.find(host).find_map(|paths| paths.find(path, parts)) {
            Some(matched) => Found::Rule { listener, matched },
            None => Found::NoRoute { listener },
        }
    }

    /// The name of the listener that a host at a port belongs to.
    pub fn listener(&self, port: u16, host: &str) -> Option<&Arc<str>> {
        Some(&self.ports.get(&port)?.find(host).next()?.name)
    }
}

impl Attached {
    fn add(
        &mut self,
        listener: Option<&HostPattern>,
        route: &config::Route,
        rules: &[Arc<Rule>],
        order: &mut usize,
    ) {
        let everything = [Match::default()];
        let mut hosts: Vec<_> = route.hostnames.iter().map(Some).collect();
        if hosts.is_empty() {
            hosts.push(None);
        }
        for (written, rule) in route.rules.iter().zip(rules) {
            let matches = if written.matches.is_empty() { &everything[..] } else { &written.matches };
            for wanted in matches {
                *order += 1;
                for host in hosts.iter().filter_map(|host| intersection(listener, *host).ok()) {
                    self.routes.entry(host.as_ref()).add(wanted, *order, rule);
                }
            }
        }
    }
}

/// The rules of a route, for a listener with a policy.
fn rules(route: &config::Route, listener: &config::Policy, policies: &Policies) -> Vec<Arc<Rule>> {
    let name: Arc<str> = route.name.as_str().into();
    let limit = |milliseconds: Option<u64>| milliseconds.filter(|time| *time > 0).map(Duration::from_millis);
    let rule = |rule: &config::Rule| {
        Arc::new(Rule {
            route: Arc::clone(&name),
            name: rule.name.as_deref().map(Into::into),
            filters: Filters::compile(&rule.filters),
            backends: Backends::compile(&rule.backends),
            timeout: rule.timeouts.request_ms.map(Duration::from_millis),
            backend_timeout: limit(rule.timeouts.backend_request_ms),
            retry: rule.retry.clone(),
            policy: policies.of(listener, &rule.policy),
        })
    };
    route.rules.iter().map(rule).collect()
}
