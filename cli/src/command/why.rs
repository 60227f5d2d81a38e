//! `why`: what is wrong with a service, and what to do.

use std::collections::BTreeSet;

use clap::Args;
use flotilla_crds::v1alpha1::{Microservice, Problem, condition};
use jiff::Timestamp;
use k8s_openapi::{
    api::core::v1::{Event, Pod},
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{ResourceExt as _, api::ListParams};

use crate::{
    Answer, Error,
    args::Global,
    cluster::Cluster,
    output::{Paint, Terminal, add},
    pod,
    summary::{Summary, about, age},
};

/// Arguments of `why`.
#[derive(Args, Clone, Debug)]
pub struct Arguments {
    /// The service
    name: String,
}

/// How many events are shown: the newest.
const EVENTS_SHOWN: usize = 10;

/// Finds out what is wrong.
pub async fn run(
    arguments: &Arguments,
    global: &Global,
    terminal: &mut Terminal<'_>,
) -> Result<Answer, Error> {
    let name = &arguments.name;
    let cluster = Cluster::connect(global).await?;
    let microservice = cluster.microservice(name).await?;
    let pods = cluster.pods(name).await?;
    let params = ListParams::default().fields("type=Warning");
    let events = match cluster.api::<Event>().list(&params).await {
        Ok(list) => list.items,
        Err(error) => {
            // Events help, and their absence must not hide the rest.
            terminal.say(&Error::api("list events")(error).to_string())?;
            Vec::new()
        }
    };
    let diagnosis = Diagnosis::of(&microservice, &pods, &events);
    terminal.data(&diagnosis.shown(Timestamp::now(), terminal.paint))?;
    Ok(Answer::from(diagnosis.is_well))
}

/// What is wrong with a service.
#[derive(Clone, Debug, Default)]
struct Diagnosis {
    name: String,
    is_well: bool,
    /// Whether it does its job all the same.
    is_done: bool,
    reason: String,
    message: String,
    problems: Vec<Problem>,
    /// Conditions that are not as they should be and say more than the problems, as type, reason and message.
    conditions: Vec<(String, String, String)>,
    /// Pods with what is wrong with each.
    pods: Vec<(String, Vec<String>)>,
    events: Vec<Seen>,
    /// What to do.
    next: Vec<String>,
}

/// An event, with those that say the same.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    last: Option<Timestamp>,
    times: i32,
    object: String,
    reason: String,
    message: String,
}

impl Diagnosis {
    fn of(microservice: &Microservice, pods: &[Pod], events: &[Event]) -> Self {
        let summary = Summary::of(microservice);
        let pods: Vec<_> = pods
            .iter()
            .map(|pod| (pod, pod::problems(pod)))
            .filter(|(_, problems)| !problems.is_empty())
            .collect();
        let is_said = |condition: &Condition| {
            summary.problems.iter().any(|problem| condition.message.contains(&problem.message))
        };
        let conditions = summary
            .conditions
            .iter()
            .filter(|condition| is_wrong(&condition.type_, &condition.status) && !is_said(condition));
        let mut next = advice(&summary);
        if let Some((pod, container)) = pods.iter().find_map(|(pod, _)| pod::has_former_log(pod)) {
            let namespace = &summary.namespace;
            next.push(format!(
                "read its last words: kubectl logs -n {namespace} {pod} -c {container} --previous"
            ));
        }
        Self {
            is_well: summary.is_done() && pods.is_empty() && summary.problems.is_empty(),
            is_done: summary.is_done(),
            conditions: conditions
                .map(|found| {
                    (format!("{}={}", found.type_, found.status), found.reason.clone(), found.message.clone())
                })
                .collect(),
            pods: pods.iter().map(|(pod, problems)| (pod.name_any(), problems.clone())).collect(),
            events: related(microservice, &pods, events),
            problems: summary.problems,
            name: summary.name,
            reason: summary.reason,
            message: summary.message,
            next,
        }
    }

