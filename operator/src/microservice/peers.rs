//! What the other ends of a service's edges are: where each dependency is called, and who is let in. Pure.

use std::{collections::BTreeMap, sync::Arc};

use flotilla_crds::v1alpha1::{
    Dependency, DependencyState, DependencyStatus, Gate, Microservice, Port, Protocol,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

use super::edges::{self, Call, Key};

/// A dependency with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its name in `spec.dependsOn`.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// Whether it can be called.
    pub state: DependencyState,
    /// What to do, when something is to be done.
    pub message: Option<String>,
    /// Its address; that of before while nothing better is known.
    pub address: Option<Address>,
    /// Whether the service waits for it.
    pub gate: Gate,
    /// Names and values of the environment variables.
    pub env: Vec<(String, String)>,
}

/// Where a dependency is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A service of the cluster; the port is that of its pods, if it can be called.
    Service {
        /// Namespace and name.
        key: Key,
        /// Port of its pods.
        pod_port: Option<PodPort>,
    },
    /// A host outside the cluster.
    External {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

/// A port as a NetworkPolicy names it: that of the pods, since a Service has translated it by then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodPort {
    /// Its number.
    pub number: u16,
    /// `TCP` or `UDP`.
    pub transport: &'static str,
}

impl From<&Port> for PodPort {
    fn from(port: &Port) -> Self {
        Self { number: port.port, transport: port.protocol().transport() }
    }
}

/// An address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    scheme: String,
    host: String,
    port: u16,
}

impl Address {
    /// The whole address.
    pub fn url(&self) -> String {
        format!("{}://{}:{}", self.scheme, self.host, self.port)
    }

    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (host, port) = rest.rsplit_once(':')?;
        Some(Self { scheme: scheme.to_owned(), host: host.to_owned(), port: port.parse().ok()? })
    }
}

/// A service that calls this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Its namespace and name.
    pub key: Key,
    /// The ports of our pods that it calls; none when it is not let in, or names a port that there is not.
    pub pod_ports: Vec<PodPort>,
    /// Whether it is let in.
    pub allowed: bool,
}

/// What is known of each dependency of a service. `find` looks a service up.
pub fn peers(service: &Microservice, find: impl Fn(&Key) -> Option<Arc<Microservice>>) -> Vec<Peer> {
    let recorded: BTreeMap<_, _> = service
        .status
        .iter()
        .flat_map(|status| &status.dependencies)
        .filter_map(|known| Some((known.name.as_str(), Address::parse(known.url.as_deref()?)?)))
        .collect();
    let namespace = service.namespace().unwrap_or_default();
    service
        .spec
        .depends_on
        .iter()
        .map(|dependency| {
            let before = recorded.get(dependency.name.as_str()).cloned();
            peer(service, &namespace, dependency, before, &find)
        })
        .collect()
}

fn peer(
    service: &Microservice,
    namespace: &str,
    dependency: &Dependency,
    before: Option<Address>,
    find: &impl Fn(&Key) -> Option<Arc<Microservice>>,
) -> Peer {
    let gate = dependency.gate.unwrap_or_default();
    let name = dependency.name.clone();
    let make = |place, state, message: Option<String>, address: Option<Address>| {
        let env = address.as_ref().map(|address| variables(dependency, address)).unwrap_or_default();
        Peer { name: name.clone(), place, state, message, address, gate, env }
    };
    let Some(key) = edges::target(namespace, dependency) else {
        let outside = dependency.external.clone().unwrap_or_default();
        let address = Address {
            scheme: if outside.port == 443 { "https" } else { "tcp" }.to_owned(),
            host: outside.host.clone(),
            port: outside.port,
        };
        let place = Place::External { host: outside.host, port: outside.port };
        return make(place, DependencyState::External, None, Some(address));
    };
    let unresolved = |state, message: String| {
        make(Place::Service { key: key.clone(), pod_port: None }, state, Some(message), before.clone())
    };
    let (other_namespace, other_name) = &key;
    let Some(other) = find(&key) else {
        let message = format!("there is no Microservice {other_name:?} in namespace {other_namespace:?}");
        return unresolved(DependencyState::Missing, message);
    };
    let wanted = dependency.microservice.as_ref().and_then(|written| written.port.as_ref());
    let Some(port) = find_port(&other.spec.ports, wanted) else {
        let known: Vec<_> = other.spec.ports.iter().map(|port| &*port.name).collect();
        let message = match wanted {
            Some(wanted) => {
                format!("{other_name} has no port {}; it has: {}", shown(wanted), known.join(", "))
            }
            None => format!("{other_name} has no ports"),
        };
        return unresolved(DependencyState::Missing, message);
    };
    let address = Address {
        scheme: match port.protocol() {
            Protocol::Http | Protocol::Http2 | Protocol::Grpc => "http",
            Protocol::Tls => "https",
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        }
        .to_owned(),
        host: format!("{other_name}.{other_namespace}.svc"),
        port: port.service_port(),
    };
    if !allows(&other, &(namespace.to_owned(), service.name_any())) {
        let message = format!(
            "{other_namespace}/{other_name} does not allow it: its spec.network.allowFrom needs {{microservice: {}, namespace: {namespace}}}",
            service.name_any()
        );
        let place = Place::Service { key, pod_port: None };
        return make(place, DependencyState::NotAllowed, Some(message), Some(address));
    }
    let (state, message) = if edges::is_ready(&other) {
        (DependencyState::Ready, None)
    } else {
        (DependencyState::NotReady, Some(format!("{other_name} is not ready")))
    };
    make(Place::Service { key, pod_port: Some(port.into()) }, state, message, Some(address))
}

