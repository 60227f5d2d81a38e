//! What must be written so that the cluster has what was rendered. Pure.

use k8s_openapi::api::core::v1::Pod;
use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

use super::{dereference::Observed, render::Object, revision, scale};
use crate::cluster::{ADOPT_ANNOTATION, MICROSERVICE_LABEL, drift, kind::Kind, ownership};

/// By which a StatefulSet knows the version of a pod.
pub(super) const VERSION_LABEL: &str = "controller-revision-hash";

/// What stands in the way of a plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// Objects of the wanted names belong to others.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Foreign(Vec<Foreign>),
    /// A live object cannot be written as JSON: a defect.
    #[error("cannot compare {kind} {name:?}: {message}")]
    Compare {
        /// Its kind.
        kind: Kind,
        /// Its name.
        name: String,
        /// What happened.
        message: String,
    },
}

/// An object that belongs to somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Foreign {
    kind: Kind,
    name: String,
    owner: String,
}

impl Foreign {
    /// Its kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl std::fmt::Display for Foreign {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { kind, name, owner } = self;
        write!(
            formatter,
            "{kind} {name:?} exists and belongs to {owner}: it is left as it is; delete it, allow it to be taken over by the annotation {ADOPT_ANNOTATION}, or give this Microservice another name"
        )
    }
}

/// What must be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Creations and updates, in order.
    pub writes: Vec<Write>,
    /// Deletions, in order, for when every write has succeeded.
    pub prunes: Vec<Prune>,
    /// Pods that stand in the way of going back, in order.
    pub stuck: Vec<StuckPod>,
    /// Whether something wanted is being deleted by others and must be gone before it is made again.
    pub waits_for_deletion: bool,
}

/// A creation or an update.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    /// What is wanted.
    pub object: Object,
    /// UID of the object that is there; `None` when there is none.
    pub uid: Option<String>,
    /// The live `replicas`, which another field manager must take over first.
    pub handover: Option<i32>,
    /// What somebody else wrote and we take over, when the object is theirs and they allow it.
    pub adopt: Option<Value>,
}

/// A deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prune {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// A pod of a failed version for which a StatefulSet waits, whatever template it has by now
/// (kubernetes.io/docs/concepts/workloads/controllers/statefulset, "Forced rollback").
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StuckPod {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}

/// Plans the way from what is there to what is wanted. Nothing is planned at all when something wanted belongs
/// to somebody else.
pub fn plan(desired: &[Object], observed: &Observed, uid: &str) -> Result<Plan, Error> {
    let mut plan = Plan::default();
    let mut foreign = Vec::new();
    for object in desired {
        match observed.get(object.kind, &object.name) {
            None => {
                plan.writes.push(Write { object: object.clone(), uid: None, handover: None, adopt: None })
            }
            Some(live) if may_adopt(object, live) => plan.writes.push(Write {
                object: object.clone(),
                uid: live.uid(),
                handover: None,
                adopt: Some(former(object.kind, live)),
            }),
            Some(live) if !ownership::is_controlled_by(&live.metadata, uid) => foreign.push(Foreign {
                kind: object.kind,
                name: object.name.clone(),
                owner: ownership::describe(&live.metadata),
            }),
            Some(live) if live.metadata.deletion_timestamp.is_some() => plan.waits_for_deletion = true,
            // What a Job runs cannot be changed, and it runs once.
            Some(_) if object.kind == Kind::Job => {}
            Some(live) => {
                let managed = live.metadata.managed_fields.as_deref().unwrap_or_default();
                let value = as_json(object.kind, live).map_err(|error| Error::Compare {
                    kind: object.kind,
                    name: object.name.clone(),
                    message: error.to_string(),
                })?;
                if drift::differs(&object.manifest, &value, managed) {
                    let handover = scale::handover(&object.manifest, live)
                        .filter(|_| matches!(object.kind, Kind::Deployment | Kind::StatefulSet));
                    plan.writes.push(Write {
                        object: object.clone(),
                        uid: live.uid(),
                        handover,
                        adopt: None,
                    });
                }
            }
        }
    }
    if !foreign.is_empty() {
        return Err(Error::Foreign(foreign));
    }
    plan.prunes = prunes(desired, observed, uid);
    if plan.writes.is_empty() {
        plan.stuck = desired
            .iter()
            .filter(|object| object.kind == Kind::StatefulSet)
            .flat_map(|object| stuck(object, observed))
            .collect();
    }
    Ok(plan)
}

