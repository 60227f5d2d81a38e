//! The `ScaledObject` of KEDA, which scales by events and to zero.

use flotilla_crds::v1alpha1::{Autoscaling, Trigger};
use serde_json::{Value, json};

use super::{Object, Unmet, metadata};
use crate::{
    cluster::kind::Kind,
    microservice::{
        dereference::Observed,
        validate::{Scale, Validated},
    },
};

/// `None` without triggers.
pub(super) fn render(service: &Validated, observed: &Observed) -> Option<Result<Object, Unmet>> {
    let Scale::Automatic(autoscaling) = &service.scale else {
        return None;
    };
    if autoscaling.triggers.is_empty() {
        return None;
    }
    let kind = Kind::ScaledObject;
    if observed.unserved.contains(&kind) {
        return Some(Err(Unmet::missing_kind(service, kind, "spec.autoscaling.triggers", "install KEDA")));
    }
    let manifest = json!({
        "apiVersion": kind.api_version(),
        "kind": kind.name(),
        "metadata": metadata(service),
        "spec": {
            "scaleTargetRef": {"apiVersion": service.workload.api_version(), "kind": service.workload.name(), "name": service.name},
            "minReplicaCount": autoscaling.min(),
            "maxReplicaCount": autoscaling.max,
            "triggers": triggers(autoscaling),
        },
    });
    Some(Ok(Object { kind, name: service.name.clone(), manifest, first_replicas: None }))
}

fn triggers(autoscaling: &Autoscaling) -> Vec<Value> {
    let utilization = |resource: &str, percent: i32| json!({"type": resource, "metricType": "Utilization", "metadata": {"value": percent.to_string()}});
    let own = autoscaling.cpu.map(|percent| utilization("cpu", percent));
    let memory = autoscaling.memory.map(|percent| utilization("memory", percent));
    let written = autoscaling.triggers.iter().map(|Trigger { type_, metadata, authentication }| {
        let mut trigger = json!({"type": type_, "metadata": metadata});
        if let Some(name) = authentication {
            trigger["authenticationRef"] = json!({"name": name});
        }
        trigger
    });
    own.into_iter().chain(memory).chain(written).collect()
}
