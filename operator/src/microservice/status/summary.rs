//! The conditions that sum a service up: whether it is ready, on its way, or stuck, and how its workload is.

use flotilla_crds::v1alpha1::{FailedRevision, Revisions, condition};

use super::{
    DEADLINE_REASON, Fault, Outcome,
    conditions::Wanted,
    pods::Cause,
    rollout::{Phase, Rollout},
};
use crate::microservice::revision::Wait;

/// The conditions that the status shall have; those that are left out are removed.
pub(super) fn conditions(
    outcome: &Outcome,
    rollout: Option<&Rollout>,
    cause: Option<&Cause>,
    of_job: Option<&Cause>,
    revisions: &Revisions,
) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let phase = rollout.map_or(Phase::Unknown, Rollout::phase);
    let (ready, mut reason, mut message) = match (&phase, cause) {
        (Phase::Unknown, None) => (None, "Progressing", "waiting for the workload".to_owned()),
        (Phase::ScaledToZero, _) => (Some(true), "ScaledToZero", "no pods are wanted".to_owned()),
        (Phase::Complete(summary), None) => (Some(true), "Available", summary.clone()),
        (Phase::RollingOut(summary), None) => (Some(true), "RollingOut", summary.clone()),
        (Phase::Complete(summary) | Phase::RollingOut(summary), Some(cause)) => {
            (Some(true), cause.reason, format!("{summary}; {}", cause.message))
        }
        (Phase::Unavailable(summary), None) => (Some(false), "Unavailable", summary.clone()),
        (Phase::Unavailable(summary), Some(cause)) => {
            (Some(false), cause.reason, format!("{}; {summary}", cause.message))
        }
        (Phase::Unknown, Some(cause)) => (Some(false), cause.reason, cause.message.clone()),
    };
    let mut ready = ready;
    let settled = matches!(phase, Phase::Complete(_) | Phase::ScaledToZero);
    let deadline = rollout.is_some_and(Rollout::deadline_exceeded);
    let mut reconciling = (!settled && !deadline).then(|| (reason, message.clone()));
    let mut stalled = deadline.then(|| (DEADLINE_REASON, message.clone()));
    match outcome {
        Outcome::Applied { waits, unmet, .. } => {
            if let Some(Wait { reason: why, message: text, is_failure, .. }) = waits {
                let text = &of_job.map_or_else(|| text.clone(), |cause| format!("{text}; {}", cause.message));
                if *is_failure {
                    (reconciling, stalled) = (None, Some((*why, text.clone())));
                } else {
                    reconciling = Some((why, text.clone()));
                }
                if phase == Phase::Unknown {
                    (ready, reason, message) = (Some(false), why, text.clone());
                }
            }
            if let Some(failed) = &revisions.failed {
                let (why, text) = failure(failed, revisions);
                stalled = Some((why, text));
            }
            if let Some(first) = unmet.first() {
                let all: Vec<_> = unmet.iter().map(|unmet| &*unmet.message).collect();
                let text = all.join("; ");
                wanted.push(Wanted::new(condition::CAPABILITIES_AVAILABLE, Some(false), first.reason, text));
            }
            let fatal: Vec<_> = unmet.iter().filter(|unmet| unmet.is_fatal).collect();
            if let Some(first) = fatal.first() {
                let all: Vec<_> = fatal.iter().map(|unmet| &*unmet.message).collect();
                (ready, reason, message) = (Some(false), first.reason, all.join("; "));
                stalled = Some((first.reason, message.clone()));
                reconciling = None;
            }
        }
        Outcome::Suspended => {
            let text = "spec.suspend is true: nothing is written, and changes of spec wait until it is false";
            wanted.push(Wanted::new(condition::SUSPENDED, Some(true), "Suspended", text.to_owned()));
            reconciling = None;
        }
        Outcome::Retrying { reason: why, faults } => {
            reconciling = Some((why, joined(faults)));
        }
        Outcome::Blocked { reason: why, faults } => {
            (ready, reason, message) = (Some(false), why, joined(faults));
            reconciling = None;
            stalled = Some((why, message.clone()));
        }
    }
    wanted.push(Wanted::new(condition::READY, ready, reason, message));
    if let Some((reason, message)) = reconciling {
        wanted.push(Wanted::new(condition::RECONCILING, Some(true), reason, message));
    }
    if let Some((reason, message)) = stalled {
        wanted.push(Wanted::new(condition::STALLED, Some(true), reason, message));
    }
    if let Some(rollout) = rollout {
        wanted.push(rollout.available());
        wanted.extend(rollout.progressing());
    }
    wanted
}

/// Why the way is blocked after a version has failed.
pub(super) fn failure(failed: &FailedRevision, revisions: &Revisions) -> (&'static str, String) {
    let FailedRevision { name, message } = failed;
    match revisions.current.as_ref().filter(|current| *current != name) {
        Some(current) => (
            "RolledBack",
            format!(
                "revision {name} failed: {message}; {current} runs again until spec asks for another version"
            ),
        ),
        None => (DEADLINE_REASON, format!("revision {name} makes no progress: {message}")),
    }
}

/// All of them in one sentence.
fn joined(faults: &[Fault]) -> String {
    faults.iter().map(|fault| &*fault.message).collect::<Vec<_>>().join("; ")
}
