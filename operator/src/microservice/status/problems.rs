//! What is wrong now. Pure.
//!
//! This is the one place where what the other modules found becomes problems, in their words. What one finding explains,
//! no other repeats: a Secret that is missing is a problem, and the pod that waits for it is not a second one.

use flotilla_crds::v1alpha1::{Microservice, Problem, ProblemObject, Revisions, Severity};
use jiff::{Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;

use super::{
    DEADLINE_REASON, Outcome,
    answers::Answers,
    pods::Cause,
    rollout::{Phase, Rollout},
    routes, shortened, summary,
    uses::Used,
};
use crate::{
    cluster::kind::Kind,
    microservice::{dereference::Observed, revision::Wait, validate::workload_kind},
};

/// How many are shown.
const SHOWN: usize = 32;

/// What was found of a service.
pub(super) struct Seen<'a> {
    pub(super) microservice: &'a Microservice,
    pub(super) observed: &'a Observed,
    pub(super) outcome: &'a Outcome,
    pub(super) rollout: Option<&'a Rollout>,
    /// What is wrong with its pods.
    pub(super) cause: Option<&'a Cause>,
    /// What is wrong with the pods of the Job that its version waits for.
    pub(super) of_job: Option<&'a Cause>,
    pub(super) revisions: &'a Revisions,
    pub(super) uses: &'a [Used],
    pub(super) routes: &'a Answers,
    pub(super) policies: &'a Answers,
}

/// A problem that has no time yet.
#[derive(Clone, Debug, PartialEq)]
struct Finding {
    reason: String,
    severity: Severity,
    message: String,
    field: Option<String>,
    object: Option<ProblemObject>,
    container: Option<String>,
}

impl Finding {
    /// Without a field given later, it is the one that the message begins with.
    fn new(reason: &str, severity: Severity, message: &str) -> Self {
        let field = message.split(' ').next().map(|word| word.trim_end_matches(':'));
        Self {
            reason: reason.to_owned(),
            severity,
            message: shortened(message),
            field: field.filter(|field| field.starts_with("spec.")).map(shortened),
            object: None,
            container: None,
        }
    }

    fn at(mut self, field: &str) -> Self {
        self.field = Some(shortened(field));
        self
    }

    fn about(mut self, kind: &str, name: &str) -> Self {
        self.object = Some(ProblemObject { kind: kind.to_owned(), namespace: None, name: name.to_owned() });
        self
    }

    fn about_other(mut self, kind: &str, namespace: Option<String>, name: &str) -> Self {
        self.object = Some(ProblemObject { kind: kind.to_owned(), namespace, name: name.to_owned() });
        self
    }

    fn of(cause: &Cause, severity: Severity) -> Self {
        Self { container: cause.container.clone(), ..Self::new(cause.reason, severity, &cause.message) }
    }

    /// Whether it was there before, perhaps in other words.
    fn is(&self, problem: &Problem) -> bool {
        self.reason == problem.reason
            && self.field == problem.field
            && self.object == problem.object
            && self.container == problem.container
    }
}

/// What is wrong, the worst first, each since when it was found; what was there before keeps its time, so that a status
/// in which nothing flips is the same.
pub(super) fn find(seen: &Seen<'_>, before: &[Problem], now: Timestamp) -> Vec<Problem> {
    let mut found: Vec<Finding> = Vec::new();
    for finding in seen.all() {
        if !found.contains(&finding) {
            found.push(finding);
        }
    }
    found.sort_by_key(|finding| finding.severity);
    found.truncate(SHOWN);
    // `metav1.Time` has whole seconds.
    let now = Time(now.round(Unit::Second).unwrap_or(now));
    let dated = |finding: Finding| {
        let former = before.iter().find(|problem| finding.is(problem));
        let since = former.map_or(now.clone(), |problem| problem.since.clone());
        let Finding { reason, severity, message, field, object, container } = finding;
        Problem { reason, severity, message, field, object, container, since }
    };
    found.into_iter().map(dated).collect()
}