/// Pods that are not ready and are of another version than the one that a StatefulSet went back to.
fn stuck(object: &Object, observed: &Observed) -> Vec<StuckPod> {
    let Some(live) = observed.get(object.kind, &object.name) else {
        return Vec::new();
    };
    let failed = observed.revisions.failed.as_ref().map(|failed| failed.name.as_str());
    let runs = revision::annotated(live);
    let seen = live.data.pointer("/status/observedGeneration").and_then(Value::as_i64);
    let wanted = live.data.pointer("/status/updateRevision").and_then(Value::as_str);
    let went_back = failed.is_some() && runs.is_some() && failed != runs.as_deref();
    if !went_back || seen.is_none() || seen < live.metadata.generation || wanted.is_none() {
        return Vec::new();
    }
    let is_ready = |pod: &Pod| {
        let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
        conditions.into_iter().any(|found| found.type_ == "Ready" && found.status == "True")
    };
    observed
        .pods
        .iter()
        .filter(|pod| {
            let version = pod.metadata.labels.as_ref().and_then(|labels| labels.get(VERSION_LABEL));
            version.is_some_and(|version| wanted != Some(version.as_str()))
        })
        .filter(|pod| pod.metadata.deletion_timestamp.is_none() && !is_ready(pod))
        .filter_map(|pod| Some(StuckPod { name: pod.name_any(), uid: pod.uid()? }))
        .collect()
}

/// Whether the object that is there may be taken over by the service that wants it.
fn may_adopt(object: &Object, live: &DynamicObject) -> bool {
    let service = object.manifest["metadata"]["labels"][MICROSERVICE_LABEL].as_str();
    service.is_some_and(|service| ownership::may_adopt(&live.metadata, service))
}

/// What others wrote of a kind, as far as an apply would leave it where it is.
fn former(kind: Kind, live: &DynamicObject) -> Value {
    let fields: &[&str] = match kind {
        Kind::Deployment | Kind::StatefulSet => &["template", "selector"],
        Kind::Service => &["ports", "selector"],
        _ => &[],
    };
    let spec = |field: &&str| Some(((*field).to_owned(), live.data.get("spec")?.get(*field)?.clone()));
    let spec: serde_json::Map<_, _> = fields.iter().filter_map(spec).collect();
    if spec.is_empty() { Value::Object(serde_json::Map::new()) } else { serde_json::json!({"spec": spec}) }
}

/// A live object as JSON. Items of a list come without `apiVersion` and `kind`, so they are filled in.
fn as_json(kind: Kind, live: &DynamicObject) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::to_value(live)?;
    value["apiVersion"] = Value::from(kind.api_version());
    value["kind"] = Value::from(kind.name());
    Ok(value)
}