fn shown(port: &IntOrString) -> String {
    match port {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(name) => format!("{name:?}"),
    }
}

fn find_port<'p>(ports: &'p [Port], wanted: Option<&IntOrString>) -> Option<&'p Port> {
    match wanted {
        None => ports.first(),
        Some(IntOrString::String(name)) => ports.iter().find(|port| port.name == *name),
        Some(IntOrString::Int(number)) => ports.iter().find(|port| i32::from(port.service_port()) == *number),
    }
}

/// Within a namespace a declaration is enough: whoever may write there may write both ends. Across namespaces the
/// other end must consent, or any team could let itself in.
pub fn allows(service: &Microservice, caller: &Key) -> bool {
    let (caller_namespace, caller_name) = caller;
    if service.namespace().as_deref() == Some(caller_namespace) {
        return true;
    }
    let peers = service.spec.network.iter().flat_map(|network| &network.allow_from);
    peers.into_iter().any(|peer| {
        peer.pod_labels.is_empty()
            && peer.namespace.as_deref() == Some(caller_namespace)
            && peer.microservice.as_ref().is_none_or(|name| name == caller_name)
    })
}

/// What is known of those who call a service.
pub fn callers(service: &Microservice, calls: Vec<Call>) -> Vec<Caller> {
    calls
        .into_iter()
        .map(|Call { caller: key, ports }| {
            let allowed = allows(service, &key);
            let mut pod_ports: Vec<_> = ports
                .iter()
                .filter(|_| allowed)
                .filter_map(|wanted| find_port(&service.spec.ports, wanted.as_ref()).map(PodPort::from))
                .collect();
            pod_ports.sort_unstable();
            pod_ports.dedup();
            Caller { key, pod_ports, allowed }
        })
        .collect()
}

/// The environment variables that carry an address.
fn variables(dependency: &Dependency, address: &Address) -> Vec<(String, String)> {
    let prefix = dependency.name.to_uppercase().replace('-', "_");
    let names = dependency.env.clone().unwrap_or_default();
    let name =
        |written: Option<String>, suffix: &str| written.unwrap_or_else(|| format!("{prefix}_{suffix}"));
    vec![
        (name(names.url, "URL"), address.url()),
        (name(names.host, "HOST"), address.host.clone()),
        (name(names.port, "PORT"), address.port.to_string()),
    ]
}

impl Peer {
    /// As the status shows it.
    pub fn status(&self) -> DependencyStatus {
        DependencyStatus {
            name: self.name.clone(),
            state: self.state,
            url: self.address.as_ref().map(Address::url),
            message: self.message.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TCP_80: PodPort = PodPort { number: 80, transport: "TCP" };
    const TCP_8080: PodPort = PodPort { number: 8080, transport: "TCP" };

    fn service(namespace: &str, name: &str, spec: &str, status: Value) -> Microservice {
        let spec: Value = serde_saphyr::from_str(&format!("{{image: app, {spec}}}")).unwrap();
        serde_json::from_value(json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice",
            "metadata": {"name": name, "namespace": namespace, "generation": 1}, "spec": spec, "status": status,
        }))
        .unwrap()
    }

