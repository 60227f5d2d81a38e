//! The fixed list of kinds that the operator writes.

use kube::core::{ApiResource, GroupVersionKind};

/// A kind that the operator writes. The order is that of apply; pruning goes the other way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1/ServiceAccount`: before the pods that run as it.
    ServiceAccount,
    /// `v1/ConfigMap`: before the pods that mount it.
    ConfigMap,
    /// `flotilla.dev/v1alpha1 MicroserviceRevision`: before the Deployment that runs it.
    Revision,
    /// `networking.k8s.io/v1 NetworkPolicy`: before the pods that it protects.
    NetworkPolicy,
    /// `v1/Service`.
    Service,
    /// `batch/v1/Job`: migrations, before the Deployment that needs them.
    Job,
    /// `apps/v1/Deployment`: when all that it needs is there.
    Deployment,
    /// `apps/v1/StatefulSet`: in place of the Deployment.
    StatefulSet,
    /// `policy/v1/PodDisruptionBudget`.
    PodDisruptionBudget,
    /// `autoscaling/v2/HorizontalPodAutoscaler`: after the Deployment that it scales.
    HorizontalPodAutoscaler,
    /// `batch/v1/CronJob`.
    CronJob,
    /// `cert-manager.io/v1 Certificate`, where cert-manager is installed.
    Certificate,
    /// `gateway.networking.k8s.io/v1 ListenerSet`: before the routes that attach to it.
    ListenerSet,
    /// `gateway.envoyproxy.io/v1alpha1 SecurityPolicy`, where Envoy Gateway is installed: before the routes that it protects.
    SecurityPolicy,
    /// `gateway.envoyproxy.io/v1alpha1 BackendTrafficPolicy`, where Envoy Gateway is installed.
    BackendTrafficPolicy,
    /// `flotilla.dev/v1alpha1 TrafficPolicy`, for gateways of ours: before the routes that it protects.
    TrafficPolicy,
    /// `gateway.networking.k8s.io/v1 HTTPRoute`, where the Gateway API is installed.
    HttpRoute,
    /// `gateway.networking.k8s.io/v1 GRPCRoute`, where the Gateway API is installed.
    GrpcRoute,
    /// `monitoring.coreos.com/v1 ServiceMonitor`, where the Prometheus operator is installed.
    ServiceMonitor,
    /// `monitoring.coreos.com/v1 PodMonitor`, where the Prometheus operator is installed.
    PodMonitor,
    /// `monitoring.coreos.com/v1 PrometheusRule`, where the Prometheus operator is installed.
    PrometheusRule,
    /// `keda.sh/v1alpha1 ScaledObject`, where KEDA is installed.
    ScaledObject,
    /// `security.istio.io/v1 PeerAuthentication`, where Istio is installed.
    PeerAuthentication,
}

/// A kind that can be written.
pub trait Written: Copy {
    /// The name of the kind.
    fn name(self) -> &'static str;

    /// How the API server serves it.
    fn api_resource(self) -> ApiResource;
}

impl Written for Kind {
    fn name(self) -> &'static str {
        self.name()
    }

    fn api_resource(self) -> ApiResource {
        self.api_resource()
    }
}

/// How a kind is named and served.
struct Names {
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
}

impl Kind {
    /// Every kind, in the order of apply.
    pub const ALL: [Self; 23] = [
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::Revision,
        Self::NetworkPolicy,
        Self::Service,
        Self::Job,
        Self::Deployment,
        Self::StatefulSet,
        Self::PodDisruptionBudget,
        Self::HorizontalPodAutoscaler,
        Self::CronJob,
        Self::Certificate,
        Self::ListenerSet,
        Self::SecurityPolicy,
        Self::BackendTrafficPolicy,
        Self::TrafficPolicy,
        Self::HttpRoute,
        Self::GrpcRoute,
        Self::ServiceMonitor,
        Self::PodMonitor,
        Self::PrometheusRule,
        Self::ScaledObject,
        Self::PeerAuthentication,
    ];

    const fn names(self) -> Names {
        let (group, version, kind, plural) = match self {
            Self::ServiceAccount => ("", "v1", "ServiceAccount", "serviceaccounts"),
            Self::ConfigMap => ("", "v1", "ConfigMap", "configmaps"),
            Self::Revision => ("flotilla.dev", "v1alpha1", "MicroserviceRevision", "microservicerevisions"),
            Self::NetworkPolicy => ("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies"),
            Self::Service => ("", "v1", "Service", "services"),
            Self::Deployment => ("apps", "v1", "Deployment", "deployments"),
            Self::StatefulSet => ("apps", "v1", "StatefulSet", "statefulsets"),
            Self::PodDisruptionBudget => ("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets"),
            Self::HorizontalPodAutoscaler => {
                ("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers")
            }
            Self::Job => ("batch", "v1", "Job", "jobs"),
            Self::CronJob => ("batch", "v1", "CronJob", "cronjobs"),
            Self::Certificate => ("cert-manager.io", "v1", "Certificate", "certificates"),
            Self::ListenerSet => ("gateway.networking.k8s.io", "v1", "ListenerSet", "listenersets"),
            Self::SecurityPolicy => {
                ("gateway.envoyproxy.io", "v1alpha1", "SecurityPolicy", "securitypolicies")
            }
            Self::BackendTrafficPolicy => {
                ("gateway.envoyproxy.io", "v1alpha1", "BackendTrafficPolicy", "backendtrafficpolicies")
            }
            Self::TrafficPolicy => ("flotilla.dev", "v1alpha1", "TrafficPolicy", "trafficpolicies"),
            Self::HttpRoute => ("gateway.networking.k8s.io", "v1", "HTTPRoute", "httproutes"),
            Self::GrpcRoute => ("gateway.networking.k8s.io", "v1", "GRPCRoute", "grpcroutes"),
            Self::ServiceMonitor => ("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
            Self::PodMonitor => ("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors"),
            Self::PrometheusRule => ("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules"),
            Self::ScaledObject => ("keda.sh", "v1alpha1", "ScaledObject", "scaledobjects"),
            Self::PeerAuthentication => {
                ("security.istio.io", "v1", "PeerAuthentication", "peerauthentications")
            }
        };
        Names { group, version, kind, plural }
    }

    /// API group; empty for the core group.
    pub const fn group(self) -> &'static str {
        self.names().group
    }

    /// The name of the kind.
    pub const fn name(self) -> &'static str {
        self.names().kind
    }

    /// The kind with this group and name, if the operator writes it.
    pub fn find(group: &str, name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.group() == group && kind.name() == name)
    }

    /// `apiVersion` of its objects.
    pub fn api_version(self) -> String {
        self.api_resource().api_version
    }

    /// How the API server serves it.
    pub fn api_resource(self) -> ApiResource {
        let Names { group, version, kind, plural } = self.names();
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
    }

    /// The name of its definition; `None` for a kind that every cluster of ours has.
    pub fn definition(self) -> Option<String> {
        let Names { group, plural, .. } = self.names();
        let optional = matches!(
            group,
            "gateway.networking.k8s.io"
                | "cert-manager.io"
                | "monitoring.coreos.com"
                | "keda.sh"
                | "security.istio.io"
                | "gateway.envoyproxy.io"
        );
        // It came later than the others of our group.
        (optional || self == Self::TrafficPolicy).then(|| format!("{plural}.{group}"))
    }

    /// Whether the children of a service are all known by their label, so that only those are watched. Of the
    /// others each object may be in the way by its name.
    pub const fn is_labelled(self) -> bool {
        matches!(self, Self::ConfigMap | Self::Revision | Self::Job)
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}
