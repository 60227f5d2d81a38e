//! What the caches keep of each kind: what a decision or a status can depend on, and nothing else.

use flotilla_crds::v1alpha1::{Microservice, MicroserviceClass};
use k8s_openapi::{
    api::core::v1::{ConfigMap, ContainerStatus, Pod, PodStatus, Secret},
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Resource,
    api::{DynamicObject, PartialObjectMeta},
    core::ClusterResourceScope,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{plan::VERSION_LABEL, status::JOB_LABEL};
use crate::cluster::{
    ADOPT_ANNOTATION, FIELD_MANAGER, MICROSERVICE_LABEL, PART_OF_LABEL, cache::Kept, kind::Kind, ownership,
};

impl Kept for Microservice {}

impl Kept for MicroserviceClass {}

impl Kept for Pod {
    fn group(&self) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(PART_OF_LABEL).map(String::as_str)
    }
}

/// Of these the version is all that is read.
impl Kept for PartialObjectMeta<ConfigMap> {
    const VERSION_IS_NEWS: bool = true;
}

impl Kept for PartialObjectMeta<Secret> {
    const VERSION_IS_NEWS: bool = true;
}

/// Children are found by the `Microservice` that controls them.
impl Kept for DynamicObject {
    fn group(&self) -> Option<&str> {
        ownership::controller(&self.metadata).map(|owner| &*owner.uid)
    }

    fn read(json: &str) -> serde_json::Result<Self> {
        let mut fields: Map<String, Value> = serde_json::from_str(json)?;
        let metadata = fields.remove("metadata").map(serde_json::from_value).transpose()?.unwrap_or_default();
        fields.remove("apiVersion");
        fields.remove("kind");
        Ok(Self { types: None, metadata, data: Value::Object(fields) })
    }

    fn pack(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(&Child { metadata: &self.metadata, data: &self.data })
    }

    fn unpack(json: &[u8]) -> serde_json::Result<Self> {
        let Child { metadata, data } = serde_json::from_slice::<Child<ObjectMeta, Value>>(json)?;
        Ok(Self { types: None, metadata, data })
    }
}

/// A child with its data apart: to read them out of one flat object takes several times as long.
#[derive(Serialize, Deserialize)]
struct Child<M, D> {
    metadata: M,
    data: D,
}

/// Whether an owner is one of ours.
pub(super) fn is_microservice(owner: &OwnerReference) -> bool {
    owner.kind == Microservice::kind(&()) && owner.api_version.starts_with(flotilla_crds::GROUP)
}

/// How the children of a kind are trimmed.
pub(super) fn child(kind: Kind) -> fn(&mut DynamicObject) {
    match kind {
        Kind::Deployment
        | Kind::StatefulSet
        | Kind::Job
        | Kind::Certificate
        | Kind::ListenerSet
        | Kind::SecurityPolicy
        | Kind::BackendTrafficPolicy
        | Kind::TrafficPolicy
        | Kind::HttpRoute
        | Kind::GrpcRoute => with_status,
        _ => without_status,
    }
}

fn without_status(object: &mut DynamicObject) {
    if let Some(data) = object.data.as_object_mut() {
        data.remove("status");
    }
    with_status(object);
}

/// Of others' objects only whose they are is kept.
fn with_status(object: &mut DynamicObject) {
    object.types = None;
    let ours = ownership::controller(&object.metadata).is_some_and(is_microservice);
    // What may be taken over is looked at as a whole.
    let offered = object.metadata.annotations.iter().flatten().any(|(name, _)| name == ADOPT_ANNOTATION);
    if !ours && !offered {
        object.data = Value::Null;
        object.metadata.annotations = None;
    }
    let Some(entries) = &mut object.metadata.managed_fields else { return };
    if ours {
        entries.retain(|entry| entry.manager.as_deref() == Some(FIELD_MANAGER));
    } else {
        for entry in entries.iter_mut() {
            entry.fields_v1 = None;
        }
    }
    // It moves at each write, also at one that changes nothing.
    for entry in entries {
        entry.time = None;
    }
}

/// How a `Microservice` is trimmed.
pub(super) fn microservice(object: &mut Microservice) {
    object.metadata.managed_fields = None;
}

/// How a `MicroserviceClass` is trimmed.
pub(super) fn class<K: Resource<Scope = ClusterResourceScope>>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// How a ConfigMap or Secret is trimmed.
pub(super) fn reference<K>(object: &mut PartialObjectMeta<K>) {
    object.types = None;
    let ObjectMeta { name, namespace, uid, resource_version, .. } = std::mem::take(&mut object.metadata);
    object.metadata = ObjectMeta { name, namespace, uid, resource_version, ..ObjectMeta::default() };
}

/// The labels of a pod that are read.
const LABELS: [&str; 4] = [MICROSERVICE_LABEL, PART_OF_LABEL, VERSION_LABEL, JOB_LABEL];

/// The conditions of a pod that are read.
const CONDITIONS: [&str; 2] = ["PodScheduled", "Ready"];

