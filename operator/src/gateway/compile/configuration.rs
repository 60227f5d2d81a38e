//! The configuration of one gateway, put together from its listeners and what was compiled of its routes.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flotilla_gateway_config::{
    Backend, Certificate, JwtProvider, Listener, ListenerProtocol, Policy, RateLimit,
};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    listener::Listeners,
    ports::{self, Port},
    route::{Compiled, Route},
    traffic::Policed,
};
use crate::gateway::objects::Key;

/// The name of the certificate that a gateway shows to backends.
const CLIENT_CERTIFICATE: &str = "backends";

/// A route of a gateway, with what policies make of it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) route: Arc<Route>,
    pub(super) policed: Option<Arc<Policed>>,
}

impl Part {
    fn is(&self, other: &Self) -> bool {
        let same_policies = match (&self.policed, &other.policed) {
            (None, None) => true,
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            _ => false,
        };
        same_policies && Arc::ptr_eq(&self.route, &other.route)
    }
}

/// A configuration with what it was made from.
#[derive(Debug)]
pub(super) struct Configuration {
    listeners: Listeners,
    parts: Vec<Part>,
    /// How many routes each listener has.
    pub(super) attached: BTreeMap<String, usize>,
    /// Where it listens.
    pub(super) ports: Vec<Port>,
    /// As a gateway reads it.
    pub(super) json: Arc<[u8]>,
}

/// As [`flotilla_gateway_config::GatewayConfig`], with routes that are written already.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    listeners: Vec<Listener>,
    routes: Vec<&'a RawValue>,
    streams: Vec<&'a RawValue>,
    backends: BTreeMap<&'a str, Cow<'a, Backend>>,
    certificates: BTreeMap<&'a str, &'a Certificate>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rate_limits: BTreeMap<&'a str, &'a RateLimit>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    jwt_providers: BTreeMap<&'a str, &'a JwtProvider>,
}

impl Configuration {
    /// From listeners and the routes of a gateway, in their order; `known` is taken when it was made from the same.
    pub(super) fn new(gateway: &Key, listeners: &Listeners, pieces: Vec<Part>, known: Option<Self>) -> Self {
        if let Some(known) = known
            && known.listeners == *listeners
            && known.parts.len() == pieces.len()
            && known.parts.iter().zip(&pieces).all(|(known, part)| known.is(part))
        {
            return known;
        }
        let ports = ports::of(listeners.all.iter());
        let attached = count(gateway, listeners, &pieces);
        let json = write(gateway, listeners, &pieces, &ports);
        Self { listeners: listeners.clone(), parts: pieces, attached, ports, json: json.into() }
    }
}

fn count(gateway: &Key, listeners: &Listeners, pieces: &[Part]) -> BTreeMap<String, usize> {
    let mut attached: BTreeMap<String, usize> =
        listeners.all.iter().map(|listener| (listener.id.clone(), 0)).collect();
    for listener in pieces.iter().filter_map(|part| part.route.listeners_of(gateway)).flatten() {
        *attached.entry(listener.clone()).or_default() += 1;
    }
    attached
}

fn write(gateway: &Key, listeners: &Listeners, pieces: &[Part], ports: &[Port]) -> Vec<u8> {
    let usable: Vec<_> = listeners.all.iter().filter(|listener| listener.is_usable()).collect();
    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut http, mut streams) = (Vec::new(), Vec::new());
    let mut backends: BTreeMap<&str, Cow<'_, Backend>> = BTreeMap::new();
    let mut shows_certificate = false;
    let ids: BTreeSet<&str> = usable.iter().map(|listener| listener.id.as_str()).collect();
    let (mut rate_limits, mut jwt_providers) = (BTreeMap::new(), BTreeMap::new());
    for Part { route, policed } in pieces {
        let Some(attached) = route.listeners_of(gateway) else { continue };
        if let Some(policed) = policed {
            for variant in &policed.variants {
                http.push(&*variant.json);
                for listener in variant.listeners.iter().filter(|id| ids.contains(id.as_str())) {
                    named.entry(listener).or_default().push(variant.name.clone());
                }
            }
            rate_limits.extend(policed.rate_limits.iter().map(|(name, limit)| (name.as_str(), limit)));
            jwt_providers.extend(policed.providers.iter().map(|(name, found)| (name.as_str(), found)));
        }
        let written: Vec<&str> = match &route.compiled {
            _ if policed.is_some() => Vec::new(),
            Compiled::Nothing => continue,
            Compiled::Route(json) => {
                http.push(&**json);
                vec![&route.name]
            }
            Compiled::Streams(found) => {
                streams.extend(found.iter().map(|(_, json)| &**json));
                found.iter().map(|(name, _)| name.as_str()).collect()
            }
        };
        for listener in attached.iter().filter(|id| ids.contains(id.as_str())) {
            named.entry(listener).or_default().extend(written.iter().map(|name| (*name).to_owned()));
        }
        let used = policed.as_ref().map_or(&route.backends, |policed| &policed.backends);
        backends.extend(used.iter().map(|(name, backend)| (name.as_str(), Cow::Borrowed(&**backend))));
    }
    if listeners.client_certificate.is_some() {
        for backend in backends.values_mut().filter(|backend| backend.tls.is_some()) {
            if let Some(tls) = &mut backend.to_mut().tls {
                tls.certificate = Some(CLIENT_CERTIFICATE.to_owned());
                shows_certificate = true;
            }
        }
    }
    let mut certificates: BTreeMap<&str, &Certificate> = usable
        .iter()
        .flat_map(|listener| &listener.certificates)
        .map(|(name, certificate)| (name.as_str(), certificate))
        .collect();
    if let Some(own) = listeners.client_certificate.as_ref().filter(|_| shows_certificate) {
        certificates.insert(CLIENT_CERTIFICATE, own);
    }
    let target = |is_udp, number| {
        let port = ports.iter().find(|port| (port.is_udp, port.number) == (is_udp, number));
        port.map(|port| port.target).filter(|target| *target != number)
    };
    let listeners = usable
        .iter()
        .filter_map(|listener| {
            let protocol = listener.protocol?;
            Some(Listener {
                name: listener.id.clone(),
                port: listener.port,
                target_port: target(protocol == ListenerProtocol::Udp, listener.port),
                protocol,
                // What has no hosts is told apart by its port alone.
                hostname: match protocol {
                    ListenerProtocol::Tcp | ListenerProtocol::Udp => None,
                    _ => listener.hostname.clone(),
                },
                tls: listener.tls.clone(),
                proxy_protocol: false,
                routes: Some(named.remove(listener.id.as_str()).unwrap_or_default()),
                policy: Policy::default(),
            })
        })
        .collect();
    let written =
        Written { listeners, routes: http, streams, backends, certificates, rate_limits, jwt_providers };
    // All of it is text that was made by us; there is nothing that JSON could not have.
    serde_json::to_vec(&written).unwrap_or_default()
}
