//! Who may call the service and whom it may call, beyond `dependsOn`.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may call the service and whom it may call, beyond what `dependsOn` declares on either side.
///
/// Left out: nobody and nothing but DNS. What reaches the pods from their node, such as health checks, always passes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Network {
    /// Left out: `Enforced`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<NetworkPolicyMode>,

    /// Who else may call the service. It is also the consent to callers of other namespaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub allow_from: Vec<AllowedPeer>,

    /// Whom else it may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Egress>,

    /// Whether the mesh lets only callers in whose certificate it knows. Left out: as the class says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtls: Option<MutualTls>,
}

/// What a mesh asks of callers: a `PeerAuthentication` of Istio.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MutualTls {
    /// A certificate of the mesh.
    Strict,
    /// A certificate of the mesh, or none.
    Permissive,
    /// Nothing, and traffic is not encrypted.
    Disabled,
}

/// Whether there is a NetworkPolicy.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetworkPolicyMode {
    /// There is one: what is not declared does not pass.
    #[default]
    Enforced,
    /// There is none, and all traffic passes.
    Disabled,
}

/// Somebody who may call the service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.microservice) || has(self.namespace) || has(self.podLabels) || has(self.cidr)").message("write at least one of microservice, namespace, podLabels and cidr"),
    validation = Rule::new("!has(self.cidr) || !(has(self.microservice) || has(self.namespace) || has(self.podLabels))").message("cidr stands alone: write the others in an entry of their own"),
    validation = Rule::new("!(has(self.microservice) && has(self.podLabels))").message("write microservice or podLabels, not both")
)]
pub struct AllowedPeer {
    /// Pods of this Microservice, of the same namespace unless `namespace` says another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 52))]
    pub microservice: Option<String>,

    /// Pods of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,

    /// Pods with these labels, of the same namespace unless `namespace` says another.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub pod_labels: BTreeMap<String, String>,

    /// Addresses, such as 192.0.2.0/24.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 3, max = 64), regex(pattern = "^[0-9a-fA-F.:]+/[0-9]{1,3}$"))]
    pub cidr: Option<String>,
}

/// Whom the service may call.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Egress {
    /// Addresses, such as 192.0.2.0/24.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 3, max = 64), regex(pattern = "^[0-9a-fA-F.:]+/[0-9]{1,3}$")), extend("x-kubernetes-list-type" = "set"))]
    pub cidrs: Vec<String>,

    /// Everybody. Left out: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_all: Option<bool>,
}
