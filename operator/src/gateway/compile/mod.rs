//! From the objects of the Gateway API to what each gateway does: pure, and the only place where attachment, precedence,
//! grants and conflicts are decided.
//!
//! A route depends on itself and on what all routes share. While the shared part stays, only routes that have changed are
//! compiled again, and only gateways that have such a route are put together again.

pub mod attach;
pub mod backend;
pub mod certificate;
mod configuration;
pub mod duration;
pub mod filter;
pub mod grant;
mod hosts;
pub mod http;
pub mod listener;
pub mod needs;
pub mod policy;
pub mod ports;
mod rivals;
pub mod route;
pub mod selector;
pub mod session;
pub mod stream;
pub mod traffic;

use std::{collections::BTreeMap, sync::Arc};

use flotilla_crds::gateway_api::{Gateway, GatewayClass, ListenerSet};

use self::{
    attach::Gateways,
    configuration::{Configuration, Part},
    listener::Fault,
    policy::Policies,
    rivals::Rivals,
    route::Route,
    traffic::{Traffic, Verdicts},
};
use super::{
    CONTROLLER, GROUP,
    objects::{Key, Objects},
};

/// A kind of route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteKind {
    /// `HTTPRoute`.
    Http,
    /// `GRPCRoute`.
    Grpc,
    /// `TLSRoute`.
    Tls,
    /// `TCPRoute`.
    Tcp,
    /// `UDPRoute`.
    Udp,
}

impl RouteKind {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Http, Self::Grpc, Self::Tls, Self::Tcp, Self::Udp];

    /// The name of the kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "HTTPRoute",
            Self::Grpc => "GRPCRoute",
            Self::Tls => "TLSRoute",
            Self::Tcp => "TCPRoute",
            Self::Udp => "UDPRoute",
        }
    }
}

/// Kind, namespace and name of a route.
pub type RouteKey = (RouteKind, Key);

/// What follows from the objects.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Gateways of our classes.
    pub gateways: BTreeMap<Key, Arc<Served>>,
    /// Routes that name a gateway of ours.
    pub routes: Arc<BTreeMap<RouteKey, Arc<Route>>>,
    /// The policies for backends.
    pub policies: Arc<Policies>,
    /// The gateways whose routes lead to a Service that a policy is for.
    pub policed: BTreeMap<Key, Vec<Key>>,
    /// What becomes of each policy for requests.
    pub traffic: BTreeMap<Key, Verdicts>,
}

impl Outcome {
    /// How many routes there are of each kind.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, usize)> {
        RouteKind::ALL.into_iter().map(|kind| {
            let count = self.routes.keys().filter(|(found, _)| *found == kind).count();
            (kind.name(), count)
        })
    }
}

/// A gateway of ours.
#[derive(Clone, Debug)]
pub struct Served {
    /// The name of its class.
    pub class: String,
    /// Why it cannot be had at all.
    pub refused: Option<Fault>,
    /// Its listeners.
    pub listeners: Arc<Gateways>,
    /// How many routes each listener has, by its name in the configuration.
    pub attached: BTreeMap<String, usize>,
    /// Where it listens: the ports of its Service with those of its sockets.
    pub ports: Vec<ports::Port>,
    /// Its whole configuration, as JSON.
    pub configuration: Arc<[u8]>,
}

impl Served {
    /// The listeners of the gateway of this name.
    pub fn listeners<'s>(&'s self, key: &Key) -> impl Iterator<Item = &'s listener::Listener> + use<'s> {
        self.listeners.get(key).into_iter().flat_map(|listeners| &listeners.all)
    }
}

/// Compiles, and remembers what it has compiled.
#[derive(Debug, Default)]
pub struct Compiler {
    /// What was compiled last, and of which version of the objects.
    last: Option<(u64, Arc<Outcome>)>,
    shared: Option<Shared>,
    routes: Arc<BTreeMap<RouteKey, Arc<Route>>>,
    rivals: Rivals,
    traffic: Traffic,
    configurations: BTreeMap<Key, Configuration>,
}

/// What all routes share.
#[derive(Debug)]
struct Shared {
    version: u64,
    gateways: Arc<Gateways>,
    policies: Arc<Policies>,
}

impl Compiler {
    /// What follows from the objects as they are now.
    pub fn compile(&mut self, objects: &Objects) -> Arc<Outcome> {
        let version = objects.version();
        if let Some((_, same)) = self.last.as_ref().filter(|(known, _)| *known == version) {
            return Arc::clone(same);
        }
        // Not both at a time: with thousands of routes that is much.
        self.last = None;
        let outcome = Arc::new(self.compile_anew(objects));
        self.last = Some((version, Arc::clone(&outcome)));
        outcome
    }

