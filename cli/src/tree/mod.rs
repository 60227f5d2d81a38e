//! What a service consists of, as a tree. Pure.

pub mod show;

use flotilla_crds::v1alpha1::{InventoryEntry, InventoryState, Microservice};
use k8s_openapi::api::{apps::v1::ReplicaSet, core::v1::Pod};
use kube::{ResourceExt as _, api::DynamicObject};
use serde::Serialize;

use crate::{pod, summary::Summary};

/// An object of the tree.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether it is ready; left out where there is nothing to be ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// How it is, in short.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub status: String,
    /// What belongs to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

/// What the cluster has of a service.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// The objects of the inventory; `None` for those that are not there.
    pub objects: Vec<(InventoryEntry, Option<DynamicObject>)>,
    /// Its `ReplicaSet`s.
    pub replica_sets: Vec<ReplicaSet>,
    /// Its pods.
    pub pods: Vec<Pod>,
}

/// The tree of a service.
pub fn build(microservice: &Microservice, found: &Found) -> Node {
    let summary = Summary::of(microservice);
    Node {
        kind: "Microservice".to_owned(),
        name: microservice.name_any(),
        ready: Some(summary.is_ready()),
        status: format!("{}: {}", summary.reason, summary.message),
        children: found.objects.iter().map(|(entry, live)| of_entry(entry, live.as_ref(), found)).collect(),
    }
}

fn of_entry(entry: &InventoryEntry, live: Option<&DynamicObject>, found: &Found) -> Node {
    let node = |ready, status: String, children| Node {
        kind: entry.kind.clone(),
        name: entry.name.clone(),
        ready,
        status,
        children,
    };
    if let (InventoryState::Failed, Some(message)) = (entry.state, &entry.message) {
        return node(Some(false), message.clone(), Vec::new());
    }
    let Some(live) = live else {
        return node(Some(false), "is in the inventory, and not in the cluster".to_owned(), Vec::new());
    };
    let number = |path: &str| live.data.pointer(path).and_then(serde_json::Value::as_i64);
    match entry.kind.as_str() {
        "Deployment" => {
            let (ready, status) = workload(number("/status/readyReplicas"), number("/spec/replicas"));
            let children =
                found.replica_sets.iter().filter(|set| is_owned(&set.metadata, live.uid().as_deref()));
            let children =
                children.filter(|set| !is_former(set)).map(|set| of_replica_set(set, found)).collect();
            node(Some(ready), status, children)
        }
        "StatefulSet" => {
            let (ready, status) = workload(number("/status/readyReplicas"), number("/spec/replicas"));
            node(Some(ready), status, pods_of(live.uid().as_deref(), found))
        }
        "Job" => {
            let done = number("/status/succeeded").unwrap_or(0) > 0;
            let status = if done { "has succeeded" } else { "has not succeeded yet" };
            node(Some(done), status.to_owned(), pods_of(live.uid().as_deref(), found))
        }
        "HorizontalPodAutoscaler" => {
            let numbers = ["/status/currentReplicas", "/spec/minReplicas", "/spec/maxReplicas"].map(number);
            let [now, min, max] = numbers.map(|number| number.unwrap_or(1));
            node(None, format!("{now} pods, between {min} and {max}"), Vec::new())
        }
        "PodDisruptionBudget" => {
            let allowed = number("/status/disruptionsAllowed").unwrap_or(0);
            node(None, format!("{allowed} pods may go now"), Vec::new())
        }
        _ => node(None, String::new(), Vec::new()),
    }
}

/// Whether as many pods are ready as are wanted, and how many there are.
fn workload(ready: Option<i64>, wanted: Option<i64>) -> (bool, String) {
    let (ready, wanted) = (ready.unwrap_or(0), wanted.unwrap_or(1));
    (ready >= wanted, format!("{ready}/{wanted} pods ready"))
}

fn pods_of(uid: Option<&str>, found: &Found) -> Vec<Node> {
    found.pods.iter().filter(|pod| is_owned(&pod.metadata, uid)).map(of_pod).collect()
}

/// A ReplicaSet of a former version, kept by Kubernetes with no pods.
fn is_former(set: &ReplicaSet) -> bool {
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas);
    wanted == Some(0) && set.status.as_ref().is_none_or(|status| status.replicas == 0)
}

fn of_replica_set(set: &ReplicaSet, found: &Found) -> Node {
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let ready = set.status.as_ref().and_then(|status| status.ready_replicas).unwrap_or(0);
    Node {
        kind: "ReplicaSet".to_owned(),
        name: set.name_any(),
        ready: Some(ready >= wanted),
        status: format!("{ready}/{wanted} pods ready"),
        children: pods_of(set.uid().as_deref(), found),
    }
}

fn of_pod(pod: &Pod) -> Node {
    let restarts = match pod::restarts(pod) {
        0 => String::new(),
        times => format!(", {times} restarts"),
    };
    Node {
        kind: "Pod".to_owned(),
        name: pod.name_any(),
        ready: Some(pod::is_ready(pod)),
        status: format!("{}{restarts}", pod::word(pod)),
        children: Vec::new(),
    }
}

fn is_owned(
    metadata: &k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta,
    uid: Option<&str>,
) -> bool {
    uid.is_some_and(|uid| flotilla_operator::cluster::ownership::is_controlled_by(metadata, uid))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;
    use crate::{pod::tests as pods, summary::tests as services};

    pub(crate) fn example() -> Node {
        let microservice = services::broken();
        let inventory = microservice.status.clone().unwrap().inventory;
        let live = |entry: &InventoryEntry| {
            serde_json::from_value(json!({
                "apiVersion": "v1", "kind": entry.kind,
                "metadata": {"name": entry.name, "uid": format!("uid-{}", entry.kind)},
                "spec": {"replicas": 2}, "status": {"readyReplicas": 1},
            }))
            .unwrap()
        };
        let set = |name: &str, replicas: i32| {
            serde_json::from_value(json!({
                "metadata": {"name": name, "uid": name.replace("orders", "rs"), "ownerReferences": [{"apiVersion": "apps/v1",
                    "kind": "Deployment", "name": "orders", "uid": "uid-Deployment", "controller": true}]},
                "spec": {"replicas": replicas, "selector": {}}, "status": {"replicas": replicas, "readyReplicas": 1},
            }))
            .unwrap()
        };
        let mut objects: Vec<_> = inventory.iter().map(|entry| (entry.clone(), Some(live(entry)))).collect();
        objects[1].1 = None;
        let found = Found {
            objects,
            replica_sets: vec![set("orders-a", 0), set("orders-b", 2)],
            pods: vec![pods::running("orders-b-1"), pods::crashing("orders-b-2")],
        };
        build(&microservice, &found)
    }

    #[test]
    fn a_tree_goes_from_the_service_to_its_pods() {
        let tree = example();
        let deployment = &tree.children[2];
        assert_eq!(deployment.children.len(), 1, "the former ReplicaSet has no pods and is left out");
        assert_eq!(deployment.children[0].children.len(), 2);
        assert_eq!(tree.children[1].ready, Some(false), "what is missing is not ready");
    }
}
