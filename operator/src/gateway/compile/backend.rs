//! To whom routes may send: Services, and how they are spoken to.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flotilla_gateway_config::{Backend, Protocol, ServiceRef};
use k8s_openapi::api::core::v1::{Service, ServicePort};

use super::{
    RouteKind,
    grant::{self, From, To},
    listener::Fault,
    policy::Policies,
    session::Session,
    traffic,
};
use crate::gateway::objects::{Key, Objects};

/// A reference to a backend, as all routes have it.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// Its API group. Left out: the core group.
    pub group: Option<&'a str>,
    /// Its kind. Left out: Service.
    pub kind: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// Its namespace. Left out: that of the route.
    pub namespace: Option<&'a str>,
    /// The port of the Service.
    pub port: Option<i32>,
}

macro_rules! reference {
    ($($kind:ty),*) => {$(
        impl<'a> std::convert::From<&'a $kind> for Reference<'a> {
            fn from(written: &'a $kind) -> Self {
                Self {
                    group: written.group.as_deref(),
                    kind: written.kind.as_deref(),
                    name: &written.name,
                    namespace: written.namespace.as_deref(),
                    port: written.port,
                }
            }
        }
    )*};
}

reference!(
    flotilla_crds::gateway_api::HttpRouteRulesBackendRefs,
    flotilla_crds::gateway_api::GrpcRouteRulesBackendRefs,
    flotilla_crds::gateway_api::BackendObjectReference,
    flotilla_crds::gateway_api::BackendRef
);

/// The backends of one route, collected as its rules are compiled.
#[derive(Debug)]
pub struct Backends<'a> {
    objects: &'a Objects,
    policies: &'a Policies,
    kind: RouteKind,
    namespace: &'a str,
    name: &'a str,
    /// The policies that the route names, each with whether it is there.
    pub needed: BTreeMap<String, bool>,
    /// The backends by the names that the configuration has for them.
    pub found: BTreeMap<String, Arc<Backend>>,
    /// The Services that they are.
    pub services: BTreeSet<Key>,
    /// What is wrong with references, the first first.
    pub faults: Vec<Fault>,
}

impl<'a> Backends<'a> {
    /// None yet, of a route of this kind, namespace and name.
    pub fn new(
        objects: &'a Objects,
        policies: &'a Policies,
        kind: RouteKind,
        (namespace, name): (&'a str, &'a str),
    ) -> Self {
        let (needed, found, services, faults) = Default::default();
        Self { objects, policies, kind, namespace, name, needed, found, services, faults }
    }

    /// Whether a policy is there that the route cannot be without.
    pub fn needs(&mut self, policy: &str) -> bool {
        let is_there = traffic::is_for(self.objects, policy, self.kind, self.namespace, self.name);
        self.needed.insert(policy.to_owned(), is_there);
        is_there
    }

    /// The name of what a reference means. `None` when it may not or cannot be used, which is then among the faults.
    pub fn name(&mut self, reference: Reference<'_>) -> Option<String> {
        self.name_in(reference, None)
    }

    /// The same for requests of such sessions.
    pub fn name_in(&mut self, reference: Reference<'_>, session: Option<&Session>) -> Option<String> {
        match self.resolve(reference) {
            Ok((mut name, backend)) => {
                if let Some(mut backend) = backend {
                    if let Some(Session { suffix, affinity }) = session {
                        name = format!("{name}/{suffix}");
                        backend.affinity = Some(affinity.clone());
                    }
                    self.found.insert(name.clone(), Arc::new(backend));
                    return Some(name);
                }
                None
            }
            Err(fault) => {
                self.faults.push(fault);
                None
            }
        }
    }