    fn shown(&self, now: Timestamp, paint: Paint) -> String {
        let Self { name, reason, message, .. } = self;
        if self.is_well {
            return format!("{} is {}: {message}\n", paint.strong(name), paint.good("well"));
        }
        let reason = if self.is_done { paint.doubtful(reason) } else { paint.bad(reason) };
        let mut text = format!("{} {reason}: {message}\n", paint.strong(name));
        if !self.problems.is_empty() {
            text.push_str("\nProblems\n");
            for problem in &self.problems {
                let Problem { reason, severity, message, since, .. } = problem;
                let about = about(problem);
                let about = if about.is_empty() { about } else { format!(" ({about})") };
                let age = age(since.0, now);
                add(&mut text, format_args!("  {severity:?} for {age}: {reason}{about}: {message}\n"));
            }
        }
        if !self.conditions.is_empty() {
            text.push_str("\nConditions\n");
            for (condition, reason, message) in &self.conditions {
                add(&mut text, format_args!("  {condition} {reason}: {message}\n"));
            }
        }
        if !self.pods.is_empty() {
            text.push_str("\nPods\n");
            for (pod, problems) in &self.pods {
                for problem in problems {
                    add(&mut text, format_args!("  {pod}: {problem}\n"));
                }
            }
        }
        if !self.events.is_empty() {
            text.push_str("\nEvents\n");
            for Seen { last, times, object, reason, message } in &self.events {
                let when = last.map(|last| format!("{} ago", age(last, now))).unwrap_or_default();
                let times = if *times > 1 { format!(", {times} times") } else { String::new() };
                add(&mut text, format_args!("  {when}{times}: {object}: {reason}: {message}\n"));
            }
        }
        text.push_str("\nWhat to do\n");
        for line in &self.next {
            add(&mut text, format_args!("  {line}\n"));
        }
        text
    }
}

/// `Ready`, `Available` and the like shall be true, the others shall not.
fn is_wrong(type_: &str, status: &str) -> bool {
    let bad = [condition::RECONCILING, condition::STALLED, condition::SUSPENDED];
    if bad.contains(&type_) { status == "True" } else { status != "True" }
}

/// What to do about each reason that the operator gives; docs/status.md has the same.
fn advice(summary: &Summary) -> Vec<String> {
    let reasons: BTreeSet<_> = summary
        .conditions
        .iter()
        .filter(|condition| {
            is_wrong(&condition.type_, &condition.status) || condition.type_ == condition::READY
        })
        .map(|condition| condition.reason.as_str())
        .chain(summary.problems.iter().map(|problem| problem.reason.as_str()))
        .chain([summary.reason.as_str()])
        .collect();
    let mut next: Vec<_> =
        reasons.into_iter().filter_map(|reason| of_reason(reason, &summary.name)).collect();
    if next.is_empty() {
        next.push("wait: nothing says that it cannot go on".to_owned());
    }
    next.dedup();
    next
}

fn of_reason(reason: &str, name: &str) -> Option<String> {
    let text = match reason {
        "Unseen" => "see whether the operator runs: kubectl flotilla check",
        "Unavailable" => "look at the readiness check, spec.probes.readiness: what it asks must answer",
        "ImagePullFailed" => "correct spec.image, or add spec.imagePullSecrets",
        "CrashLoop" => return Some(format!("read the log: kubectl flotilla logs {name} --previous")),
        "OutOfMemory" => {
            "raise spec.resources.limits.memory, or spec.resources.requests.memory where there is no limit"
        }
        "ContainerConfigInvalid" => {
            "create the Secret, ConfigMap or key that is missing, or mark the reference optional"
        }
        "ContainerCannotStart" => "read the message: often spec.command is wrong",
        "Unschedulable" => "lower spec.resources.requests, change spec.placement, or add nodes",
        "Evicted" => "lower the use, or raise spec.resources.requests",
        "PodsRefused" => "read the message: a quota, a limit or Pod Security Admission refuses the pods",
        "ForeignObject" => "delete the object that is named, or choose another name for the service",
        "InvalidSpec" | "Refused" => "read the message: it names the field",
        "RevisionUnavailable" => "correct or remove spec.rollout.revision",
        "RolledBack" => "correct spec: the former version runs until spec asks for another",
        "ProgressDeadlineExceeded" => "correct what the pods say, and change spec",
        "WaitingForBindings" => {
            "see why what spec.bindings names has not named its Secret (status.binding.name)"
        }
        "WaitingForDependencies" => "make what it waits for ready, or remove gate from spec.dependsOn",
        "NotFound" => "create what does not exist, or correct the field that names it",
        "NotReady" => "see why it is not ready: kubectl flotilla why, with its name",
        "MigrationFailed" => "look at the log of the Job that is named, and correct spec.migrations",
        "MissingCapability" => "install what the cluster lacks, or remove the field",
        "NoGateway" => "write parentRefs to the route",
        "RouteConflict" => "choose another host or path: another service was first",
        "NotAllowed" => "let this service in: spec.network.allowFrom of the service that it calls",
        "Suspended" => "set spec.suspend to false to go on",
        "Outdated" | "ApiServerError" => "wait; if it stays, look at the API server",
        "InternalError" => "report it: it is a defect of the operator",
        _ => return None,
    };
    Some(text.to_owned())
}

