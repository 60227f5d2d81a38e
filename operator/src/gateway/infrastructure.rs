//! What runs a gateway: a `Microservice`, its address, and its rights. Pure.
//!
//! The Service is the gateway's own and not that of the `Microservice`, as its ports are those of the listeners: a pod is
//! not replaced because a listener comes or goes.

pub mod address;
pub mod package;
pub mod plan;

use std::{collections::BTreeMap, net::IpAddr};

use flotilla_crds::{
    gateway_api::Gateway,
    v1alpha1::{
        Autoscaling, Egress, HttpProbe, Lifecycle, Microservice, MicroserviceSpec, Network, Overlay,
        OverlayKind, OverlayTarget, Probe, Probes, Quantity, Resources, ServiceAccount,
    },
};
use flotilla_gateway_config::package::{INDEX_KEY, PART_KEY};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use serde_json::{Value, json};

use self::package::Package;
use super::{
    GROUP,
    compile::{
        Served,
        ports::{ADMIN, Port},
    },
    kind::Kind,
    names,
    objects::Key,
    settings::{ServiceType, Settings},
};
use crate::cluster::{MANAGED_BY, MICROSERVICE_LABEL};

/// The `ClusterRole` by which gateways see endpoints. The chart makes it.
pub const CLUSTER_ROLE: &str = "flotilla-gateway";

/// The type of Secrets with configurations.
pub const SECRET_TYPE: &str = "flotilla.dev/gateway-config";

/// The class of load balancers for addresses that gateways ask for: we write the address ourselves.
pub const LOAD_BALANCER_CLASS: &str = "flotilla.dev/gateway";

/// Seconds in which a pod may finish what runs: those of its own steps, and some to spare.
const GRACE_SECONDS: i64 = 45;

/// An object that is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct Wanted {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// All of it.
    pub manifest: Value,
}

/// A gateway with what its objects are made of.
#[derive(Clone, Copy, Debug)]
pub struct Running<'a> {
    /// The gateway.
    pub gateway: &'a Gateway,
    /// What it does.
    pub served: &'a Served,
    /// Its configuration, as it lies in Secrets.
    pub package: &'a Package,
    /// The addresses that it has asked for and gets.
    pub addresses: &'a [IpAddr],
}