/// Everything that the service owns and no longer wants, the last kind first.
fn prunes(desired: &[Object], observed: &Observed, uid: &str) -> Vec<Prune> {
    // A service always wants something; an empty list would be a defect, and deleting all for it a disaster.
    if desired.is_empty() {
        return Vec::new();
    }
    observed
        .objects
        .iter()
        .rev()
        .filter(|((kind, name), _)| {
            !desired.iter().any(|object| object.kind == *kind && object.name == *name)
        })
        .filter(|(_, live)| ownership::is_controlled_by(&live.metadata, uid))
        .filter(|(_, live)| live.metadata.deletion_timestamp.is_none())
        .filter_map(|((kind, name), live)| Some(Prune { kind: *kind, name: name.clone(), uid: live.uid()? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
    use serde_json::json;

    use super::*;
    use crate::{
        cluster::FIELD_MANAGER,
        microservice::render::tests::{UID, rendered},
    };

    /// The cluster after everything in `objects` was applied.
    fn applied(objects: &[Object]) -> Observed {
        let mut observed = Observed::default();
        for object in objects {
            let mut live: DynamicObject = serde_json::from_value(object.manifest.clone()).unwrap();
            // As in a list.
            live.types = None;
            live.metadata.uid = Some(format!("uid-of-{}", object.kind));
            live.metadata.managed_fields = Some(vec![ManagedFieldsEntry {
                manager: Some(FIELD_MANAGER.into()),
                operation: Some("Apply".into()),
                fields_v1: Some(FieldsV1(owned_fields(&object.manifest["spec"]))),
                ..Default::default()
            }]);
            observed.objects.insert((object.kind, object.name.clone()), Arc::new(live));
        }
        observed
    }

    fn owned_fields(spec: &Value) -> Value {
        let Some(fields) = spec.as_object() else {
            return json!({});
        };
        json!({"f:spec": fields.iter().map(|(name, _)| (format!("f:{name}"), json!({}))).collect::<serde_json::Map<_, _>>()})
    }

    fn edit(observed: &mut Observed, kind: Kind, change: impl FnOnce(&mut DynamicObject)) {
        let object = observed.objects.iter_mut().find(|((of, _), _)| *of == kind).unwrap().1;
        change(Arc::make_mut(object));
    }

    const SERVICE: &str = "spec: {image: app:1, ports: [{name: http, port: 80}]}";

    #[test]
    fn an_empty_cluster_gets_everything_in_order() {
        let desired = rendered(SERVICE);
        let plan = plan(&desired, &Observed::default(), UID).unwrap();
        let kinds: Vec<_> = plan.writes.iter().map(|write| write.object.kind).collect();
        assert_eq!(
            kinds,
            [Kind::ServiceAccount, Kind::Revision, Kind::NetworkPolicy, Kind::Service, Kind::Deployment]
        );
        assert_eq!(plan.prunes, []);
    }

    #[test]
    fn a_converged_cluster_gets_nothing() {
        let desired = rendered(SERVICE);
        assert_eq!(plan(&desired, &applied(&desired), UID).unwrap(), Plan::default());
    }

    #[test]
    fn what_was_edited_is_written_again() {
        let desired = rendered(SERVICE);
        let mut observed = applied(&desired);
        edit(&mut observed, Kind::Deployment, |live| live.data["spec"]["replicas"] = json!(7));
        let plan = plan(&desired, &observed, UID).unwrap();
        assert_eq!(plan.writes.len(), 1);
        assert_eq!(plan.writes[0].uid.as_deref(), Some("uid-of-Deployment"));
    }

    #[test]
    fn what_is_no_longer_wanted_is_pruned() {
        let observed = applied(&rendered(SERVICE));
        let plan = plan(&rendered("spec: {image: app:1}"), &observed, UID).unwrap();
        assert!(plan.prunes.contains(&Prune {
            kind: Kind::Service,
            name: "orders".into(),
            uid: "uid-of-Service".into()
        }));
    }

    #[test]
    fn nothing_is_pruned_when_nothing_is_wanted() {
        assert_eq!(plan(&[], &applied(&rendered(SERVICE)), UID).unwrap(), Plan::default());
    }

    #[test]
    fn a_foreign_object_stops_everything_and_is_named() {
        let desired = rendered(SERVICE);
        let mut observed = Observed::default();
        let foreign: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "orders", "labels": {"app.kubernetes.io/managed-by": "Helm"}}
        }))
        .unwrap();
        observed.objects.insert((Kind::Deployment, "orders".into()), Arc::new(foreign));
        let error = plan(&desired, &observed, UID).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Deployment \"orders\" exists and belongs to \"Helm\" (by its label app.kubernetes.io/managed-by): it is left as it is; delete it, allow it to be taken over by the annotation flotilla.dev/adopt, or give this Microservice another name"
        );
    }

    #[test]
    fn a_foreign_object_that_allows_it_is_taken_over_with_what_it_had() {
        let desired = rendered(SERVICE);
        let mut observed = Observed::default();
        let offered = |allowed: &str| -> DynamicObject {
            serde_json::from_value(json!({
                "apiVersion": "v1", "kind": "Service",
                "metadata": {"name": "orders", "uid": "theirs", "annotations": {"flotilla.dev/adopt": allowed}},
                "spec": {"ports": [{"port": 1}], "clusterIP": "192.0.2.1"},
            }))
            .unwrap()
        };
        observed.objects.insert((Kind::Service, "orders".into()), Arc::new(offered("orders")));
        let plan = super::plan(&desired, &observed, UID).unwrap();
        let adopted: Vec<_> = plan.writes.iter().filter_map(|write| write.adopt.clone()).collect();
        assert_eq!(adopted, [json!({"spec": {"ports": [{"port": 1}]}})]);
        observed.objects.insert((Kind::Service, "orders".into()), Arc::new(offered("another")));
        assert!(super::plan(&desired, &observed, UID).is_err());
    }

    #[test]
    fn a_pod_of_the_failed_version_gives_way_once_the_stateful_set_went_back() {
        let desired = rendered("spec: {image: app:1, workload: {kind: StatefulSet}}");
        let mut observed = applied(&desired);
        let pod = |name: &str, version: &str, ready: &str| {
            let pod = json!({
                "metadata": {"name": name, "uid": name, "labels": {"controller-revision-hash": version}},
                "status": {"conditions": [{"type": "Ready", "status": ready}]},
            });
            Arc::new(serde_json::from_value(pod).unwrap())
        };
        observed.pods = vec![pod("a", "old", "True"), pod("b", "bad", "False"), pod("c", "old", "False")];
        edit(&mut observed, Kind::StatefulSet, |live| {
            live.metadata.generation = Some(3);
            live.data["status"] = json!({"observedGeneration": 3, "updateRevision": "old"});
        });
        assert_eq!(plan(&desired, &observed, UID).unwrap().stuck, []);
        observed.revisions.failed = Some(flotilla_crds::v1alpha1::FailedRevision {
            name: "orders-bad".into(),
            message: String::new(),
        });
        let stuck = plan(&desired, &observed, UID).unwrap().stuck;
        assert_eq!(stuck, [StuckPod { name: "b".into(), uid: "b".into() }]);
        edit(&mut observed, Kind::StatefulSet, |live| live.metadata.generation = Some(4));
        assert_eq!(plan(&desired, &observed, UID).unwrap().stuck, [], "its status is of another version");
    }

    #[test]
    fn what_is_being_deleted_is_waited_for() {
        let desired = rendered(SERVICE);
        let mut observed = applied(&desired);
        edit(&mut observed, Kind::Service, |live| {
            live.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        });
        let plan = plan(&desired, &observed, UID).unwrap();
        assert_eq!((plan.writes.len(), plan.waits_for_deletion), (0, true));
    }
}
