//! The NetworkPolicy: what is not declared does not pass.

use std::collections::{BTreeMap, BTreeSet};

use flotilla_crds::v1alpha1::{AllowedPeer, NetworkPolicyMode};
use k8s_openapi::{
    api::networking::v1::{
        IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer,
        NetworkPolicyPort, NetworkPolicySpec,
    },
    apimachinery::pkg::{apis::meta::v1::LabelSelector, util::intstr::IntOrString},
};

use super::{labels, metadata};
use crate::{
    cluster::PART_OF_LABEL,
    microservice::{
        dereference::Observed,
        edges::Key,
        peers::{Peer, Place, PodPort},
        validate::Validated,
    },
};

/// The label that Kubernetes gives every namespace, with its name.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// Where pods that answer DNS run, by their usual labels. They may listen on another port than 53.
const DNS: [(&str, &str, &str); 2] = [
    ("kube-system", "k8s-app", "kube-dns"),
    ("openshift-dns", "dns.operator.openshift.io/daemonset-dns", "default"),
];

/// The label of the pods of a gateway, with its name (GEP-1762).
const GATEWAY_LABEL: &str = "gateway.networking.k8s.io/gateway-name";

/// Ports of API servers, behind and before their Service.
const API_SERVER_PORTS: [u16; 2] = [443, 6443];

/// `None` when the service asks for none.
pub(super) fn render(service: &Validated, observed: &Observed) -> Option<NetworkPolicy> {
    if service.network.policy.unwrap_or_default() == NetworkPolicyMode::Disabled {
        return None;
    }
    Some(NetworkPolicy {
        metadata: metadata(service),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector {
                match_labels: Some(labels::part_of(&service.name)),
                ..LabelSelector::default()
            }),
            policy_types: Some(vec!["Ingress".to_owned(), "Egress".to_owned()]),
            // None at all closes the way in, as an empty list does, which the API server would not store.
            ingress: Some(ingress(service, observed)).filter(|rules| !rules.is_empty()),
            egress: Some(egress(service, observed)),
        }),
    })
}

fn ingress(service: &Validated, observed: &Observed) -> Vec<NetworkPolicyIngressRule> {
    let callers = observed.callers.iter().filter(|caller| !caller.pod_ports.is_empty()).map(|caller| {
        NetworkPolicyIngressRule {
            from: Some(vec![pods_of(service, &caller.key)]),
            ports: Some(caller.pod_ports.iter().map(pod_port).collect()),
        }
    });
    let allowed: Vec<_> = service.network.allow_from.iter().map(|peer| allowed_peer(service, peer)).collect();
    let allowed =
        (!allowed.is_empty()).then_some(NetworkPolicyIngressRule { from: Some(allowed), ports: None });
    callers.chain(allowed).chain(gateways(service)).collect()
}

/// The pods of the gateways that routes are attached to, by the label that such pods have (GEP-1762).
fn gateways(service: &Validated) -> Option<NetworkPolicyIngressRule> {
    let parents: BTreeSet<_> = service
        .routes
        .iter()
        .flat_map(|route| &route.parent_refs)
        .map(|parent| (parent.namespace.as_ref().unwrap_or(&service.namespace), &parent.name))
        .collect();
    if parents.is_empty() {
        return None;
    }
    let from = parents.into_iter().map(|(namespace, name)| NetworkPolicyPeer {
        namespace_selector: (*namespace != service.namespace).then(|| named(NAMESPACE_LABEL, namespace)),
        pod_selector: Some(named(GATEWAY_LABEL, name)),
        ip_block: None,
    });
    Some(NetworkPolicyIngressRule { from: Some(from.collect()), ports: None })
}

