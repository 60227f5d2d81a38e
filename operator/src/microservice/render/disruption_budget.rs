//! The PodDisruptionBudget: a drain of nodes takes the pods one after the other.

use k8s_openapi::{
    api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec},
    apimachinery::pkg::apis::meta::v1::LabelSelector,
};

use super::metadata;
use crate::microservice::{
    scale::Replicas,
    validate::{Budget, Validated},
};

/// `None` where one would block a drain for ever: at a single pod, or when none may go at all.
pub(super) fn render(service: &Validated, replicas: &Replicas) -> Option<PodDisruptionBudget> {
    let (max_unavailable, min_available) = match &service.budget {
        Budget::None => return None,
        Budget::MaxUnavailable(max) => (Some(max.clone()), None),
        Budget::MinAvailable(min) => (None, Some(min.clone())),
    };
    if replicas.fewest() <= 1 {
        return None;
    }
    Some(PodDisruptionBudget {
        metadata: metadata(service),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable,
            min_available,
            selector: Some(LabelSelector {
                match_labels: Some(service.selector.clone()),
                ..LabelSelector::default()
            }),
            // A pod that does not serve may go: otherwise a broken version would hold the node (KEP-3017).
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
        }),
        status: None,
    })
}
