//! One route: where it attaches, what its status says, and what the configuration gets of it.

use std::{
    borrow::Borrow,
    collections::{BTreeMap, BTreeSet},
    iter::Peekable,
    sync::Arc,
};

use flotilla_crds::gateway_api::{GrpcRoute, HttpRoute, ParentReference, TcpRoute, TlsRoute, UdpRoute};
use flotilla_gateway_config::{Backend, HostPattern};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde_json::value::RawValue;

use super::{
    RouteKey, RouteKind,
    attach::{self, Gateways, attach},
    backend::Backends,
    filter::Unfit,
    http,
    listener::Fault,
    policy::Policies,
    session::Origin,
    stream, traffic,
};
use crate::gateway::{
    condition::Verdict,
    objects::{Key, Objects},
};

/// The listeners that a route attaches to, by gateway. There are thousands of routes with one or two of each, and a node of a
/// tree has room for eleven.
pub type Attached = Vec<(Key, Vec<String>)>;

/// A compiled route.
#[derive(Clone, Debug, Default)]
pub struct Route {
    uid: Option<String>,
    generation: Option<i64>,
    created: Option<Time>,
    /// How it is called in the configuration, unless it has several streams.
    pub name: String,
    /// Its hosts; none is any.
    pub hostnames: Vec<HostPattern>,
    /// Its parents that are ours.
    pub parents: Vec<Parent>,
    /// The listeners that it attaches to, by gateway.
    pub attached: Attached,
    /// What the configuration has of it.
    pub compiled: Compiled,
    /// Its backends by the names that the configuration has for them.
    pub backends: Vec<(String, Arc<Backend>)>,
    /// The Services that they are.
    pub services: Vec<Key>,
    /// The policies that it names, each with whether it was there.
    pub needed: BTreeMap<String, bool>,
}

/// A parent of a route.
#[derive(Clone, Debug, PartialEq)]
pub struct Parent {
    /// As the route has it.
    pub reference: ParentReference,
    /// What the status says.
    pub said: Vec<Verdict>,
    /// The gateway; `None` when the route does not attach to it.
    pub gateway: Option<Key>,
    /// Its listeners that the route attaches to.
    pub listeners: Vec<String>,
}

/// What the configuration has of a route.
#[derive(Clone, Debug, Default)]
pub enum Compiled {
    /// Nothing.
    #[default]
    Nothing,
    /// A route.
    Route(Box<RawValue>),
    /// Streams with their names.
    Streams(Vec<(String, Box<RawValue>)>),
}

impl Route {
    /// The listeners of a gateway that it attaches to.
    pub fn listeners_of(&self, gateway: &Key) -> Option<&[String]> {
        self.attached.iter().find(|(key, _)| key == gateway).map(|(_, listeners)| listeners.as_slice())
    }

    /// The backend of this name.
    pub fn backend(&self, name: &str) -> Option<&Arc<Backend>> {
        self.backends.iter().find(|(known, _)| known == name).map(|(_, backend)| backend)
    }

    /// Of two routes that match alike the older counts, and of two of one age the first by namespace and name.
    pub fn precedence(&self) -> (Option<&Time>, &str) {
        (self.created.as_ref(), self.name.split_once('/').map_or(&*self.name, |(_, rest)| rest))
    }
}

