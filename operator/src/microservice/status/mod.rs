//! Step 5: the status of a `Microservice`, from what the steps before it found. Pure; the clock is an input.

mod conditions;
mod pods;
mod policies;
mod rollout;
mod routes;

use std::{sync::Arc, time::Duration};

use flotilla_crds::v1alpha1::{
    self as api, DependencyState, Dependent, Endpoint, FailedRevision, InventoryEntry, Microservice,
    MicroserviceStatus, Port, Protocol, Revisions, Visibility, condition,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

use self::{
    conditions::Wanted,
    pods::Problem,
    rollout::{Phase, Rollout},
};
use super::{
    dereference::Observed,
    peers::Peer,
    provisioned::Provision,
    render::{self, Unmet},
    revision::{self, Wait},
    validate::{CredentialSource, credential_source, workload_kind},
};
use crate::cluster::{kind::Kind, ownership};

/// How the steps before this one ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The cluster has what `spec` says.
    Applied {
        /// The name of the revision that `spec` asks for.
        latest: String,
        /// What that revision waits for.
        waits: Option<Wait>,
        /// What `spec` asks for and cannot be made.
        unmet: Vec<Unmet>,
    },
    /// `spec.suspend` is true and nothing was written.
    Suspended,
    /// It failed, and trying again may help.
    Retrying {
        /// Reason, from a fixed list.
        reason: &'static str,
        /// What happened.
        message: String,
    },
    /// It failed, and somebody must change something.
    Blocked {
        /// Reason, from a fixed list.
        reason: &'static str,
        /// What happened and what to do.
        message: String,
    },
}

/// The reason of a version that makes no progress.
const DEADLINE_REASON: &str = "ProgressDeadlineExceeded";

/// By which a Job knows its pods.
pub(super) const JOB_LABEL: &str = "batch.kubernetes.io/job-name";

/// How many callers the status shows.
const DEPENDENTS_SHOWN: usize = 64;

/// The longest message of a condition: what the API server takes is 32 KiB, what a person reads is less.
const MESSAGE_MAX_CHARS: usize = 1024;

/// Whether the workload's controller has seen what was applied. Until then there is nothing to say that will not be
/// outdated at once.
pub fn is_answered(microservice: &Microservice, observed: &Observed) -> bool {
    let workload = observed.get(workload_kind(&microservice.spec), &microservice.name_any());
    workload.is_none_or(|live| {
        let seen = live.data.pointer("/status/observedGeneration").and_then(Value::as_i64);
        seen >= live.metadata.generation
    })
}