fn egress(service: &Validated, observed: &Observed) -> Vec<NetworkPolicyEgressRule> {
    let mut rules = dns();
    rules.extend(observed.peers.iter().filter_map(|peer| to_peer(service, peer)));
    let egress = service.network.egress.clone().unwrap_or_default();
    if !egress.cidrs.is_empty() {
        let to = egress.cidrs.iter().map(|cidr| addresses(cidr)).collect();
        rules.push(NetworkPolicyEgressRule { to: Some(to), ports: None });
    }
    if service.mount_token {
        // The API server has no pods that could be named, and its address is not known here.
        let ports = API_SERVER_PORTS.iter().map(|port| tcp(*port)).collect();
        rules.push(NetworkPolicyEgressRule { to: None, ports: Some(ports) });
    }
    if egress.allow_all.unwrap_or(false) {
        rules.push(NetworkPolicyEgressRule::default());
    }
    rules
}

/// Without names nothing can be called, so this is always open.
fn dns() -> Vec<NetworkPolicyEgressRule> {
    let pods = DNS.iter().map(|(namespace, label, value)| NetworkPolicyPeer {
        namespace_selector: Some(named(NAMESPACE_LABEL, namespace)),
        pod_selector: Some(named(label, value)),
        ip_block: None,
    });
    let port = |protocol: &str| NetworkPolicyPort {
        port: Some(IntOrString::Int(53)),
        protocol: Some(protocol.to_owned()),
        end_port: None,
    };
    vec![
        NetworkPolicyEgressRule { to: Some(pods.collect()), ports: None },
        // A cache on the node has an address and no pod.
        NetworkPolicyEgressRule { to: None, ports: Some(vec![port("UDP"), port("TCP")]) },
    ]
}

/// `None` while it is not known where the dependency is, or it does not let us in: then less is open, not more.
fn to_peer(service: &Validated, peer: &Peer) -> Option<NetworkPolicyEgressRule> {
    match &peer.place {
        Place::Service { key, pod_port } => Some(NetworkPolicyEgressRule {
            to: Some(vec![pods_of(service, key)]),
            ports: Some(vec![self::pod_port(&(*pod_port)?)]),
        }),
        Place::External { host, port } => {
            let address = host
                .parse::<std::net::IpAddr>()
                .ok()
                .map(|address| addresses(&format!("{address}/{}", if address.is_ipv4() { 32 } else { 128 })));
            Some(NetworkPolicyEgressRule {
                to: address.map(|address| vec![address]),
                ports: Some(vec![tcp(*port)]),
            })
        }
    }
}

fn allowed_peer(service: &Validated, peer: &AllowedPeer) -> NetworkPolicyPeer {
    if let Some(cidr) = &peer.cidr {
        return addresses(cidr);
    }
    let other = peer.namespace.as_ref().filter(|namespace| **namespace != service.namespace);
    let pods = match &peer.microservice {
        Some(name) => labels::part_of(name),
        None => peer.pod_labels.clone(),
    };
    NetworkPolicyPeer {
        namespace_selector: other.map(|namespace| named(NAMESPACE_LABEL, namespace)),
        // Without a namespace this is what keeps the peer within our own.
        pod_selector: (!pods.is_empty() || other.is_none()).then(|| LabelSelector {
            match_labels: (!pods.is_empty()).then_some(pods),
            ..LabelSelector::default()
        }),
        ip_block: None,
    }
}

fn pods_of(service: &Validated, (namespace, name): &Key) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: (*namespace != service.namespace).then(|| named(NAMESPACE_LABEL, namespace)),
        pod_selector: Some(named(PART_OF_LABEL, name)),
        ip_block: None,
    }
}

fn addresses(cidr: &str) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        ip_block: Some(IPBlock { cidr: cidr.to_owned(), except: None }),
        ..NetworkPolicyPeer::default()
    }
}

fn named(label: &str, value: &str) -> LabelSelector {
    LabelSelector {
        match_labels: Some(BTreeMap::from([(label.to_owned(), value.to_owned())])),
        ..LabelSelector::default()
    }
}

fn tcp(port: u16) -> NetworkPolicyPort {
    NetworkPolicyPort {
        port: Some(IntOrString::Int(port.into())),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    }
}

fn pod_port(port: &PodPort) -> NetworkPolicyPort {
    NetworkPolicyPort { protocol: Some(port.transport.to_owned()), ..tcp(port.number) }
}