/// A route as it is written.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// Of HTTP.
    Http(&'a Arc<HttpRoute>),
    /// Of gRPC.
    Grpc(&'a Arc<GrpcRoute>),
    /// Of TLS.
    Tls(&'a Arc<TlsRoute>),
    /// Of TCP.
    Tcp(&'a Arc<TcpRoute>),
    /// Of UDP.
    Udp(&'a Arc<UdpRoute>),
}

/// Kind, namespace and name of a route, as they are ordered in a map.
pub type Place<'a> = (RouteKind, &'a str, &'a str);

/// What a sequence has for a place: what comes before it is passed by. With thousands of routes a look for each in a map, by a
/// key of its own, would cost more than all else that is done when one has changed.
pub fn at<K: Borrow<RouteKey>, T>(
    sorted: &mut Peekable<impl Iterator<Item = (K, T)>>,
    place: Place<'_>,
) -> Option<(K, T)> {
    let of = |key: &K| {
        let (kind, (namespace, name)): &RouteKey = key.borrow();
        (*kind, namespace.as_str(), name.as_str()).cmp(&place)
    };
    while sorted.next_if(|(key, _)| of(key).is_lt()).is_some() {}
    sorted.next_if(|(key, _)| of(key).is_eq())
}

/// Every route, in the order of their keys.
pub fn sources(objects: &Objects) -> impl Iterator<Item = Source<'_>> {
    let http = objects.http_routes.iter().map(|(_, route)| Source::Http(route));
    let grpc = objects.grpc_routes.iter().map(|(_, route)| Source::Grpc(route));
    let tls = objects.tls_routes.iter().map(|(_, route)| Source::Tls(route));
    let tcp = objects.tcp_routes.iter().map(|(_, route)| Source::Tcp(route));
    let udp = objects.udp_routes.iter().map(|(_, route)| Source::Udp(route));
    http.chain(grpc).chain(tls).chain(tcp).chain(udp)
}

impl<'a> Source<'a> {
    /// Its kind.
    pub fn kind(self) -> RouteKind {
        match self {
            Self::Http(_) => RouteKind::Http,
            Self::Grpc(_) => RouteKind::Grpc,
            Self::Tls(_) => RouteKind::Tls,
            Self::Tcp(_) => RouteKind::Tcp,
            Self::Udp(_) => RouteKind::Udp,
        }
    }

    /// Its metadata.
    pub fn meta(self) -> &'a ObjectMeta {
        match self {
            Self::Http(route) => route.meta(),
            Self::Grpc(route) => route.meta(),
            Self::Tls(route) => route.meta(),
            Self::Tcp(route) => route.meta(),
            Self::Udp(route) => route.meta(),
        }
    }

    /// Its status.
    pub fn status(self) -> Option<&'a flotilla_crds::gateway_api::RouteStatus> {
        match self {
            Self::Http(route) => route.status.as_ref(),
            Self::Grpc(route) => route.status.as_ref(),
            Self::Tls(route) => route.status.as_ref(),
            Self::Tcp(route) => route.status.as_ref(),
            Self::Udp(route) => route.status.as_ref(),
        }
    }

    /// Its kind, namespace and name.
    pub fn key(self) -> RouteKey {
        let (kind, namespace, name) = self.place();
        (kind, (namespace.to_owned(), name.to_owned()))
    }

    /// The same, of which nothing is made.
    pub fn place(self) -> Place<'a> {
        let meta = self.meta();
        let of = |text: &'a Option<String>| text.as_deref().unwrap_or_default();
        (self.kind(), of(&meta.namespace), of(&meta.name))
    }

    /// Whether this is what a route was compiled from, and the policies that it names are as they were.
    pub fn is(self, objects: &Objects, compiled: &Route) -> bool {
        let (meta, (kind, namespace, name)) = (self.meta(), self.place());
        (&meta.uid, meta.generation) == (&compiled.uid, compiled.generation)
            && compiled.needed.iter().all(|(policy, was_there)| {
                traffic::is_for(objects, policy, kind, namespace, name) == *was_there
            })
    }

    fn parents(self) -> &'a [ParentReference] {
        let parents = match self {
            Self::Http(route) => &route.spec.parent_refs,
            Self::Grpc(route) => &route.spec.parent_refs,
            Self::Tls(route) => &route.spec.parent_refs,
            Self::Tcp(route) => &route.spec.parent_refs,
            Self::Udp(route) => &route.spec.parent_refs,
        };
        parents.as_deref().unwrap_or_default()
    }

    fn hostnames(self) -> &'a [String] {
        match self {
            Self::Http(route) => route.spec.hostnames.as_deref().unwrap_or_default(),
            Self::Grpc(route) => route.spec.hostnames.as_deref().unwrap_or_default(),
            Self::Tls(route) => &route.spec.hostnames,
            Self::Tcp(_) | Self::Udp(_) => &[],
        }
    }

    /// Compiles it.
    pub fn compile(self, objects: &Objects, gateways: &Gateways, policies: &Policies) -> Route {
        let (kind, (namespace, name)) = self.key();
        let meta = self.meta();
        let mut route = Route {
            uid: meta.uid.clone(),
            generation: meta.generation,
            created: meta.creation_timestamp.clone(),
            name: format!("{}/{namespace}/{name}", kind.name()),
            ..Route::default()
        };
        let hostnames: Result<Vec<_>, _> =
            self.hostnames().iter().map(|host| HostPattern::try_from(host.clone())).collect();
        let mut unfit = Vec::new();
        let hostnames = hostnames.unwrap_or_else(|error| {
            unfit.push(Unfit::value("hostnames", error));
            Vec::new()
        });
        let asked = attach::Route { kind, namespace: &namespace, hostnames: &hostnames };
        let found: Vec<_> = self
            .parents()
            .iter()
            .filter_map(|parent| Some((parent, attach(objects, gateways, asked, parent)?)))
            .collect();
        if found.is_empty() {
            return route;
        }
        let mut backends = Backends::new(objects, policies, kind, (&namespace, &name));
        if unfit.is_empty() {
            let (compiled, others) = self.rules(&route.name, &hostnames, &mut backends);
            route.compiled = compiled;
            unfit = others;
        }
        let mut all = BTreeMap::<Key, BTreeSet<String>>::new();
        let verdicts = verdicts(&route.compiled, &unfit, &backends.faults);
        for (parent, attached) in found {
            let mut said = verdicts.clone();
            let is_refused = said.iter().any(|verdict| verdict.type_ == "Accepted");
            let mut parent =
                Parent { reference: parent.clone(), said: Vec::new(), gateway: None, listeners: Vec::new() };
            if !attached.accepted.holds() || !is_refused {
                said.retain(|verdict| verdict.type_ != "Accepted");
                said.insert(0, attached.accepted.clone());
            }
            if attached.accepted.holds() && !is_refused {
                all.entry(attached.gateway.clone()).or_default().extend(attached.listeners.iter().cloned());
                parent.gateway = Some(attached.gateway);
                parent.listeners = attached.listeners.into_iter().collect();
            }
            said.shrink_to_fit();
            parent.said = said;
            route.parents.push(parent);
        }
        route.parents.shrink_to_fit();
        route.attached =
            all.into_iter().map(|(gateway, listeners)| (gateway, listeners.into_iter().collect())).collect();
        route.hostnames = hostnames;
        route.backends = backends.found.into_iter().collect();
        route.services = backends.services.into_iter().collect();
        route.needed = backends.needed;
        route
    }

    fn rules(
        self,
        name: &str,
        hostnames: &[HostPattern],
        backends: &mut Backends<'_>,
    ) -> (Compiled, Vec<Unfit>) {
        let of_http = |rules: http::Rules| {
            let compiled = match rules.route(name.to_owned(), hostnames) {
                None => Ok(Compiled::Nothing),
                Some(route) => serde_json::value::to_raw_value(&route).map(Compiled::Route),
            };
            compiled.map(|compiled| (compiled, rules.unfit))
        };
        let uid = self.meta().uid.as_deref().unwrap_or_default();
        let origin = Origin { name, uid };
        let compiled = match self {
            Self::Http(route) => of_http(http::http(&route.spec, origin, backends)),
            Self::Grpc(route) => of_http(http::grpc(&route.spec, origin, backends)),
            Self::Tls(route) => stream::streams(name, hostnames, &route.spec.rules, backends),
            Self::Tcp(route) => stream::streams(name, &[], &route.spec.rules, backends),
            Self::Udp(route) => stream::streams(name, &[], &route.spec.rules, backends),
        };
        compiled.unwrap_or_else(|error| (Compiled::Nothing, vec![Unfit::value("rules", error)]))
    }
}