impl Seen<'_> {
    fn all(&self) -> Vec<Finding> {
        let mut found = self.of_outcome();
        found.extend(self.of_version());
        found.extend(self.of_pods());
        found.extend(self.of_uses());
        found.extend(self.of_gateways());
        found
    }

    /// What could not be written or made.
    fn of_outcome(&self) -> Vec<Finding> {
        let (reason, severity, faults) = match self.outcome {
            Outcome::Applied { waits, unmet, .. } => {
                let unmet = unmet.iter().map(|unmet| {
                    let severity = if unmet.is_fatal { Severity::Error } else { Severity::Warning };
                    Finding::new(unmet.reason, severity, &unmet.message)
                });
                return unmet.chain(waits.as_ref().and_then(|wait| self.of_wait(wait))).collect();
            }
            Outcome::Suspended => return Vec::new(),
            Outcome::Retrying { reason, faults } => (reason, Severity::Warning, faults),
            Outcome::Blocked { reason, faults } => (reason, Severity::Error, faults),
        };
        let finding = |fault: &super::Fault| {
            let finding = Finding::new(reason, severity, &fault.message);
            match &fault.object {
                Some((kind, name)) => finding.about(kind, name),
                None => finding,
            }
        };
        faults.iter().map(finding).collect()
    }

    /// That a version waits is no problem, and what it waits for is one of its own.
    fn of_wait(&self, wait: &Wait) -> Option<Finding> {
        let severity = if self.phase() == Phase::Unknown { Severity::Error } else { Severity::Warning };
        let finding = if wait.is_failure {
            Finding::new(wait.reason, Severity::Error, &wait.message)
        } else {
            Finding::of(self.of_job?, severity)
        };
        Some(match &wait.job {
            Some(job) => finding.about(Kind::Job.name(), job),
            None => finding,
        })
    }

    /// A version that failed, where the pods do not say why.
    fn of_version(&self) -> Option<Finding> {
        let stuck = || self.rollout.filter(|rollout| rollout.deadline_exceeded());
        let Some((reason, message)) = self.failure() else {
            let message = stuck().filter(|_| self.cause.is_none())?.summary();
            return Some(self.about_workload(Finding::new(DEADLINE_REASON, Severity::Error, &message)));
        };
        let finding = Finding::new(reason, Severity::Error, &message);
        if reason == DEADLINE_REASON {
            return self.cause.is_none().then(|| self.about_workload(finding));
        }
        let failed = self.revisions.failed.as_ref()?;
        Some(finding.about(Kind::Revision.name(), &failed.name))
    }

    /// Why pods do not run.
    fn of_pods(&self) -> Option<Finding> {
        let Some(cause) = self.cause else {
            // While a version that never ran starts, pods that are not there yet are no problem; it has a deadline.
            let Revisions { current, stable, .. } = self.revisions;
            let has_run = current.is_some() && current == stable;
            let Phase::Unavailable(summary) = self.phase() else { return None };
            let stuck = self.rollout.is_some_and(Rollout::deadline_exceeded);
            let finding = Finding::new("Unavailable", Severity::Error, &summary);
            return (has_run && !stuck).then(|| self.about_workload(finding));
        };
        // Pods of a version that failed and is going away.
        let failed = self.revisions.failed.as_ref();
        let is_said = failed.is_some_and(|failed| failed.message == shortened(&cause.message))
            && self.failure().is_some_and(|(reason, _)| reason != DEADLINE_REASON);
        if is_said || self.lacking().is_some() {
            return None;
        }
        Some(self.about_workload(Finding::of(cause, self.severity_of_pods())))
    }

    /// What the service lacks of what it uses.
    fn of_uses(&self) -> Vec<Finding> {
        let waits = match self.outcome {
            Outcome::Applied { waits: Some(wait), .. } => !wait.is_failure && self.phase() == Phase::Unknown,
            _ => false,
        };
        let finding = |used: &Used| {
            let severity = if self.lacking() == Some(used) {
                self.severity_of_pods()
            } else if waits && used.is_waited_for {
                Severity::Error
            } else {
                Severity::Warning
            };
            let shown = &used.shown;
            let finding = Finding::new(used.lack?, severity, shown.message.as_deref().unwrap_or_default());
            Some(finding.at(&shown.field).about_other(&shown.kind, shown.namespace.clone(), &shown.name))
        };
        self.uses.iter().filter_map(finding).collect()
    }

    /// What gateways do not take over, and who wants the same routes.
    fn of_gateways(&self) -> Vec<Finding> {
        let mut found = Vec::new();
        for Answers { refused, silent, .. } in [self.routes, self.policies] {
            for (reason, answers) in [("Refused", refused), ("Pending", silent)] {
                found.extend(answers.iter().map(|answer| {
                    Finding::new(reason, Severity::Warning, &answer.message)
                        .about(answer.kind.name(), &answer.name)
                }));
            }
        }
        for rival in self.observed.rivals.iter().filter(|rival| !rival.comes_first) {
            let (namespace, name) = &rival.other;
            let namespace =
                Some(namespace.clone()).filter(|other| self.microservice.namespace().as_ref() != Some(other));
            let finding = Finding::new("RouteConflict", Severity::Warning, &routes::waits(rival));
            let field = format!("spec.routes[{}]", rival.route);
            found.push(finding.at(&field).about_other("Microservice", namespace, name));
        }
        found
    }

    fn phase(&self) -> Phase {
        self.rollout.map_or(Phase::Unknown, Rollout::phase)
    }

    /// Why the version of `spec` counts as failed.
    fn failure(&self) -> Option<(&'static str, String)> {
        let failed = self.revisions.failed.as_ref()?;
        matches!(self.outcome, Outcome::Applied { .. }).then(|| summary::failure(failed, self.revisions))
    }

    fn severity_of_pods(&self) -> Severity {
        let is_down = matches!(self.phase(), Phase::Unavailable(_) | Phase::Unknown);
        let is_stuck = self.rollout.is_some_and(Rollout::deadline_exceeded) || self.failure().is_some();
        if is_down || is_stuck { Severity::Error } else { Severity::Warning }
    }

    /// What the pods wait for, when it is one of the things that are missing.
    fn lacking(&self) -> Option<&Used> {
        let message = &self.cause?.message;
        self.uses.iter().filter(|used| used.lack.is_some()).find(|used| {
            // The words of the kubelet.
            let kind = used.shown.kind.to_lowercase();
            message.contains(&format!("{kind} {:?} not found", used.shown.name))
        })
    }

    fn about_workload(&self, finding: Finding) -> Finding {
        finding.about(workload_kind(&self.microservice.spec).name(), &self.microservice.name_any())
    }
}