/// The status after a reconcile.
pub fn compute(
    microservice: &Microservice,
    observed: &Observed,
    outcome: &Outcome,
    now: Timestamp,
) -> MicroserviceStatus {
    let uid = microservice.uid().unwrap_or_default();
    let deployment = observed
        .get(workload_kind(&microservice.spec), &microservice.name_any())
        .filter(|live| ownership::is_controlled_by(&live.metadata, &uid));
    // What the definition gives to a new object has no time.
    let written = microservice.status.as_ref().filter(|status| status.observed_generation.is_some());
    let before = written.map(|status| status.conditions.as_slice()).unwrap_or_default();
    let image_before = written.and_then(|status| status.image.clone());
    let mut rollout = deployment.and_then(|live| Rollout::of(live));
    if let Some(rollout) = &mut rollout {
        // A StatefulSet has no deadline of its own.
        rollout.overdue =
            workload_kind(&microservice.spec) == Kind::StatefulSet && is_overdue(microservice, before, now);
    }
    let problem = pods::problem(&observed.pods, &observed.warnings)
        .or_else(|| rollout.as_ref().and_then(Rollout::problem));
    let recorded = &observed.revisions;
    let revisions = match outcome {
        Outcome::Applied { latest, .. } => {
            let current = deployment.and_then(|live| revision::annotated(live));
            let rolled_out = rollout.as_ref().is_some_and(Rollout::is_complete);
            let failure = rollout.as_ref().filter(|rollout| rollout.deadline_exceeded()).map(|rollout| {
                let said = problem.as_ref().map(|problem| problem.message.clone());
                said.unwrap_or_else(|| rollout.summary())
            });
            revision::record(recorded, latest, current, rolled_out, failure.map(|text| shortened(&text)))
        }
        Outcome::Suspended | Outcome::Retrying { .. } | Outcome::Blocked { .. } => recorded.clone(),
    };
    let of_job = job_problem(outcome, observed);
    let mut wanted = wanted(outcome, rollout.as_ref(), problem.as_ref(), of_job.as_ref(), &revisions);
    wanted.extend(dependencies(&observed.peers));
    wanted.extend(bindings(microservice, observed));
    wanted.extend(routes::accepted(microservice, observed, &uid));
    wanted.extend(policies::applied(microservice, observed, &uid));
    wanted.extend(migrations(microservice, outcome));
    let ports = &microservice.spec.ports;
    let host = format!("{}.{}.svc", microservice.name_any(), microservice.namespace().unwrap_or_default());
    MicroserviceStatus {
        observed_generation: microservice.metadata.generation,
        conditions: conditions::merge(before, &wanted, microservice.metadata.generation, now),
        replicas: rollout.as_ref().map(|rollout| rollout.replicas),
        ready_replicas: rollout.as_ref().map(|rollout| rollout.ready),
        ready: rollout.as_ref().map(|rollout| format!("{}/{}", rollout.ready, rollout.desired)),
        selector: Some(selector(microservice, deployment)),
        url: routes::url(observed, &uid).or_else(|| ports.iter().find_map(|port| url(port, &host))),
        endpoints: ports.iter().map(|port| endpoint(port, &host)).collect(),
        dependencies: observed.peers.iter().map(Peer::status).collect(),
        dependents: observed
            .callers
            .iter()
            .take(DEPENDENTS_SHOWN)
            .map(|caller| Dependent {
                namespace: caller.key.0.clone(),
                name: caller.key.1.clone(),
                allowed: caller.allowed,
            })
            .collect(),
        // While pods of two versions run there are two images, and each step would be a write.
        image: if rollout.as_ref().is_some_and(Rollout::is_complete) {
            pods::image(&observed.pods, &microservice.name_any()).or(image_before)
        } else {
            image_before
        },
        revisions: (revisions != Revisions::default()).then_some(revisions),
        inventory: inventory(observed, &uid),
    }
}

/// Why the Job that a version waits for does not get on.
fn job_problem(outcome: &Outcome, observed: &Observed) -> Option<Problem> {
    let Outcome::Applied { waits: Some(Wait { job: Some(job), .. }), .. } = outcome else {
        return None;
    };
    let is_of_it =
        |pod: &&Arc<Pod>| pod.metadata.labels.as_ref().and_then(|labels| labels.get(JOB_LABEL)) == Some(job);
    let pods: Vec<_> = observed.job_pods.iter().filter(is_of_it).cloned().collect();
    pods::problem(&pods, &observed.warnings)
}

/// How long a change took that is through now; `None` for every other step.
pub fn time_to_ready(
    created: Option<Timestamp>,
    before: Option<&MicroserviceStatus>,
    next: &MicroserviceStatus,
    now: Timestamp,
) -> Option<Duration> {
    let find = |status: &MicroserviceStatus, type_: &str| {
        status.conditions.iter().find(|found| found.type_ == type_).cloned()
    };
    let since = match before.filter(|status| status.observed_generation.is_some()) {
        Some(before) => find(before, condition::RECONCILING)?.last_transition_time.0,
        None => created?,
    };
    let is_through = find(next, condition::RECONCILING).is_none() && find(next, condition::STALLED).is_none();
    let ready = find(next, condition::READY).is_some_and(|ready| ready.status == "True");
    (is_through && ready).then(|| now.duration_since(since).unsigned_abs())
}