/// What the status says to every parent that takes the route. `Accepted` is among it only when it cannot be accepted.
fn verdicts(compiled: &Compiled, unfit: &[Unfit], faults: &[Fault]) -> Vec<Verdict> {
    let mut said = Vec::new();
    let mut broken = Vec::new();
    let mut reason = "UnsupportedValue";
    let mut unresolved = faults.first().map(|fault| (fault.reason, fault.message.clone()));
    for found in unfit {
        match found {
            Unfit::Value(why) => broken.push(why.as_str()),
            Unfit::Filters(why) => {
                reason = "IncompatibleFilters";
                broken.push(why);
            }
            Unfit::Reference(why) => unresolved = unresolved.or(Some(("InvalidKind", why.clone()))),
        }
    }
    if !broken.is_empty() {
        let message = broken.join("; ");
        if matches!(compiled, Compiled::Nothing) {
            said.push(Verdict::bad("Accepted", reason, message));
        } else {
            said.push(Verdict::good("PartiallyInvalid", reason, format!("Dropped Rule: {message}")));
        }
    }
    said.push(match unresolved {
        None => Verdict::good("ResolvedRefs", "ResolvedRefs", "all that it refers to is there"),
        Some((reason, message)) => Verdict::bad("ResolvedRefs", reason, message),
    });
    said
}
