//! How many pods run, and who says so.

use flotilla_crds::v1alpha1::{Autoscaling, Disruption, MicroserviceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// Who says how many pods run.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    /// `spec.replicas`.
    Written(i32),
    /// Nobody: one pod, or as many as an autoscaler that is gone has left.
    Unwritten,
    /// An autoscaler.
    Automatic(Autoscaling),
}

/// How many pods may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Budget {
    /// As the PodDisruptionBudget has it.
    MaxUnavailable(IntOrString),
    /// As the PodDisruptionBudget has it.
    MinAvailable(IntOrString),
    /// There is none.
    None,
}

pub(super) fn resolve(spec: &MicroserviceSpec) -> Scale {
    match (&spec.autoscaling, spec.replicas) {
        (Some(autoscaling), _) => Scale::Automatic(autoscaling.clone()),
        (None, Some(replicas)) => Scale::Written(replicas),
        (None, None) => Scale::Unwritten,
    }
}

pub(super) fn budget(disruption: Option<&Disruption>) -> Budget {
    match disruption {
        Some(Disruption { disabled: Some(true), .. }) => Budget::None,
        Some(Disruption { min_available: Some(min), .. }) => Budget::MinAvailable(min.clone()),
        Some(Disruption { max_unavailable: Some(max), .. }) => Budget::MaxUnavailable(max.clone()),
        Some(_) | None => Budget::MaxUnavailable(IntOrString::Int(1)),
    }
}