    /// The name and the backend; no backend when a policy keeps everybody from it, which the policy's status says.
    fn resolve(&mut self, reference: Reference<'_>) -> Result<(String, Option<Backend>), Fault> {
        let Reference { group, kind, name, namespace, port } = reference;
        let (group, kind) = (group.unwrap_or_default(), kind.unwrap_or("Service"));
        let namespace = namespace.unwrap_or(self.namespace);
        if (group, kind) != ("", "Service") {
            let message = format!("{kind} {name:?}: a backend is a Service");
            return Err(Fault::new("InvalidKind", message));
        }
        let from = From { kind: self.kind.name(), namespace: self.namespace };
        if !grant::permits(&self.objects.grants, from, To { group, kind, namespace, name }) {
            let message = format!(
                "Service {namespace}/{name}: a ReferenceGrant in namespace {namespace:?} has to allow it"
            );
            return Err(Fault::new("RefNotPermitted", message));
        }
        let service = self.objects.services.get(namespace, name);
        let Some(service) = service else {
            return Err(Fault::new("BackendNotFound", format!("there is no Service {namespace}/{name}")));
        };
        if spec(service).is_some_and(|spec| spec.type_.as_deref() == Some("ExternalName")) {
            let message = format!(
                "Service {namespace}/{name} is of type ExternalName, behind which could be anything: name another"
            );
            return Err(Fault::new("UnsupportedProtocol", message));
        }
        let (number, port) = self.port(service, namespace, name, port)?;
        self.services.insert((namespace.to_owned(), name.to_owned()));
        let port_name = port.name.clone().unwrap_or_default();
        let service = ServiceRef { namespace: namespace.to_owned(), name: name.to_owned(), port_name };
        self.spoken(service, number, port.app_protocol.as_deref())
    }

    /// The port of a Service that a reference means.
    fn port<'s>(
        &self,
        service: &'s Service,
        namespace: &str,
        name: &str,
        wanted: Option<i32>,
    ) -> Result<(i32, &'s ServicePort), Fault> {
        let transport = if self.kind == RouteKind::Udp { "UDP" } else { "TCP" };
        let ports = spec(service).and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
        let is_wanted = |port: &&ServicePort| {
            Some(port.port) == wanted && port.protocol.as_deref().unwrap_or("TCP") == transport
        };
        if let Some(port) = ports.iter().find(is_wanted) {
            return Ok((port.port, port));
        }
        let known: Vec<_> = ports
            .iter()
            .map(|port| format!("{}/{}", port.port, port.protocol.as_deref().unwrap_or("TCP")))
            .collect();
        let wanted = wanted.map_or_else(
            || "no port is written".to_owned(),
            |port| format!("it has no port {port}/{transport}"),
        );
        let message = format!("Service {namespace}/{name}: {wanted}; it has {}", known.join(", "));
        Err(Fault::new("BackendNotFound", message))
    }

    /// How a port of a Service is spoken to.
    fn spoken(
        &self,
        service: ServiceRef,
        number: i32,
        app_protocol: Option<&str>,
    ) -> Result<(String, Option<Backend>), Fault> {
        let mut name = format!("{}/{}:{number}", service.namespace, service.name);
        if matches!(self.kind, RouteKind::Tls | RouteKind::Tcp | RouteKind::Udp) {
            name.push('/');
            name.push_str(if self.kind == RouteKind::Udp { "udp" } else { "tcp" });
            return Ok((name, Some(Backend { service: Some(service), ..Backend::default() })));
        }
        let policy = self.policies.find(&service);
        let is_http2 = match app_protocol {
            Some("kubernetes.io/h2c" | "h2c" | "http2" | "grpc") => true,
            Some("https" | "kubernetes.io/wss" | "wss") if policy.is_none() => {
                let message = format!(
                    "Service {}/{} speaks TLS at port {number} by its appProtocol: a BackendTLSPolicy has to say with which certificates",
                    service.namespace, service.name
                );
                return Err(Fault::new("UnsupportedProtocol", message));
            }
            _ => self.kind == RouteKind::Grpc,
        };
        if is_http2 {
            name.push_str("/http2");
        }
        let protocol = if is_http2 { Protocol::Http2 } else { Protocol::Http1 };
        let plain = Backend { service: Some(service), protocol, ..Backend::default() };
        Ok((
            name,
            match policy {
                None => Some(plain),
                Some(Some(tls)) => Some(Backend { tls: Some(tls.clone()), ..plain }),
                Some(None) => None,
            },
        ))
    }
}

fn spec(service: &Service) -> Option<&k8s_openapi::api::core::v1::ServiceSpec> {
    service.spec.as_ref()
}