/// The newest warnings about the service, its Deployment, its `ReplicaSet`s and its pods that have problems.
fn related(microservice: &Microservice, pods: &[(&Pod, Vec<String>)], events: &[Event]) -> Vec<Seen> {
    let name = microservice.name_any();
    let concerns = |event: &Event| {
        let object = event.involved_object.name.as_deref().unwrap_or_default();
        match event.involved_object.kind.as_deref().unwrap_or_default() {
            "Pod" => pods.iter().any(|(pod, _)| pod.name_any() == object),
            // The name of a ReplicaSet is that of its Deployment with the hash of its template.
            "ReplicaSet" => object.rsplit_once('-').is_some_and(|(owner, _)| owner == name),
            _ => object == name,
        }
    };
    let mut seen: Vec<_> = events
        .iter()
        .filter(|event| concerns(event))
        .map(|event| {
            let series = event.series.as_ref();
            let last = series.and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0);
            let object = &event.involved_object;
            Seen {
                last: last
                    .or(event.last_timestamp.as_ref().map(|time| time.0))
                    .or(event.event_time.as_ref().map(|time| time.0)),
                times: series.and_then(|series| series.count).or(event.count).unwrap_or(1),
                object: format!(
                    "{}/{}",
                    object.kind.as_deref().unwrap_or_default(),
                    object.name.as_deref().unwrap_or_default()
                ),
                reason: event.reason.clone().unwrap_or_default(),
                message: event.message.clone().unwrap_or_default().trim().to_owned(),
            }
        })
        .collect();
    seen.sort_by_key(|seen| std::cmp::Reverse(seen.last));
    seen.truncate(EVENTS_SHOWN);
    seen
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{
        pod::tests::{crashing, running},
        summary::tests::{broken, lacking, microservice, now},
    };

    fn event(kind: &str, name: &str, minute: u32, count: i32) -> Event {
        serde_json::from_value(json!({
            "metadata": {"name": format!("{name}.{minute}")}, "type": "Warning", "count": count, "reason": "BackOff",
            "involvedObject": {"kind": kind, "name": name}, "message": "Back-off restarting failed container",
            "lastTimestamp": format!("2026-01-01T00:{minute:02}:00Z"),
        }))
        .unwrap()
    }

    #[test]
    fn a_service_that_crashes() {
        let events = [
            event("Pod", "orders-b-2", 50, 12),
            event("Pod", "another-1", 59, 1),
            event("ReplicaSet", "orders-b", 58, 1),
            event("ReplicaSet", "orders-api-b", 58, 1),
        ];
        let diagnosis = Diagnosis::of(&broken(), &[running("orders-b-1"), crashing("orders-b-2")], &events);
        assert!(!diagnosis.is_well);
        insta::assert_snapshot!(diagnosis.shown(now(), Paint::default()));
    }

    #[test]
    fn a_service_that_is_well() {
        let well = microservice("orders", &[("Ready", "True", "Available", "2 of 2 pods are available")]);
        let diagnosis = Diagnosis::of(&well, &[running("orders-b-1")], &[event("Pod", "orders-b-1", 1, 1)]);
        insta::assert_snapshot!(diagnosis.shown(now(), Paint::default()), @"orders is well: 2 of 2 pods are available");
    }

    #[test]
    fn a_service_that_lacks_something_is_not_well_although_it_is_ready() {
        let diagnosis = Diagnosis::of(&lacking(), &[running("orders-b-1")], &[]);
        assert!(!diagnosis.is_well);
        insta::assert_snapshot!(diagnosis.shown(now(), Paint::default()));
    }

    #[test]
    fn a_service_that_was_rolled_back() {
        let conditions = [
            ("Ready", "True", "Available", "2 of 2 pods are available"),
            ("Stalled", "True", "RolledBack", "revision orders-c failed: no database; orders-b runs again"),
        ];
        insta::assert_snapshot!(
            Diagnosis::of(&microservice("orders", &conditions), &[], &[]).shown(now(), Paint::default())
        );
    }
}
