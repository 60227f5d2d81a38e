//! The configuration of one gateway, put together from its listeners and what was compiled of its routes.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flotilla_gateway_config::{Backend, Certificate, Listener, ListenerProtocol, Policy};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    listener::Listeners,
    ports::{self, Port},
    route::{Compiled, Route},
};
use crate::gateway::objects::Key;

/// The name of the certificate that a gateway shows to backends.
const CLIENT_CERTIFICATE: &str = "backends";

/// A configuration with what it was made from.
#[derive(Debug)]
pub(super) struct Configuration {
    listeners: Listeners,
    routes: Vec<Arc<Route>>,
    /// How many routes each listener has.
    pub(super) attached: BTreeMap<String, usize>,
    /// Where it listens.
    pub(super) ports: Vec<Port>,
    /// As a gateway reads it.
    pub(super) json: Arc<[u8]>,
}

/// As [`flotilla_gateway_config::GatewayConfig`], with routes that are written already.
#[derive(Serialize)]
struct Written<'a> {
    listeners: Vec<Listener>,
    routes: Vec<&'a RawValue>,
    streams: Vec<&'a RawValue>,
    backends: BTreeMap<&'a str, Backend>,
    certificates: BTreeMap<&'a str, &'a Certificate>,
}

impl Configuration {
    /// From listeners and the routes of a gateway, in their order; `known` is taken when it was made from the same.
    pub(super) fn new(
        gateway: &Key,
        listeners: &Listeners,
        routes: &[&Arc<Route>],
        known: Option<Self>,
    ) -> Self {
        if let Some(known) = known
            && known.listeners == *listeners
            && known.routes.len() == routes.len()
            && known.routes.iter().zip(routes).all(|(known, route)| Arc::ptr_eq(known, route))
        {
            return known;
        }
        let ports = ports::of(listeners.all.iter());
        let attached = count(gateway, listeners, routes);
        let json = write(gateway, listeners, routes, &ports);
        let routes = routes.iter().map(|route| Arc::clone(route)).collect();
        Self { listeners: listeners.clone(), routes, attached, ports, json: json.into() }
    }
}

fn count(gateway: &Key, listeners: &Listeners, routes: &[&Arc<Route>]) -> BTreeMap<String, usize> {
    let mut attached: BTreeMap<String, usize> =
        listeners.all.iter().map(|listener| (listener.id.clone(), 0)).collect();
    for listener in routes.iter().filter_map(|route| route.attached.get(gateway)).flatten() {
        *attached.entry(listener.clone()).or_default() += 1;
    }
    attached
}

fn write(gateway: &Key, listeners: &Listeners, routes: &[&Arc<Route>], ports: &[Port]) -> Vec<u8> {
    let usable: Vec<_> = listeners.all.iter().filter(|listener| listener.is_usable()).collect();
    let mut named: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let (mut http, mut streams) = (Vec::new(), Vec::new());
    let mut backends: BTreeMap<&str, Backend> = BTreeMap::new();
    let mut shows_certificate = false;
    let ids: BTreeSet<&str> = usable.iter().map(|listener| listener.id.as_str()).collect();
    for route in routes {
        let Some(attached) = route.attached.get(gateway) else { continue };
        let written: Vec<&str> = match &route.compiled {
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
        for (name, backend) in &route.backends {
            let mut backend = backend.clone();
            if let (Some(tls), Some(_)) = (&mut backend.tls, &listeners.client_certificate) {
                tls.certificate = Some(CLIENT_CERTIFICATE.to_owned());
                shows_certificate = true;
            }
            backends.insert(name, backend);
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
    let written = Written { listeners, routes: http, streams, backends, certificates };
    // All of it is text that was made by us; there is nothing that JSON could not have.
    serde_json::to_vec(&written).unwrap_or_default()
}
