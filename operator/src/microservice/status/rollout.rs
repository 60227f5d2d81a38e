//! Where the rollout of a Deployment stands.

use flotilla_crds::v1alpha1::condition;
use k8s_openapi::api::apps::v1::{DeploymentCondition, DeploymentStatus};
use kube::api::DynamicObject;
use serde::Deserialize;

use super::{conditions::Wanted, pods::Cause};

/// What the Deployment says of itself.
#[derive(Clone, Debug)]
pub(super) struct Rollout {
    pub(super) desired: i32,
    pub(super) replicas: i32,
    pub(super) ready: i32,
    available: i32,
    updated: i32,
    /// Whether its controller has seen the newest `spec`.
    current: bool,
    /// Whether it takes too long, for a workload that does not say so itself.
    pub(super) overdue: bool,
    conditions: Vec<DeploymentCondition>,
}

/// Where a rollout stands, with a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing is known yet.
    Unknown,
    /// No pods are wanted, and there are none.
    ScaledToZero,
    /// Every pod is available and of the newest version.
    Complete(String),
    /// Enough pods are available, and not all are as they shall be.
    RollingOut(String),
    /// Too few pods are available.
    Unavailable(String),
}

impl Rollout {
    /// `None` when the Deployment has no status that can be read yet.
    pub(super) fn of(deployment: &DynamicObject) -> Option<Self> {
        let status = DeploymentStatus::deserialize(deployment.data.get("status")?).ok()?;
        let desired = deployment.data.get("spec")?.get("replicas")?.as_i64()?;
        status.observed_generation?;
        Some(Self {
            desired: i32::try_from(desired).ok()?,
            replicas: status.replicas.unwrap_or(0),
            ready: status.ready_replicas.unwrap_or(0),
            available: status.available_replicas.unwrap_or(0),
            updated: status.updated_replicas.unwrap_or(0),
            current: status.observed_generation >= deployment.metadata.generation,
            overdue: false,
            conditions: status.conditions.unwrap_or_default(),
        })
    }

    pub(super) fn phase(&self) -> Phase {
        let Self { desired, replicas, available, updated, .. } = *self;
        let summary = self.summary();
        if self.current && desired == 0 && replicas == 0 {
            Phase::ScaledToZero
        } else if self.current && updated == desired && replicas == desired && available == desired {
            Phase::Complete(summary)
        } else if available >= self.minimum() {
            Phase::RollingOut(format!("{summary}, {updated} of them of the newest version"))
        } else {
            Phase::Unavailable(summary)
        }
    }

    /// Whether every pod is available and of the newest version; none, when none is wanted, proves nothing.
    pub(super) fn is_complete(&self) -> bool {
        matches!(self.phase(), Phase::Complete(_))
    }

    /// How many pods are available, in words.
    pub(super) fn summary(&self) -> String {
        format!("{} of {} pods are available", self.available, self.desired)
    }

    /// The pods without which the service is down: a quarter, and at least one, may be missing, as happens while
    /// nodes are replaced. A single pod may not.
    fn minimum(&self) -> i32 {
        match self.desired {
            ..=1 => self.desired,
            desired => (desired - (desired / 4).max(1)).max(1),
        }
    }

    pub(super) fn deadline_exceeded(&self) -> bool {
        if self.overdue && !matches!(self.phase(), Phase::Complete(_) | Phase::ScaledToZero) {
            return true;
        }
        self.current
            && self.condition("Progressing").is_some_and(|condition| {
                condition.status == "False" && condition.reason.as_deref() == Some("ProgressDeadlineExceeded")
            })
    }

    /// Why pods cannot even be made: a quota, or Pod Security Admission.
    pub(super) fn cause(&self) -> Option<Cause> {
        let failure = self.condition("ReplicaFailure").filter(|condition| condition.status == "True")?;
        let message = failure.message.clone().unwrap_or_default();
        Some(Cause::of_pod("PodsRefused", format!("pods cannot be created: {message}")))
    }

    /// Our `Available`: by the minimum above.
    pub(super) fn available(&self) -> Wanted {
        let message = format!("{} pods are available, {} are needed", self.available, self.minimum());
        if self.available >= self.minimum() {
            Wanted::new(condition::AVAILABLE, Some(true), "MinimumReplicasAvailable", message)
        } else {
            Wanted::new(condition::AVAILABLE, Some(false), "MinimumReplicasUnavailable", message)
        }
    }

    /// `Progressing` as the Deployment says it.
    pub(super) fn progressing(&self) -> Option<Wanted> {
        let theirs = self.condition("Progressing")?;
        let status = match theirs.status.as_str() {
            "True" => Some(true),
            "False" => Some(false),
            _ => None,
        };
        let reason = theirs.reason.as_deref().filter(|reason| !reason.is_empty()).unwrap_or("Progressing");
        // Their message has the name of a ReplicaSet, and with it a write at each of its steps.
        let message = match (status, reason) {
            (Some(false), _) => theirs.message.clone().unwrap_or_default(),
            (_, "NewReplicaSetAvailable") => "the newest version is rolled out".to_owned(),
            _ => "the newest version is being rolled out".to_owned(),
        };
        Some(Wanted::new(condition::PROGRESSING, status, reason, message))
    }

    fn condition(&self, type_: &str) -> Option<&DeploymentCondition> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rollout(desired: i32, replicas: i32, updated: i32, available: i32) -> Rollout {
        let deployment: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "orders", "generation": 2},
            "spec": {"replicas": desired},
            "status": {"observedGeneration": 2, "replicas": replicas, "updatedReplicas": updated,
                "availableReplicas": available, "readyReplicas": available},
        }))
        .unwrap();
        Rollout::of(&deployment).unwrap()
    }

    #[test]
    fn a_rollout_goes_from_unavailable_to_complete() {
        assert!(matches!(rollout(3, 1, 1, 0).phase(), Phase::Unavailable(_)));
        assert!(matches!(rollout(3, 3, 3, 2).phase(), Phase::RollingOut(_)));
        assert_eq!(rollout(3, 3, 3, 3).phase(), Phase::Complete("3 of 3 pods are available".into()));
    }

    #[test]
    fn a_rollout_with_surplus_pods_is_not_complete() {
        assert!(matches!(rollout(3, 4, 3, 3).phase(), Phase::RollingOut(_)));
    }

    #[test]
    fn zero_is_complete_when_the_last_pod_is_gone() {
        assert!(matches!(rollout(0, 1, 0, 1).phase(), Phase::RollingOut(_)));
        assert_eq!(rollout(0, 0, 0, 0).phase(), Phase::ScaledToZero);
    }

    #[test]
    fn one_pod_of_four_may_be_missing_but_not_the_only_one() {
        let minimums: Vec<_> =
            [0, 1, 2, 3, 4, 8, 100].map(|desired| rollout(desired, 0, 0, 0).minimum()).to_vec();
        assert_eq!(minimums, [0, 1, 1, 2, 3, 6, 75]);
    }

    #[test]
    fn a_deployment_that_its_controller_has_not_seen_is_not_complete() {
        let mut stale = rollout(3, 3, 3, 3);
        stale.current = false;
        assert!(matches!(stale.phase(), Phase::RollingOut(_)));
    }
}
