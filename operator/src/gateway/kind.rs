//! The kinds that the control plane of the gateway writes: some whole, of others the status alone.

use kube::core::{ApiResource, GroupVersionKind};

use super::{GROUP, compile::RouteKind};
use crate::cluster::{capability::Optional, kind::Written};

/// A kind. Those that are made come in the order in which they are written; they are deleted in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1/Secret`: the configuration, before those who read it.
    Secret,
    /// `rbac.authorization.k8s.io/v1 Role`: the right to read it.
    Role,
    /// `rbac.authorization.k8s.io/v1 RoleBinding`.
    RoleBinding,
    /// `rbac.authorization.k8s.io/v1 ClusterRoleBinding`: the right to see endpoints, of all gateways.
    ClusterRoleBinding,
    /// `v1/Service`: the address.
    Service,
    /// `flotilla.dev/v1alpha1 Microservice`: what runs a gateway.
    Microservice,
    /// `GatewayClass`, of which the status is written.
    GatewayClass,
    /// `Gateway`, of which the status is written.
    Gateway,
    /// `ListenerSet`, of which the status is written.
    ListenerSet,
    /// `BackendTLSPolicy`, of which the status is written.
    BackendTlsPolicy,
    /// `TrafficPolicy`, of which the status is written.
    TrafficPolicy,
    /// A route, of which the status is written.
    Route(RouteKind),
    /// `ReferenceGrant`, which is read.
    ReferenceGrant,
}

impl Kind {
    /// The kinds that are made for a gateway and belong to it.
    pub const MADE: [Self; 5] =
        [Self::Secret, Self::Role, Self::RoleBinding, Self::Service, Self::Microservice];

    /// The kinds that a cluster may lack: those of the Gateway API, and one of ours that came later.
    pub const OPTIONAL: [Self; 11] = [
        Self::TrafficPolicy,
        Self::GatewayClass,
        Self::Gateway,
        Self::ListenerSet,
        Self::BackendTlsPolicy,
        Self::ReferenceGrant,
        Self::Route(RouteKind::Http),
        Self::Route(RouteKind::Grpc),
        Self::Route(RouteKind::Tls),
        Self::Route(RouteKind::Tcp),
        Self::Route(RouteKind::Udp),
    ];

    /// The plural of its name.
    const fn plural(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::Role => "roles",
            Self::RoleBinding => "rolebindings",
            Self::ClusterRoleBinding => "clusterrolebindings",
            Self::Service => "services",
            Self::Microservice => "microservices",
            Self::GatewayClass => "gatewayclasses",
            Self::Gateway => "gateways",
            Self::ListenerSet => "listenersets",
            Self::BackendTlsPolicy => "backendtlspolicies",
            Self::TrafficPolicy => "trafficpolicies",
            Self::ReferenceGrant => "referencegrants",
            Self::Route(RouteKind::Http) => "httproutes",
            Self::Route(RouteKind::Grpc) => "grpcroutes",
            Self::Route(RouteKind::Tls) => "tlsroutes",
            Self::Route(RouteKind::Tcp) => "tcproutes",
            Self::Route(RouteKind::Udp) => "udproutes",
        }
    }
}

impl Written for Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::ClusterRoleBinding => "ClusterRoleBinding",
            Self::Service => "Service",
            Self::Microservice => "Microservice",
            Self::GatewayClass => "GatewayClass",
            Self::Gateway => "Gateway",
            Self::ListenerSet => "ListenerSet",
            Self::BackendTlsPolicy => "BackendTLSPolicy",
            Self::TrafficPolicy => "TrafficPolicy",
            Self::ReferenceGrant => "ReferenceGrant",
            Self::Route(kind) => kind.name(),
        }
    }

    fn api_resource(self) -> ApiResource {
        let (group, version) = match self {
            Self::Secret | Self::Service => ("", "v1"),
            Self::Role | Self::RoleBinding | Self::ClusterRoleBinding => ("rbac.authorization.k8s.io", "v1"),
            Self::Microservice | Self::TrafficPolicy => (flotilla_crds::GROUP, "v1alpha1"),
            _ => (GROUP, "v1"),
        };
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, self.name()), self.plural())
    }
}

impl Optional for Kind {
    fn definition(self) -> Option<String> {
        Self::OPTIONAL.contains(&self).then(|| format!("{}.{}", self.plural(), self.api_resource().group))
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
