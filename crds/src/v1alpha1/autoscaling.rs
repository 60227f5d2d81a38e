//! How many pods run as the load changes.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;

/// How many pods run as the load changes: a HorizontalPodAutoscaler, or with `triggers` a ScaledObject of KEDA.
///
/// With none of `cpu`, `memory`, `requestsPerSecond`, `metrics` and `triggers`, the target is 80 percent of the CPU request.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.?min.orValue(1) <= self.max").message("min must not be more than max"),
    validation = Rule::new("self.?min.orValue(1) > 0 || (has(self.triggers) && size(self.triggers) > 0)").message("min 0 needs triggers: only KEDA can scale from nothing").field_path(".min"),
    validation = Rule::new("!has(self.requestsPerSecond) || !has(self.triggers) || size(self.triggers) == 0").message("requestsPerSecond is for a HorizontalPodAutoscaler: with triggers, write one of type prometheus").field_path(".requestsPerSecond")
)]
pub struct Autoscaling {
    /// Pods that run at least. Left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub min: Option<i32>,

    /// Pods that run at most.
    #[schemars(range(min = 1, max = 10000))]
    pub max: i32,

    /// Target of CPU use, in percent of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub cpu: Option<i32>,

    /// Target of memory use, in percent of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub memory: Option<i32>,

    /// Target of requests per second and pod, by the metric that the class names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_per_second: Option<i32>,

    /// Further metrics, which an adapter of the cluster must serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub metrics: Vec<ScalingMetric>,

    /// Triggers of KEDA, in its own form.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub triggers: Vec<Trigger>,

    /// How fast it scales up and down. Left out: as Kubernetes does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<ScalingBehavior>,
}

impl Autoscaling {
    /// What `min` is when it is left out.
    pub const DEFAULT_MIN: i32 = 1;
    /// The CPU target when no target at all is written.
    pub const DEFAULT_CPU: i32 = 80;

    /// Pods that run at least.
    pub fn min(&self) -> i32 {
        self.min.unwrap_or(Self::DEFAULT_MIN)
    }
}

/// A metric: one of the fields.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(validation = Rule::new("[has(self.pods), has(self.object), has(self.external)].filter(x, x).size() == 1").message("write exactly one of pods, object and external"))]
pub struct ScalingMetric {
    /// A metric of each pod, such as requests per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods: Option<PodsMetric>,

    /// A metric of an object of the namespace, such as a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectMetric>,

    /// A metric of something outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalMetric>,
}

/// A metric of each pod.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct PodsMetric {
    /// Name of the metric.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// What the pods have on average at the target.
    pub average_value: Quantity,
}

/// A metric of an object of the namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.averageValue)").message("write exactly one of value and averageValue"))]
pub struct ObjectMetric {
    /// The object.
    pub described_object: DescribedObject,

    /// Name of the metric.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// The target of the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,

    /// The target of the metric divided by the number of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_value: Option<Quantity>,
}

/// An object of the namespace.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct DescribedObject {
    /// `apiVersion` of the object.
    #[schemars(length(min = 1, max = 317))]
    pub api_version: String,

    /// Its kind.
    #[schemars(length(min = 1, max = 63))]
    pub kind: String,

    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// A metric of something outside the cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.value) != has(self.averageValue)").message("write exactly one of value and averageValue"))]
pub struct ExternalMetric {
    /// Name of the metric.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,

    /// Labels that choose among series of that name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    pub match_labels: BTreeMap<String, String>,

    /// The target of the metric.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Quantity>,

    /// The target of the metric divided by the number of pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_value: Option<Quantity>,
}

/// A trigger of KEDA.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Trigger {
    /// Its type, such as `rabbitmq`, `kafka` or `cron`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 63))]
    pub type_: String,

    /// What that type needs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    pub metadata: BTreeMap<String, String>,

    /// The TriggerAuthentication of the namespace by which KEDA reads the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub authentication: Option<String>,
}

/// How fast it scales, in the form that a HorizontalPodAutoscaler has.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingBehavior {
    /// How fast pods are added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,

    /// How fast pods are taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// How fast pods are added or taken away.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// Seconds of the past whose strongest proposal counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,

    /// Which of several policies counts. Left out: `Max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicy>,

    /// Limits of a change.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "atomic"))]
    pub policies: Vec<ScalingPolicy>,
}

/// Which of several policies counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The one that allows the most.
    Max,
    /// The one that allows the least.
    Min,
    /// No change in this direction.
    Disabled,
}

/// A limit of a change.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// Whether `value` counts pods or percent.
    #[serde(rename = "type")]
    pub type_: ScalingPolicyType,

    /// How much may change.
    #[schemars(range(min = 1, max = 10000))]
    pub value: i32,

    /// In how many seconds.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

/// What a limit counts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalingPolicyType {
    /// Pods.
    Pods,
    /// Percent of the pods there are.
    Percent,
}
