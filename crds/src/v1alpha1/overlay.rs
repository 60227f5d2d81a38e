//! Changes to objects of a service that no field of `spec` can say.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A change to an object that the operator makes for the service.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[x_kube(
    validation = Rule::new("!has(self.patch.apiVersion) && !has(self.patch.kind) && !has(self.patch.status)").message("a patch holds metadata and spec: the object is named by target").field_path(".patch"),
    validation = Rule::new("!(self.target.kind in ['HTTPRoute', 'GRPCRoute']) || !has(self.patch.spec)").message("what a route says is in spec.routes: a patch of a route may hold labels and annotations").field_path(".patch")
)]
pub struct Overlay {
    /// The object.
    pub target: OverlayTarget,

    /// What is merged into it: maps field by field, containers, variables, volumes and other lists of named things by
    /// the name of the item, all other lists as a whole. `null` removes a field.
    #[schemars(schema_with = "super::schema::patch")]
    pub patch: Map<String, Value>,
}

/// An object that the operator makes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct OverlayTarget {
    /// Its kind.
    pub kind: OverlayKind,

    /// Its name. Left out: every object of that kind that the service has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,
}

/// A kind that can be changed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names of Kubernetes")]
pub enum OverlayKind {
    ServiceAccount,
    NetworkPolicy,
    Service,
    Job,
    #[default]
    Deployment,
    StatefulSet,
    PodDisruptionBudget,
    HorizontalPodAutoscaler,
    CronJob,
    #[serde(rename = "HTTPRoute")]
    HttpRoute,
    #[serde(rename = "GRPCRoute")]
    GrpcRoute,
    ServiceMonitor,
    PodMonitor,
    PrometheusRule,
    ScaledObject,
}