    fn ready() -> Value {
        json!({"conditions": [{"type": "Ready", "status": "True", "reason": "Available", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
    }

    fn of(caller: &Microservice, others: &[Microservice]) -> Vec<Peer> {
        peers(caller, |(namespace, name)| {
            let matches = |other: &&Microservice| {
                other.namespace().as_ref() == Some(namespace) && other.name_any() == *name
            };
            others.iter().find(matches).cloned().map(Arc::new)
        })
    }

    fn url(peer: &Peer) -> Option<String> {
        peer.address.as_ref().map(Address::url)
    }

    #[test]
    fn a_name_is_enough() {
        let web = service("shop", "web", "dependsOn: [{name: order-api}]", json!({}));
        let orders = service(
            "shop",
            "order-api",
            "ports: [{name: http, port: 8080, protocol: HTTP, servicePort: 80}]",
            ready(),
        );
        let [peer] = &of(&web, &[orders])[..] else { panic!() };
        assert_eq!(peer.state, DependencyState::Ready);
        assert_eq!(
            peer.place,
            Place::Service { key: ("shop".into(), "order-api".into()), pod_port: Some(TCP_8080) }
        );
        let env: Vec<_> = peer.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            env,
            [
                "ORDER_API_URL=http://order-api.shop.svc:80",
                "ORDER_API_HOST=order-api.shop.svc",
                "ORDER_API_PORT=80"
            ]
        );
    }

    #[test]
    fn what_cannot_be_called_says_why_and_keeps_the_last_known_address() {
        let recorded = json!({"dependencies": [{"name": "orders", "state": "Ready", "url": "http://orders.shop.svc:80"}]});
        let web = service("shop", "web", "dependsOn: [{name: orders, microservice: {port: grpc}}]", recorded);
        let [peer] = &of(&web, &[])[..] else { panic!() };
        assert_eq!(
            (peer.state, url(peer).as_deref()),
            (DependencyState::Missing, Some("http://orders.shop.svc:80"))
        );
        let orders = service("shop", "orders", "ports: [{name: http, port: 80}]", ready());
        let [peer] = &of(&web, &[orders])[..] else { panic!() };
        assert_eq!(peer.message.as_deref(), Some("orders has no port \"grpc\"; it has: http"));
        assert_eq!(peer.place, Place::Service { key: ("shop".into(), "orders".into()), pod_port: None });
    }

    #[test]
    fn another_namespace_must_consent() {
        let web =
            service("shop", "web", "dependsOn: [{name: pay, microservice: {namespace: bank}}]", json!({}));
        for (allowed, network) in [
            (false, ""),
            (false, ", network: {allowFrom: [{microservice: other, namespace: shop}]}"),
            (true, ", network: {allowFrom: [{microservice: web, namespace: shop}]}"),
            (true, ", network: {allowFrom: [{namespace: shop}]}"),
        ] {
            let pay = service("bank", "pay", &format!("ports: [{{name: http, port: 80}}]{network}"), ready());
            let [peer] = &of(&web, std::slice::from_ref(&pay))[..] else { panic!() };
            assert_eq!(peer.state == DependencyState::Ready, allowed, "{network}");
            let calls = vec![Call { caller: ("shop".into(), "web".into()), ports: vec![None] }];
            let callers = callers(&pay, calls);
            assert_eq!(callers[0].allowed, allowed);
            assert_eq!(callers[0].pod_ports, if allowed { vec![TCP_80] } else { vec![] });
        }
    }

    #[test]
    fn names_of_variables_can_be_chosen() {
        let web = service(
            "shop",
            "web",
            "dependsOn: [{name: mail, external: {host: mail.example.com, port: 443}, env: {url: MAILER}}]",
            json!({}),
        );
        let [peer] = &of(&web, &[])[..] else { panic!() };
        assert_eq!(peer.env[0], ("MAILER".into(), "https://mail.example.com:443".into()));
        assert_eq!(peer.state, DependencyState::External);
    }
}