/// Whether this version has been on its way for longer than it may, or was found to be so.
fn is_overdue(microservice: &Microservice, before: &[Condition], now: Timestamp) -> bool {
    let find = |type_: &str| before.iter().find(|condition| condition.type_ == type_);
    let deadline = progress_deadline(microservice);
    let late = find(condition::RECONCILING).is_some_and(|condition| {
        now.duration_since(condition.last_transition_time.0) > SignedDuration::from_secs(deadline)
    });
    let said = find(condition::STALLED).is_some_and(|condition| {
        condition.reason == DEADLINE_REASON
            && condition.observed_generation == microservice.metadata.generation
    });
    late || said
}

/// Seconds without progress after which a version has failed.
pub fn progress_deadline(microservice: &Microservice) -> i64 {
    let written = microservice.spec.rollout.as_ref().and_then(|rollout| rollout.progress_deadline_seconds);
    written.unwrap_or(api::Rollout::DEFAULT_PROGRESS_DEADLINE_SECONDS).into()
}

/// The conditions that the status shall have; those that are left out are removed.
fn wanted(
    outcome: &Outcome,
    rollout: Option<&Rollout>,
    problem: Option<&Problem>,
    of_job: Option<&Problem>,
    revisions: &Revisions,
) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let phase = rollout.map_or(Phase::Unknown, Rollout::phase);
    let (ready, mut reason, mut message) = match (&phase, problem) {
        (Phase::Unknown, None) => (None, "Progressing", "waiting for the workload".to_owned()),
        (Phase::ScaledToZero, _) => (Some(true), "ScaledToZero", "no pods are wanted".to_owned()),
        (Phase::Complete(summary), None) => (Some(true), "Available", summary.clone()),
        (Phase::RollingOut(summary), None) => (Some(true), "RollingOut", summary.clone()),
        (Phase::Complete(summary) | Phase::RollingOut(summary), Some(problem)) => {
            (Some(true), problem.reason, format!("{summary}; {}", problem.message))
        }
        (Phase::Unavailable(summary), None) => (Some(false), "Unavailable", summary.clone()),
        (Phase::Unavailable(summary), Some(problem)) => {
            (Some(false), problem.reason, format!("{}; {summary}", problem.message))
        }
        (Phase::Unknown, Some(problem)) => (Some(false), problem.reason, problem.message.clone()),
    };
    let mut ready = ready;
    let settled = matches!(phase, Phase::Complete(_) | Phase::ScaledToZero);
    let deadline = rollout.is_some_and(Rollout::deadline_exceeded);
    let mut reconciling = (!settled && !deadline).then(|| (reason, message.clone()));
    let mut stalled = deadline.then(|| (DEADLINE_REASON, message.clone()));
    match outcome {
        Outcome::Applied { waits, unmet, .. } => {
            if let Some(Wait { reason: why, message: text, is_failure, .. }) = waits {
                let text =
                    &of_job.map_or_else(|| text.clone(), |problem| format!("{text}; {}", problem.message));
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
        Outcome::Retrying { reason: why, message: text } => {
            reconciling = Some((why, text.clone()));
        }
        Outcome::Blocked { reason: why, message: text } => {
            ready = Some(false);
            reason = why;
            message.clone_from(text);
            reconciling = None;
            stalled = Some((why, text.clone()));
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

/// Whether everything can be called; `None` when nothing is.
fn dependencies(peers: &[Peer]) -> Option<Wanted> {
    if peers.is_empty() {
        return None;
    }
    let wrong: Vec<_> = peers.iter().filter_map(|peer| peer.message.clone()).collect();
    Some(if wrong.is_empty() {
        let message = format!("{} can be called", peers.len());
        Wanted::new(condition::DEPENDENCIES_READY, Some(true), "Ready", message)
    } else {
        let is_missing =
            |peer: &&Peer| matches!(peer.state, DependencyState::Missing | DependencyState::NotAllowed);
        let reason = match peers.iter().find(is_missing).map(|peer| peer.state) {
            Some(DependencyState::NotAllowed) => "NotAllowed",
            Some(_) => "NotFound",
            None => "NotReady",
        };
        Wanted::new(condition::DEPENDENCIES_READY, Some(false), reason, wrong.join("; "))
    })
}

/// Whether every object that a binding names has said which Secret it is; `None` when none names any.
fn bindings(microservice: &Microservice, observed: &Observed) -> Option<Wanted> {
    let named = microservice.spec.bindings.iter().filter_map(|binding| match credential_source(binding) {
        CredentialSource::Service(reference) => Some((binding, reference)),
        CredentialSource::Secret(_) => None,
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return None;
    }
    let pending = named.iter().filter_map(|(binding, reference)| match observed.provisioned.get(reference) {
        Some(Provision::Pending(why)) => Some(format!("{}: {why}", binding.name)),
        Some(Provision::Secret(_)) | None => None,
    });
    let pending: Vec<_> = pending.collect();
    Some(if pending.is_empty() {
        let message = format!("{} objects have named their Secrets", named.len());
        Wanted::new(condition::BINDINGS_READY, Some(true), "Ready", message)
    } else {
        Wanted::new(condition::BINDINGS_READY, Some(false), "Pending", pending.join("; "))
    })
}

/// Whether every migration of the version has succeeded; `None` when there is none.
fn migrations(microservice: &Microservice, outcome: &Outcome) -> Option<Wanted> {
    let Outcome::Applied { waits, .. } = outcome else {
        return None;
    };
    if microservice.spec.migrations.is_empty() {
        return None;
    }
    let migrating = waits.as_ref().filter(|wait| wait.reason.starts_with("Migrati"));
    let (status, reason, message) = migrating.map_or_else(
        || (true, "Complete", "every migration of the version has succeeded".to_owned()),
        |wait| (false, wait.reason, wait.message.clone()),
    );
    Some(Wanted::new(condition::MIGRATIONS_COMPLETE, Some(status), reason, message))
}

/// Why the way is blocked after a version has failed.
fn failure(failed: &FailedRevision, revisions: &Revisions) -> (&'static str, String) {
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

fn selector(microservice: &Microservice, workload: Option<&Arc<DynamicObject>>) -> String {
    let of_workload = workload.and_then(|live| render::match_labels(live));
    let labels = of_workload.unwrap_or_else(|| render::selector(&microservice.name_any()));
    labels.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(",")
}

fn url(port: &Port, host: &str) -> Option<String> {
    let (scheme, default) = match port.protocol() {
        Protocol::Http | Protocol::Http2 => ("http", 80),
        Protocol::Tls => ("https", 443),
        Protocol::Grpc | Protocol::Tcp | Protocol::Udp => return None,
    };
    let number = port.service_port();
    Some(if number == default { format!("{scheme}://{host}") } else { format!("{scheme}://{host}:{number}") })
}

fn endpoint(port: &Port, host: &str) -> Endpoint {
    let address = format!("{host}:{}", port.service_port());
    Endpoint { name: port.name.clone(), address, visibility: Visibility::Cluster }
}

/// What the service owns, in the order of apply.
fn inventory(observed: &Observed, uid: &str) -> Vec<InventoryEntry> {
    observed
        .objects
        .iter()
        .filter(|(_, live)| ownership::is_controlled_by(&live.metadata, uid))
        .map(|((kind, name), _)| InventoryEntry {
            group: kind.group().to_owned(),
            kind: kind.name().to_owned(),
            name: name.clone(),
        })
        .collect()
}

/// At most so much of a message as a person reads.
fn shortened(message: &str) -> String {
    let message = message.trim();
    match message.char_indices().nth(MESSAGE_MAX_CHARS) {
        Some((end, _)) => format!("{}...", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}