    fn compile_anew(&mut self, objects: &Objects) -> Outcome {
        let version = objects.shared_version();
        let shared = match self.shared.take() {
            Some(shared) if shared.version == version => shared,
            _ => {
                self.routes = Arc::default();
                Shared {
                    version,
                    gateways: Arc::new(gateways(objects)),
                    policies: Arc::new(Policies::resolve(objects)),
                }
            }
        };
        let mut known = Arc::unwrap_or_clone(std::mem::take(&mut self.routes)).into_iter().peekable();
        let compiled = route::sources(objects).map(|source| match route::at(&mut known, source.place()) {
            Some((key, known)) if source.is(objects, &known) => (key, known),
            _ => (source.key(), Arc::new(source.compile(objects, &shared.gateways, &shared.policies))),
        });
        self.routes = Arc::new(compiled.collect());
        let mut routes = Arc::clone(&self.routes);
        // Mostly all are ours, and nobody loses anything: then there is one map of them.
        if routes.values().any(|route| route.parents.is_empty()) {
            Arc::make_mut(&mut routes).retain(|_, route| !route.parents.is_empty());
        }
        self.rivals.settle(&mut routes, &shared.gateways);

        let mut traffic = self.traffic.compile(objects, &shared.gateways, &routes);
        let mut attached: BTreeMap<&Key, Vec<Part>> = BTreeMap::new();
        for (key, route) in &*routes {
            for (gateway, _) in &route.attached {
                let is_policed = !traffic.policed.is_empty();
                let policed =
                    is_policed.then(|| traffic.policed.remove(&(key.clone(), gateway.clone()))).flatten();
                let part = Part { route: Arc::clone(route), policed };
                attached.entry(gateway).or_default().push(part);
            }
        }
        self.configurations.retain(|key, _| shared.gateways.contains_key(key));
        let mut served = BTreeMap::new();
        for (key, listeners) in shared.gateways.iter() {
            let Some(gateway) = objects.gateways.get(&key.0, &key.1) else { continue };
            let mut parts = attached.remove(key).unwrap_or_default();
            parts.sort_by(|one, other| one.route.precedence().cmp(&other.route.precedence()));
            let known = self.configurations.remove(key);
            let configuration = Configuration::new(key, listeners, parts, known);
            let outcome = Served {
                class: gateway.spec.gateway_class_name.clone(),
                refused: refuse(gateway),
                listeners: Arc::clone(&shared.gateways),
                attached: configuration.attached.clone(),
                ports: configuration.ports.clone(),
                configuration: Arc::clone(&configuration.json),
            };
            self.configurations.insert(key.clone(), configuration);
            served.insert(key.clone(), Arc::new(outcome));
        }
        let policed = policed(&shared.policies, &routes);
        let policies = Arc::clone(&shared.policies);
        self.shared = Some(shared);
        Outcome { gateways: served, routes, policies, policed, traffic: traffic.verdicts }
    }
}

/// Whether a class is ours.
pub fn is_ours(class: &GatewayClass) -> bool {
    class.spec.controller_name == CONTROLLER
}

/// The gateways of our classes with their listeners.
fn gateways(objects: &Objects) -> Gateways {
    let mut sets: BTreeMap<Key, Vec<Arc<ListenerSet>>> = BTreeMap::new();
    for (key, set) in objects.listener_sets.iter() {
        let parent = &set.spec.parent_ref;
        let is_gateway = parent.group.as_deref().unwrap_or(GROUP) == GROUP
            && parent.kind.as_deref().unwrap_or("Gateway") == "Gateway";
        if is_gateway {
            let namespace = parent.namespace.clone().unwrap_or_else(|| key.0.clone());
            sets.entry((namespace, parent.name.clone())).or_default().push(Arc::clone(set));
        }
    }
    let mut gateways = BTreeMap::new();
    for (key, gateway) in objects.gateways.iter() {
        let class = objects.classes.get("", &gateway.spec.gateway_class_name);
        if class.is_some_and(|class| is_ours(class)) && gateway.metadata.deletion_timestamp.is_none() {
            let sets = sets.get(key).map(Vec::as_slice).unwrap_or_default();
            gateways.insert(key.clone(), listener::resolve(objects, gateway, sets));
        }
    }
    gateways
}

/// Why a gateway cannot be had at all.
fn refuse(gateway: &Gateway) -> Option<Fault> {
    let infrastructure = gateway.spec.infrastructure.as_ref();
    if let Some(parameters) = infrastructure.and_then(|found| found.parameters_ref.as_ref()) {
        let message = format!(
            "spec.infrastructure.parametersRef: {} {:?} is no kind of parameters that is known here: leave it out",
            parameters.kind, parameters.name
        );
        return Some(Fault::new("InvalidParameters", message));
    }
    let other = gateway
        .spec
        .addresses
        .iter()
        .flatten()
        .find(|address| address.r#type.as_deref().is_some_and(|kind| kind != "IPAddress"))?;
    let kind = other.r#type.as_deref().unwrap_or_default();
    let message = format!("spec.addresses: an address of type {kind:?} cannot be had: write IPAddress");
    Some(Fault::new("UnsupportedAddress", message))
}

/// For each policy the gateways whose routes lead to what it is for.
fn policed(policies: &Policies, routes: &BTreeMap<RouteKey, Arc<Route>>) -> BTreeMap<Key, Vec<Key>> {
    if policies.verdicts.is_empty() {
        return BTreeMap::new();
    }
    let mut callers: BTreeMap<&Key, std::collections::BTreeSet<&Key>> = BTreeMap::new();
    for route in routes.values() {
        for service in &route.services {
            callers.entry(service).or_default().extend(route.attached.iter().map(|(gateway, _)| gateway));
        }
    }
    let of = |services: &Vec<Key>| {
        let gateways: std::collections::BTreeSet<_> =
            services.iter().filter_map(|service| callers.get(service)).flatten().copied().cloned().collect();
        gateways.into_iter().collect()
    };
    policies.verdicts.iter().map(|(key, (_, services))| (key.clone(), of(services))).collect()
}

#[cfg(test)]
mod properties;
#[cfg(test)]
pub(crate) mod tests;
