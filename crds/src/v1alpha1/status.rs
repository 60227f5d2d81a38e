//! The observed state of a `Microservice`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Types of the conditions in `status.conditions`.
///
/// `Ready` is the summary; `Reconciling` and `Stalled` follow kstatus and are present only while True.
pub mod condition {
    /// The service does its job: enough pods are available. It stays True while a new version rolls out.
    pub const READY: &str = "Ready";
    /// The cluster is on its way to what `spec` says.
    pub const RECONCILING: &str = "Reconciling";
    /// The way is blocked until somebody changes something.
    pub const STALLED: &str = "Stalled";
    /// Everything in `dependsOn` can be called; present only when there is something.
    pub const DEPENDENCIES_READY: &str = "DependenciesReady";
    /// The cluster has everything that `spec` asks for; present only when it has not.
    pub const CAPABILITIES_AVAILABLE: &str = "CapabilitiesAvailable";
    /// Gateways have taken over every route; present only when there are routes.
    pub const ROUTES_ACCEPTED: &str = "RoutesAccepted";
    /// Gateways have taken over every policy; present only when there are policies.
    pub const POLICIES_APPLIED: &str = "PoliciesApplied";
    /// Every migration of the version has succeeded; present only when there are migrations.
    pub const MIGRATIONS_COMPLETE: &str = "MigrationsComplete";
    /// Every object that a binding names has said which Secret it is; present only when one is named.
    pub const BINDINGS_READY: &str = "BindingsReady";
    /// The Deployment has the minimum of available pods.
    pub const AVAILABLE: &str = "Available";
    /// The Deployment is rolling out, or has done so.
    pub const PROGRESSING: &str = "Progressing";
    /// `spec.suspend` is true: nothing is written.
    pub const SUSPENDED: &str = "Suspended";
}

/// What was observed of the service.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct MicroserviceStatus {
    /// The generation of `spec` that the rest of the status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// Ready, Reconciling, Stalled (kstatus), and in detail Available, Progressing, Suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// Pods that exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,

    /// Pods that are ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_replicas: Option<i32>,

    /// Ready and desired pods, as `kubectl get` shows them: `2/3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub ready: Option<String>,

    /// Label selector of the pods; autoscalers read it through `/scale`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub selector: Option<String>,

    /// Where the service is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,

    /// Every address of the service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub endpoints: Vec<Endpoint>,

    /// What the service calls.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub dependencies: Vec<super::DependencyStatus>,

    /// Services that declare to call this one; at most 64 are shown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["namespace", "name"]))]
    pub dependents: Vec<super::Dependent>,

    /// What `spec` names and the operator does not make; at most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub uses: Vec<super::Use>,

    /// What is wrong now, each thing once; at most 32, the worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub problems: Vec<super::Problem>,

    /// The image that runs, as the kubelet names it: by its digest. It changes when a new version has taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub image: Option<String>,

    /// Which versions there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revisions: Option<super::Revisions>,

    /// The objects that the operator made for this service, and prunes when they are no longer wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "atomic"))]
    pub inventory: Vec<InventoryEntry>,
}

/// An address of the service.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Name of the port.
    #[schemars(length(max = 63))]
    pub name: String,

    /// Host and port.
    #[schemars(length(max = 512))]
    pub address: String,

    /// Who can reach it.
    pub visibility: Visibility,
}

/// Who can reach an address.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visibility {
    /// Whoever is in the cluster.
    Cluster,
}

/// An object that the operator made.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct InventoryEntry {
    /// API group; empty for the core group.
    #[schemars(length(max = 253))]
    pub group: String,

    /// Kind.
    #[schemars(length(max = 63))]
    pub kind: String,

    /// Name, in the namespace of the `Microservice`.
    #[schemars(length(max = 253))]
    pub name: String,

    /// How far it is.
    #[serde(default)]
    pub state: InventoryState,

    /// Why it is not there as `spec` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1100))]
    pub message: Option<String>,
}

/// How far an object is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum InventoryState {
    /// It is there as `spec` says.
    #[default]
    Applied,
    /// It could not be made or changed.
    Failed,
    /// It goes.
    Deleting,
}
