//! On which nodes pods run.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// On which nodes pods run. Left out: on any, spread over zones and nodes as well as it goes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    /// Processor architectures that the image has, such as `amd64` and `arm64`. Left out: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 32), regex(pattern = "^[a-z0-9]+$")), extend("x-kubernetes-list-type" = "set"))]
    pub architectures: Vec<String>,

    /// Labels that a node must have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that the pods put up with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub tolerations: Vec<Toleration>,

    /// The PriorityClass of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,

    /// How pods are spread over zones and nodes. Left out: `Default`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topology_spread: Option<TopologySpread>,
}

/// How pods are spread over zones and nodes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TopologySpread {
    /// Evenly where that is possible; a pod runs anyway where it is not.
    #[default]
    Default,
    /// Evenly; a pod waits where that is not possible.
    Strict,
    /// As the scheduler likes.
    None,
}

/// A taint that the pods put up with, in the form that a pod has in Kubernetes.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.?operator.orValue('Equal') != 'Exists' || !has(self.value) || self.value == ''").message("operator Exists takes no value: remove the value, or write operator: Equal"),
    validation = Rule::new("has(self.key) || self.?operator.orValue('Equal') == 'Exists'").message("a toleration without a key needs operator: Exists"),
    validation = Rule::new("!has(self.tolerationSeconds) || self.?effect.orValue('') == 'NoExecute'").message("tolerationSeconds needs effect: NoExecute")
)]
pub struct Toleration {
    /// Key of the taint. Left out: all keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 316))]
    pub key: Option<String>,

    /// Left out: `Equal`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operator: Option<TolerationOperator>,

    /// Value of the taint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub value: Option<String>,

    /// What the taint does. Left out: all effects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<TaintEffect>,

    /// Seconds for which a NoExecute taint is put up with. Left out: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub toleration_seconds: Option<i64>,
}

/// How a toleration is compared with a taint.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TolerationOperator {
    /// Key and value are the same.
    Equal,
    /// The key is the same.
    Exists,
}

/// What a taint does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaintEffect {
    /// No new pods.
    NoSchedule,
    /// New pods only where there is no other node.
    PreferNoSchedule,
    /// Running pods are evicted.
    NoExecute,
}
