//! The Deployment: pods that are replaced without a gap, of the revision that was chosen.

use std::collections::BTreeMap;

use flotilla_crds::v1alpha1::{Rollout, RolloutStrategy};
use k8s_openapi::{
    api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment},
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
};

use super::metadata;
use crate::{
    cluster::{AUTOSCALED_ANNOTATION, REVISION_ANNOTATION},
    microservice::{scale::Replicas, validate::Validated},
};

/// The Deployment without its template, which is that of the revision.
pub(super) fn render(service: &Validated, revision: &str, paused: bool, replicas: &Replicas) -> Deployment {
    let rollout = &service.rollout;
    Deployment {
        metadata: ObjectMeta { annotations: Some(annotations(revision, replicas)), ..metadata(service) },
        spec: Some(DeploymentSpec {
            replicas: replicas.applied(),
            paused: paused.then_some(true),
            selector: LabelSelector {
                match_labels: Some(service.selector.clone()),
                ..LabelSelector::default()
            },
            strategy: Some(strategy(rollout)),
            progress_deadline_seconds: Some(
                // Written out although it is the default of Kubernetes, because `status` depends on it.
                rollout.progress_deadline_seconds.unwrap_or(Rollout::DEFAULT_PROGRESS_DEADLINE_SECONDS),
            ),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// What a workload says of itself: its revision, and whether its replicas are others'.
pub(super) fn annotations(revision: &str, replicas: &Replicas) -> BTreeMap<String, String> {
    let mut annotations = BTreeMap::from([(REVISION_ANNOTATION.to_owned(), revision.to_owned())]);
    if replicas.is_handed_over() {
        annotations.insert(AUTOSCALED_ANNOTATION.to_owned(), "true".to_owned());
    }
    annotations
}

fn strategy(rollout: &Rollout) -> DeploymentStrategy {
    match rollout.strategy.unwrap_or_default() {
        RolloutStrategy::Recreate => {
            DeploymentStrategy { type_: Some("Recreate".to_owned()), rolling_update: None }
        }
        RolloutStrategy::RollingUpdate => DeploymentStrategy {
            type_: Some("RollingUpdate".to_owned()),
            rolling_update: Some(RollingUpdateDeployment {
                max_surge: Some(
                    rollout.max_surge.clone().unwrap_or_else(|| IntOrString::String("25%".to_owned())),
                ),
                // A pod goes only when another has taken its place.
                max_unavailable: Some(rollout.max_unavailable.clone().unwrap_or(IntOrString::Int(0))),
            }),
        },
    }
}
