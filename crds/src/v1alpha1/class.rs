//! The `MicroserviceClass` kind: what the platform team decides for services.

#![allow(clippy::duplicated_attributes, reason = "several columns are strings")]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{MutualTls, ParentReference, Resources, Rollout, SecurityProfile};

/// The annotation of the class of services that name none.
pub const DEFAULT_CLASS_ANNOTATION: &str = "flotilla.dev/is-default-class";

/// Defaults and limits of services. What a service writes itself wins over a default, never over a limit.
///
/// A service names it in `spec.className`. One that names none has the class with the annotation
/// `flotilla.dev/is-default-class: "true"`, and when there is none, only what is built in.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "flotilla.dev",
    version = "v1alpha1",
    kind = "MicroserviceClass",
    derive = "PartialEq",
    shortname = "msvcclass",
    doc = "Defaults and limits of services, for the platform team. Docs: docs/class.md",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.gateway.domain"),
    printcolumn(
        name = "Default",
        type_ = "string",
        json_path = ".metadata.annotations.flotilla\\.dev/is-default-class"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct MicroserviceClassSpec {
    /// How services are reached from outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<ClassGateway>,

    /// Resources of a service that writes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,

    /// How services are scaled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<ClassAutoscaling>,

    /// What services may ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security: Option<ClassSecurity>,

    /// How services are measured and traced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observability: Option<ClassObservability>,

    /// Who may call services.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<ClassNetwork>,

    /// How versions follow each other where a service does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<ClassRollout>,

    /// What a service may ask for although the cluster does not have it: it is left out, and a condition says so,
    /// and the service is Ready all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub optional_capabilities: Vec<Capability>,
}

/// How services are reached from outside.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.domain) || self.domain.contains('{name}')").message("the domain must contain {name}, or all services would have the same host").field_path(".domain"))]
pub struct ClassGateway {
    /// Gateways of routes that name none. A namespace must be written: a class has none of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub parent_refs: Vec<ParentReference>,

    /// Host of routes that name none, such as `{name}.{namespace}.apps.example.com`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-z0-9{}.-]+$"))]
    pub domain: Option<String>,

    /// What the gateways speak, for `status.url`. Left out: `http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<UrlScheme>,

    /// In whose form `policies` of services are written. Left out: `Flotilla` where the operator runs gateways; otherwise none, so a service that has some is told that they cannot be applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policies: Option<GatewayPolicies>,

    /// Where routes get their certificates that do not say. Left out: from the listeners of the gateways.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClassTls>,
}

/// A form of policies.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayPolicies {
    /// `BackendTrafficPolicy` and `SecurityPolicy` of Envoy Gateway.
    EnvoyGateway,
    /// `TrafficPolicy` of Flotilla's own gateways.
    Flotilla,
}

/// Where routes get their certificates.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClassTls {
    /// Whether each route without `tls` has a certificate of its own. Left out: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificates: Option<bool>,

    /// Who issues the certificates: an issuer of cert-manager.
    pub issuer_ref: IssuerReference,
}

/// An issuer of cert-manager.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct IssuerReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Its kind. Left out: `ClusterIssuer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,

    /// Its API group. Left out: `cert-manager.io`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub group: Option<String>,
}

/// How services are scaled.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClassAutoscaling {
    /// The metric of a pod that the metrics adapter of the cluster serves for `autoscaling.requestsPerSecond`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub requests_per_second_metric: Option<String>,
}

/// The scheme of an address.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum UrlScheme {
    /// Without TLS.
    #[default]
    Http,
    /// With TLS.
    Https,
}

/// What services may ask for.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClassSecurity {
    /// The least strict profile that a service may have. Left out: `Custom`, which is any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_profile: Option<SecurityProfile>,
}

/// Who may call services.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClassNetwork {
    /// What the mesh asks of callers of services that do not say. Left out: nothing is written, so what the mesh itself
    /// says holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtls: Option<MutualTls>,
}

/// How services are measured and traced.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ClassObservability {
    /// What Prometheus is told with. Left out: `ServiceMonitor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitor: Option<MonitorKind>,

    /// Labels of monitors and rules, by which Prometheus selects them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub labels: BTreeMap<String, String>,

    /// Where traces go that name no endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^https?://"))]
    pub tracing_endpoint: Option<String>,
}

/// A kind of the Prometheus operator.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MonitorKind {
    /// It reads through the Service.
    #[default]
    ServiceMonitor,
    /// It reads the pods.
    PodMonitor,
}

/// How versions follow each other: the fields of `rollout` that are not about one version.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClassRollout {
    /// Seconds without progress after which a new version has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub progress_deadline_seconds: Option<i32>,

    /// What happens when a new version fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<super::OnFailure>,

    /// How many former revisions are kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 50))]
    pub revision_history_limit: Option<i32>,
}

impl ClassRollout {
    /// A service's own block with these defaults.
    #[must_use]
    pub fn fill(&self, own: Rollout) -> Rollout {
        Rollout {
            progress_deadline_seconds: own.progress_deadline_seconds.or(self.progress_deadline_seconds),
            on_failure: own.on_failure.or(self.on_failure),
            revision_history_limit: own.revision_history_limit.or(self.revision_history_limit),
            ..own
        }
    }
}

/// Something that a cluster may have or not.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capability {
    /// The Gateway API.
    Routes,
    /// The Prometheus operator.
    Monitoring,
    /// KEDA.
    EventScaling,
    /// cert-manager.
    Certificates,
    /// Istio.
    MutualTls,
    /// A gateway whose policies the operator can write.
    Policies,
}
