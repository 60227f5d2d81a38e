//! What kind of workload runs the pods.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Quantity;

/// What kind of workload runs the pods. It cannot be changed: delete the service and write it anew.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.kind) && self.kind == 'StatefulSet') == (has(oldSelf.kind) && oldSelf.kind == 'StatefulSet')").message("workload.kind cannot be changed: delete the service and write it anew").field_path(".kind"),
    validation = Rule::new("has(self.volumeClaimTemplates) == has(oldSelf.volumeClaimTemplates) && (!has(self.volumeClaimTemplates) || self.volumeClaimTemplates == oldSelf.volumeClaimTemplates)").message("volumeClaimTemplates cannot be changed, as in a StatefulSet: delete the service, which keeps its data, and write it anew").field_path(".volumeClaimTemplates"),
    validation = Rule::new("!has(self.volumeClaimTemplates) || size(self.volumeClaimTemplates) == 0 || self.?kind.orValue('Deployment') == 'StatefulSet'").message("volumeClaimTemplates need kind StatefulSet; a claim that all pods share is a volume").field_path(".volumeClaimTemplates")
)]
pub struct Workload {
    /// Left out: `Deployment`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<WorkloadKind>,

    /// A volume of its own for each pod, which stays when the pod goes. Containers mount it by `volumeMounts`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub volume_claim_templates: Vec<VolumeClaimTemplate>,
}

/// A kind of workload.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WorkloadKind {
    /// Pods that are all alike.
    #[default]
    Deployment,
    /// Pods with a name and volumes of their own, replaced one after the other.
    StatefulSet,
}

/// A volume of its own for each pod. It cannot be changed, as in a StatefulSet.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct VolumeClaimTemplate {
    /// Name, as `volumeMounts` use it.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// How much it holds, such as `10Gi`.
    pub storage: Quantity,

    /// The StorageClass. Left out: the default one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,

    /// Left out: `ReadWriteOnce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,
}

/// Who may use a volume.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessMode {
    /// The pods of one node.
    #[default]
    ReadWriteOnce,
    /// One pod.
    ReadWriteOncePod,
    /// All.
    ReadWriteMany,
}

/// What stays when the service is deleted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletionPolicy {
    /// What becomes of the volumes of `workload.volumeClaimTemplates`. Left out: `Retain`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataPolicy>,
}

/// What becomes of data.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DataPolicy {
    /// It stays, and a service of the same name finds it again.
    #[default]
    Retain,
    /// It goes with the service.
    Delete,
}
