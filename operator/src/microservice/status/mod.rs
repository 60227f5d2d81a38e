//! Step 5: the status of a `Microservice`, from what the steps before it found. Pure; the clock is an input.

mod answers;
mod conditions;
mod inventory;
mod parts;
mod pods;
mod policies;
mod problems;
mod rollout;
mod routes;
mod summary;
#[cfg(test)]
mod tests;
mod uses;

use std::{sync::Arc, time::Duration};

use flotilla_crds::v1alpha1::{
    self as api, Dependent, Endpoint, Microservice, MicroserviceStatus, Port, Protocol, Revisions,
    Visibility, condition,
};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{api::core::v1::Pod, apimachinery::pkg::apis::meta::v1::Condition};
use kube::{ResourceExt, api::DynamicObject};
use serde_json::Value;

use self::{answers::Answers, pods::Cause, rollout::Rollout};
use super::{
    dereference::Observed,
    peers::Peer,
    render::{self, Unmet},
    revision::{self, Wait},
    validate::workload_kind,
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
        faults: Vec<Fault>,
    },
    /// It failed, and somebody must change something.
    Blocked {
        /// Reason, from a fixed list.
        reason: &'static str,
        /// What happened and what to do.
        faults: Vec<Fault>,
    },
}

/// Something that went wrong with one object, or with the service as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Kind and name of the object.
    pub object: Option<(&'static str, String)>,
    /// What happened and what to do.
    pub message: String,
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
    let cause =
        pods::cause(&observed.pods, &observed.warnings).or_else(|| rollout.as_ref().and_then(Rollout::cause));
    let recorded = &observed.revisions;
    let revisions = match outcome {
        Outcome::Applied { latest, .. } => {
            let current = deployment.and_then(|live| revision::annotated(live));
            let rolled_out = rollout.as_ref().is_some_and(Rollout::is_complete);
            let failure = rollout.as_ref().filter(|rollout| rollout.deadline_exceeded()).map(|rollout| {
                let said = cause.as_ref().map(|cause| cause.message.clone());
                said.unwrap_or_else(|| rollout.summary())
            });
            revision::record(recorded, latest, current, rolled_out, failure.map(|text| shortened(&text)))
        }
        Outcome::Suspended | Outcome::Retrying { .. } | Outcome::Blocked { .. } => recorded.clone(),
    };
    let of_job = job_cause(outcome, observed);
    let spec = &microservice.spec;
    let routes = if spec.routes.is_empty() { Answers::default() } else { routes::answers(observed, &uid) };
    let policies = spec.policies.as_ref().map(|_| policies::answers(observed, &uid)).unwrap_or_default();
    let uses = uses::find(microservice, observed);
    let seen = problems::Seen {
        microservice,
        observed,
        outcome,
        rollout: rollout.as_ref(),
        cause: cause.as_ref(),
        of_job: of_job.as_ref(),
        revisions: &revisions,
        uses: &uses,
        routes: &routes,
        policies: &policies,
    };
    let problems_before = written.map(|status| status.problems.as_slice()).unwrap_or_default();
    let problems = problems::find(&seen, problems_before, now);
    let mut wanted =
        summary::conditions(outcome, rollout.as_ref(), cause.as_ref(), of_job.as_ref(), &revisions);
    wanted.extend(parts::dependencies(&observed.peers));
    wanted.extend(parts::bindings(microservice, observed));
    wanted.extend(routes::accepted(microservice, observed, &routes));
    wanted.extend(policies::applied(microservice, &policies));
    wanted.extend(parts::migrations(microservice, outcome));
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
        uses: uses::shown(&uses),
        problems,
        // While pods of two versions run there are two images, and each step would be a write.
        image: if rollout.as_ref().is_some_and(Rollout::is_complete) {
            pods::image(&observed.pods, &microservice.name_any()).or(image_before)
        } else {
            image_before
        },
        revisions: (revisions != Revisions::default()).then_some(revisions),
        inventory: inventory::list(observed, outcome, &uid),
    }
}

/// Why the Job that a version waits for does not get on.
fn job_cause(outcome: &Outcome, observed: &Observed) -> Option<Cause> {
    let Outcome::Applied { waits: Some(Wait { job: Some(job), is_failure: false, .. }), .. } = outcome else {
        return None;
    };
    let is_of_it =
        |pod: &&Arc<Pod>| pod.metadata.labels.as_ref().and_then(|labels| labels.get(JOB_LABEL)) == Some(job);
    let pods: Vec<_> = observed.job_pods.iter().filter(is_of_it).cloned().collect();
    pods::cause(&pods, &observed.warnings)
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

/// At most so much of a message as a person reads.
fn shortened(message: &str) -> String {
    let message = message.trim();
    match message.char_indices().nth(MESSAGE_MAX_CHARS) {
        Some((end, _)) => format!("{}...", message.get(..end).unwrap_or_default()),
        None => message.to_owned(),
    }
}