impl Running<'_> {
    /// Its namespace and name.
    pub fn key(&self) -> Key {
        (self.gateway.namespace().unwrap_or_default(), self.gateway.name_any())
    }

    /// The name of its `Microservice`, which its other objects share.
    pub fn name(&self) -> String {
        name(self.gateway)
    }

    /// Everything that is wanted for it, in the order in which it is written.
    pub fn wanted(&self, settings: &Settings) -> Vec<Wanted> {
        let mut wanted: Vec<_> = self.secrets();
        wanted.push(self.object(Kind::Role, &self.name(), self.role()));
        wanted.push(self.object(Kind::RoleBinding, &self.name(), self.role_binding()));
        wanted.push(self.object(Kind::Service, &self.name(), self.service(settings)));
        wanted.push(self.object(
            Kind::Microservice,
            &self.name(),
            json!({"spec": self.microservice(settings)}),
        ));
        wanted
    }

    fn labels(&self) -> BTreeMap<String, String> {
        let infrastructure = self.gateway.spec.infrastructure.as_ref();
        let mut labels = infrastructure.and_then(|found| found.labels.clone()).unwrap_or_default();
        labels.insert(names::GATEWAY_LABEL.to_owned(), names::label(&self.gateway.name_any()));
        labels.insert(names::CLASS_LABEL.to_owned(), names::label(&self.served.class));
        labels
    }

    fn annotations(&self) -> BTreeMap<String, String> {
        let infrastructure = self.gateway.spec.infrastructure.as_ref();
        infrastructure.and_then(|found| found.annotations.clone()).unwrap_or_default()
    }

    fn object(&self, kind: Kind, name: &str, mut rest: Value) -> Wanted {
        use crate::cluster::kind::Written;
        let mut labels = self.labels();
        labels.insert("app.kubernetes.io/managed-by".to_owned(), MANAGED_BY.to_owned());
        rest["apiVersion"] = kind.api_resource().api_version.into();
        rest["kind"] = kind.name().into();
        rest["metadata"] = json!({
            "name": name,
            "namespace": self.gateway.namespace(),
            "labels": labels,
            "ownerReferences": [{
                "apiVersion": format!("{GROUP}/v1"),
                "kind": "Gateway",
                "name": self.gateway.name_any(),
                "uid": self.gateway.uid(),
                "controller": true,
                "blockOwnerDeletion": true,
            }],
        });
        let annotations = self.annotations();
        if kind == Kind::Service && !annotations.is_empty() {
            rest["metadata"]["annotations"] = json!(annotations);
        }
        Wanted { kind, name: name.to_owned(), manifest: rest }
    }

    /// Parts first: whoever reads the index finds what it means.
    fn secrets(&self) -> Vec<Wanted> {
        let Package { index, parts } = self.package;
        let index_name = self.name();
        let mut secrets = Vec::new();
        let mut data = json!({INDEX_KEY: index});
        for (name, part) in parts {
            if *name == index_name {
                data[PART_KEY] = part.clone().into();
            } else {
                let rest = json!({"type": SECRET_TYPE, "data": {PART_KEY: part}});
                secrets.push(self.object(Kind::Secret, name, rest));
            }
        }
        secrets.push(self.object(Kind::Secret, &index_name, json!({"type": SECRET_TYPE, "data": data})));
        secrets
    }

    fn role(&self) -> Value {
        let mut secrets = vec![self.name()];
        secrets.extend(
            self.package.parts.iter().map(|(name, _)| name.clone()).filter(|name| *name != self.name()),
        );
        json!({"rules": [{
            "apiGroups": [""],
            "resources": ["secrets"],
            "resourceNames": secrets,
            "verbs": ["get", "list", "watch"],
        }]})
    }

    fn role_binding(&self) -> Value {
        json!({
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": self.name()},
            "subjects": [subject(&self.key().0, &self.name())],
        })
    }

    fn service(&self, settings: &Settings) -> Value {
        let ports: Vec<_> = self
            .served
            .ports
            .iter()
            .map(|Port { is_udp, number, target }| {
                let (name, protocol) = if *is_udp { ("udp", "UDP") } else { ("tcp", "TCP") };
                json!({"name": format!("{name}-{number}"), "port": number, "targetPort": target, "protocol": protocol})
            })
            .collect();
        let mut spec = json!({"selector": {MICROSERVICE_LABEL: self.name()}, "ports": ports});
        if !self.addresses.is_empty() {
            spec["type"] = "LoadBalancer".into();
            spec["loadBalancerClass"] = LOAD_BALANCER_CLASS.into();
            spec["allocateLoadBalancerNodePorts"] = false.into();
        } else if settings.service == ServiceType::LoadBalancer {
            spec["type"] = "LoadBalancer".into();
        } else {
            spec["type"] = "ClusterIP".into();
        }
        json!({"spec": spec})
    }

    fn microservice(&self, settings: &Settings) -> MicroserviceSpec {
        let probe = |path: &str| Probe {
            http: Some(HttpProbe {
                path: Some(path.to_owned()),
                port: Some(IntOrString::Int(ADMIN.into())),
                ..HttpProbe::default()
            }),
            ..Probe::default()
        };
        let scales = settings.max_replicas > settings.replicas;
        let quantities = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, amount)| ((*name).to_owned(), Quantity((*amount).to_owned()))).collect()
        };
        MicroserviceSpec {
            image: settings.image.clone(),
            args: vec![
                format!("--config-secret={}/{}", self.key().0, self.name()),
                format!("--access-log={}", settings.access_log),
            ],
            replicas: (!scales).then_some(settings.replicas),
            autoscaling: scales.then(|| Autoscaling {
                min: Some(settings.replicas),
                max: settings.max_replicas,
                ..Autoscaling::default()
            }),
            probes: Some(Probes {
                readiness: Some(Probe { period_seconds: Some(2), ..probe("/readyz") }),
                liveness: Some(probe("/livez")),
                startup: None,
            }),
            // It ends in steps of its own, in the first of which it still takes connections.
            lifecycle: Some(Lifecycle {
                drain_seconds: Some(0),
                termination_grace_period_seconds: Some(GRACE_SECONDS),
            }),
            resources: Some(Resources {
                requests: quantities(&[("cpu", "50m"), ("memory", "64Mi")]),
                limits: quantities(&[("memory", "1Gi")]),
            }),
            service_account: Some(ServiceAccount { mount_token: Some(true), ..ServiceAccount::default() }),
            network: Some(Network {
                egress: Some(Egress { allow_all: Some(true), ..Egress::default() }),
                ..Network::default()
            }),
            overlays: self.overlays(),
            ..MicroserviceSpec::default()
        }
    }

    /// Labels and annotations of the gateway on what runs it, and an open way to its listeners.
    fn overlays(&self) -> Vec<Overlay> {
        let metadata = json!({"labels": self.labels(), "annotations": self.annotations()});
        let ports: Vec<_> = self
            .served
            .ports
            .iter()
            .map(|port| json!({"port": port.target, "protocol": if port.is_udp { "UDP" } else { "TCP" }}))
            .collect();
        let patches = [
            (OverlayKind::ServiceAccount, json!({"metadata": metadata})),
            (
                OverlayKind::Deployment,
                json!({"metadata": metadata, "spec": {"template": {"metadata": metadata}}}),
            ),
            (OverlayKind::NetworkPolicy, json!({"spec": {"ingress": [{"ports": ports}]}})),
        ];
        let overlay = |(kind, patch): (OverlayKind, Value)| Overlay {
            target: OverlayTarget { kind, name: None },
            patch: patch.as_object().cloned().unwrap_or_default(),
        };
        patches.into_iter().map(overlay).collect()
    }
}

/// The name of the `Microservice` that runs a gateway.
pub fn name(gateway: &Gateway) -> String {
    names::microservice(&gateway.name_any(), &gateway.spec.gateway_class_name)
}

/// The binding by which all gateways see endpoints.
pub fn cluster_role_binding(gateways: impl Iterator<Item = (String, String)>) -> Wanted {
    let subjects: Vec<_> = gateways.map(|(namespace, name)| subject(&namespace, &name)).collect();
    let manifest = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": CLUSTER_ROLE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": CLUSTER_ROLE},
        "subjects": subjects,
    });
    Wanted { kind: Kind::ClusterRoleBinding, name: CLUSTER_ROLE.to_owned(), manifest }
}

fn subject(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
}

/// Why a `Microservice` does not serve, in its own words; `None` when it does.
pub fn waits_for(microservice: Option<&Microservice>) -> Option<String> {
    let Some(microservice) = microservice else { return Some("its Microservice is being made".to_owned()) };
    let conditions =
        microservice.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    match conditions.iter().find(|condition| condition.type_ == flotilla_crds::v1alpha1::condition::READY) {
        Some(ready) if ready.status == "True" => None,
        Some(ready) => {
            Some(format!("Microservice {:?} is not ready: {}", microservice.name_any(), ready.message))
        }
        None => Some(format!("Microservice {:?} is not ready yet", microservice.name_any())),
    }
}