/// How a pod is trimmed: what is wrong with it is all that is read.
pub(super) fn pod(pod: &mut Pod) {
    pod.spec = None;
    let ObjectMeta {
        name,
        namespace,
        uid,
        resource_version,
        creation_timestamp,
        deletion_timestamp,
        labels,
        ..
    } = std::mem::take(&mut pod.metadata);
    let labels = labels.map(|mut labels| {
        labels.retain(|name, _| LABELS.contains(&&**name));
        labels
    });
    pod.metadata = ObjectMeta {
        name,
        namespace,
        uid,
        resource_version,
        creation_timestamp,
        deletion_timestamp,
        labels,
        ..ObjectMeta::default()
    };
    pod.status = pod.status.take().map(|status| PodStatus {
        phase: status.phase,
        reason: status.reason,
        message: status.message,
        conditions: status
            .conditions
            .map(|all| all.into_iter().filter(|condition| CONDITIONS.contains(&&*condition.type_)).collect()),
        init_container_statuses: status.init_container_statuses.map(containers),
        container_statuses: status.container_statuses.map(containers),
        ..PodStatus::default()
    });
}

fn containers(all: Vec<ContainerStatus>) -> Vec<ContainerStatus> {
    let trimmed = |status: ContainerStatus| ContainerStatus {
        name: status.name,
        image: status.image,
        image_id: status.image_id,
        ready: status.ready,
        restart_count: status.restart_count,
        state: status.state,
        last_state: status.last_state,
        ..ContainerStatus::default()
    };
    all.into_iter().map(trimmed).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(owner: Value, annotations: Value) -> DynamicObject {
        serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "shop", "namespace": "ns", "annotations": annotations, "ownerReferences": owner, "managedFields": [
                {"manager": FIELD_MANAGER, "operation": "Apply", "time": "2026-01-01T00:00:00Z", "fieldsV1": {"f:spec": {}}},
                {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status", "fieldsV1": {"f:status": {}}},
            ]},
            "spec": {"replicas": 1}, "status": {"replicas": 1},
        }))
        .unwrap()
    }

    fn trimmed(kind: Kind, mut object: DynamicObject) -> Value {
        child(kind)(&mut object);
        let kept = DynamicObject::unpack(&object.pack().unwrap()).unwrap();
        assert_eq!(kept, object);
        serde_json::to_value(kept).unwrap()
    }

    #[test]
    fn of_our_children_what_drift_and_status_need_is_kept() {
        let owner = json!([{"apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice", "name": "shop", "uid": "1", "controller": true}]);
        let object = deployment(owner, json!({"a": "b"}));
        let kept = trimmed(Kind::Deployment, object.clone());
        assert_eq!(
            kept["metadata"]["managedFields"],
            json!([
            {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:spec": {}}}])
        );
        assert_eq!((&kept["spec"], &kept["status"]), (&json!({"replicas": 1}), &json!({"replicas": 1})));
        assert_eq!(kept["metadata"]["annotations"], json!({"a": "b"}));
        assert_eq!(trimmed(Kind::Service, object)["status"], Value::Null);
    }

    #[test]
    fn of_the_objects_of_others_only_whose_they_are_is_kept() {
        let kept = trimmed(Kind::Deployment, deployment(json!([]), json!({"a": "b"})));
        assert_eq!((&kept["spec"], &kept["metadata"]["annotations"]), (&Value::Null, &Value::Null));
        assert_eq!(
            kept["metadata"]["managedFields"][1],
            json!(
            {"manager": "kube-controller-manager", "operation": "Update", "subresource": "status"})
        );
        let offered = trimmed(Kind::Deployment, deployment(json!([]), json!({ADOPT_ANNOTATION: "shop"})));
        assert_eq!(offered["spec"], json!({"replicas": 1}));
    }

    #[test]
    fn of_a_pod_its_errors_are_kept() {
        let read = json!({"name": "app", "image": "app:1", "imageID": "sha256:1", "ready": false, "restartCount": 2,
            "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {"exitCode": 3}}});
        let mut unread = read.clone();
        unread["containerID"] = json!("containerd://1");
        let scheduled = json!({"type": "PodScheduled", "status": "True"});
        let mut object: Pod = serde_json::from_value(json!({
            "metadata": {"name": "shop-1", "namespace": "ns", "uid": "1", "labels": {PART_OF_LABEL: "shop", "a": "b"},
                "annotations": {"a": "b"}},
            "spec": {"containers": [{"name": "app"}]},
            "status": {"phase": "Running", "podIP": "192.0.2.1", "containerStatuses": [unread],
                "conditions": [scheduled, {"type": "Initialized", "status": "False"}]},
        }))
        .unwrap();
        pod(&mut object);
        assert_eq!(
            serde_json::to_value(&object).unwrap(),
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": "shop-1", "namespace": "ns", "uid": "1", "labels": {PART_OF_LABEL: "shop"}},
                "status": {"phase": "Running", "containerStatuses": [read], "conditions": [scheduled]},
            })
        );
        assert_eq!(object.group(), Some("shop"));
    }
}
