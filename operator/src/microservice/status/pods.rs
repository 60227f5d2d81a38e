//! The real error of a pod, in the words of the kubelet, brought to the object that the developer reads.

use std::{collections::BTreeMap, sync::Arc};

use jiff::SignedDuration;
use k8s_openapi::{
    api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod},
    apimachinery::pkg::apis::meta::v1::Time,
};

use crate::microservice::warnings::{Subject, Warning};

/// Why pods do not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cause {
    /// From a fixed list, so that it can be alerted on.
    pub(super) reason: &'static str,
    /// For people, with the container's name.
    pub(super) message: String,
    /// The container, when it is about one.
    pub(super) container: Option<String>,
}

impl Cause {
    /// A cause that lies with the pod as a whole.
    pub(super) fn of_pod(reason: &'static str, message: String) -> Self {
        Self { reason, message, container: None }
    }

    fn of_container(reason: &'static str, name: &str, what: &str) -> Self {
        Self { reason, message: format!("container {name:?}{what}"), container: Some(name.to_owned()) }
    }
}

/// What is wrong with the newest pod that has something. Pods that are being deleted do not count.
pub(super) fn cause(pods: &[Arc<Pod>], warnings: &BTreeMap<String, Vec<Warning>>) -> Option<Cause> {
    let mut living: Vec<_> = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
    // By name as well: pods of one second would otherwise take turns, each with a write.
    living.sort_by_key(|pod| {
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (std::cmp::Reverse(created), pod.metadata.name.clone())
    });
    living.into_iter().find_map(|pod| {
        let said = pod.metadata.uid.as_ref().and_then(|uid| warnings.get(uid));
        of_pod(pod, said.map(Vec::as_slice).unwrap_or_default())
    })
}

/// The image of the service's container in the oldest pod that is ready, by its digest.
pub(super) fn image(pods: &[Arc<Pod>], container: &str) -> Option<String> {
    let oldest = pods
        .iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .filter_map(|pod| {
            let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
            let own = statuses.iter().find(|status| status.name == container && status.ready)?;
            let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
            Some((created, &pod.metadata.name, &own.image_id))
        })
        .min()?;
    Some(oldest.2.clone()).filter(|image| !image.is_empty())
}

fn of_pod(pod: &Pod, warnings: &[Warning]) -> Option<Cause> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() == Some("Failed") && status.reason.as_deref() == Some("Evicted") {
        let message = status.message.clone().unwrap_or_default();
        return Some(Cause::of_pod("Evicted", format!("a pod was evicted: {message}")));
    }
    let unschedulable = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        let message = condition.message.clone().unwrap_or_default();
        return Some(Cause::of_pod("Unschedulable", format!("no node takes the pod: {message}")));
    }
    let init = status.init_container_statuses.iter().flatten();
    let containers: Vec<_> = init.chain(status.container_statuses.iter().flatten()).collect();
    let of_containers = containers.iter().find_map(|container| {
        let probe = probe(container, warnings);
        // What ends it is the kubelet, for its probe.
        probe
            .as_ref()
            .filter(|_| container.restart_count > 0)
            .cloned()
            .or_else(|| of_container(container))
            .or(probe)
    });
    of_containers.or_else(|| before_start(&containers, warnings))
}

/// Why no container of a pod has started.
fn before_start(containers: &[&ContainerStatus], warnings: &[Warning]) -> Option<Cause> {
    let is_waiting =
        |container: &&ContainerStatus| container.state.as_ref().is_some_and(|state| state.waiting.is_some());
    if !containers.iter().all(is_waiting) {
        return None;
    }
    let said = |subject: Subject| {
        warnings.iter().filter(|warning| warning.subject == subject).max_by_key(|warning| warning.last)
    };
    if let Some(Warning { message, .. }) = said(Subject::Volume) {
        let message = format!("a volume of the pod cannot be mounted: {message}");
        return Some(Cause::of_pod("MountFailed", message));
    }
    let Warning { message, .. } = said(Subject::Sandbox)?;
    Some(Cause::of_pod("PodCannotStart", format!("the pod cannot start: {message}")))
}

/// Exit codes of a container that was told to end: by itself, by SIGKILL and by SIGTERM.
const BY_SIGNAL: [i32; 3] = [0, 137, 143];

/// For how much longer a container must live than before its last crash to count as one that has stopped crashing.
const SETTLED: SignedDuration = SignedDuration::from_secs(10);

/// Whether it is about a probe for which the kubelet ends the container.
fn ends(warning: &Warning) -> bool {
    warning.message.starts_with("Liveness") || warning.message.starts_with("Startup")
}

/// Whether a container had lived for longer than before its last crash when something was said of it.
fn has_outlived(warning: &Warning, running: Option<&Time>, last: Option<&ContainerStateTerminated>) -> bool {
    let Some(crash) = last.filter(|last| last.exit_code != 0) else { return true };
    let lived = crash.started_at.as_ref().zip(crash.finished_at.as_ref());
    let lived = lived.map(|(from, to)| to.0.duration_since(from.0)).unwrap_or_default();
    let now = warning.last.zip(running).map(|(last, start)| last.duration_since(start.0)).unwrap_or_default();
    now > lived + SETTLED
}

/// The probe for which a container is not ready, or is ended.
fn probe(container: &ContainerStatus, warnings: &[Warning]) -> Option<Cause> {
    if container.ready {
        return None;
    }
    let state = container.state.as_ref()?;
    let name = &container.name;
    let running = state.running.as_ref().and_then(|running| running.started_at.as_ref());
    let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
    let ended = state.terminated.as_ref().or(last);
    // A readiness probe that failed before this start says nothing of this one; the others may be why there is one.
    // One that fails while a container crashes again and again is not why.
    let holds = |warning: &Warning| {
        let is_since = |start: Option<&Time>| start.is_some_and(|start| warning.last >= Some(start.0));
        let is_since_running = is_since(running) && (ends(warning) || has_outlived(warning, running, last));
        let since_ended = is_since(ended.and_then(|ended| ended.started_at.as_ref()));
        // The kubelet soon says the same thing no more, and goes on ending the container.
        let was_ended = ended.is_some_and(|ended| BY_SIGNAL.contains(&ended.exit_code));
        is_since_running || (ends(warning) && (since_ended || was_ended))
    };
    let said = warnings
        .iter()
        .filter(|warning| warning.subject == Subject::Probe && warning.container.as_ref() == Some(name))
        .filter(|warning| holds(warning))
        .max_by_key(|warning| (ends(warning), warning.last))?;
    let ends = ends(said);
    let mut message = said.message.trim().to_owned();
    if let Some(first) = message.get(..1) {
        message = first.to_lowercase() + message.get(1..).unwrap_or_default();
    }
    let restarts =
        if ends && container.restart_count > 0 { ", so it is started again and again" } else { "" };
    Some(Cause::of_container("ProbeFailed", name, &format!(": {message}{restarts}")))
}

fn of_container(container: &ContainerStatus) -> Option<Cause> {
    let name = &container.name;
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let message = waiting.message.as_deref().unwrap_or_default();
        let described = |reason, what: &str| {
            Some(Cause::of_container(reason, name, &format!(": {what}: {}", behind(message))))
        };
        match waiting.reason.as_deref().unwrap_or_default() {
            "ErrImagePull"
            | "ImagePullBackOff"
            | "InvalidImageName"
            | "ErrImageNeverPull"
            | "ImageInspectError"
            | "RegistryUnavailable" => {
                return described("ImagePullFailed", &format!("cannot pull image {:?}", container.image));
            }
            "CreateContainerConfigError" => {
                return described("ContainerConfigInvalid", "its configuration is not valid");
            }
            "CreateContainerError" | "RunContainerError" => {
                return Some(unstartable(name, message));
            }
            "CrashLoopBackOff" => return crash(name, container.last_state.as_ref()),
            _ => return None,
        }
    }
    // It runs again and has not come as far as to be ready: most likely it is about to end once more.
    if state.running.is_some() && !container.ready && container.restart_count > 0 {
        let last = container.last_state.as_ref();
        let failed = last.and_then(|last| last.terminated.as_ref()).is_some_and(|ended| ended.exit_code != 0);
        return if failed { crash(name, last) } else { None };
    }
    // Between the crash and the next start there is no waiting state.
    if state.terminated.as_ref().is_some_and(|terminated| terminated.exit_code != 0) {
        return crash(name, Some(state));
    }
    None
}

fn crash(name: &str, state: Option<&ContainerState>) -> Option<Cause> {
    let terminated = state?.terminated.as_ref()?;
    if terminated.reason.as_deref() == Some("OOMKilled") {
        let what =
            " was killed because it used more memory than its limit: raise spec.resources.limits.memory";
        return Some(Cause::of_container("OutOfMemory", name, what));
    }
    // The runtime's word for a program that never began; the kubelet's takes turns with it.
    if terminated.reason.as_deref() == Some("StartError") {
        return Some(unstartable(name, terminated.message.as_deref().unwrap_or_default()));
    }
    let how = match terminated.signal {
        Some(signal) => format!("signal {signal}"),
        None => format!("exit code {}", terminated.exit_code),
    };
    let said = match terminated.message.as_deref().map(str::trim) {
        Some(message) if !message.is_empty() => format!(": {message}"),
        _ => ": its last words are in its log (kubectl logs --previous)".to_owned(),
    };
    Some(Cause::of_container("CrashLoop", name, &format!(" ended with {how}{said}")))
}

fn unstartable(name: &str, message: &str) -> Cause {
    Cause::of_container("ContainerCannotStart", name, &format!(": it cannot start: {}", message.trim()))
}

/// What is behind a back-off. `ErrImagePull` and `ImagePullBackOff` take turns with two wordings of one error;
/// the part they share is the error itself.
fn behind(message: &str) -> &str {
    message.split_once("ErrImagePull: ").map_or(message, |(_, cause)| cause)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, created: &str, status: Value) -> Arc<Pod> {
        let pod = json!({"metadata": {"name": name, "uid": format!("uid-{name}"), "creationTimestamp": created}, "status": status});
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn container(state: Value, last: Value) -> Value {
        json!({"containerStatuses": [{"name": "app", "image": "app:1", "imageID": "", "ready": false,
            "restartCount": 1, "state": state, "lastState": last}]})
    }

    fn one(status: Value) -> Option<Cause> {
        with(status, Vec::new())
    }

    fn with(status: Value, warnings: Vec<Warning>) -> Option<Cause> {
        cause(&[pod("a", "2026-01-01T00:00:00Z", status)], &BTreeMap::from([("uid-a".to_owned(), warnings)]))
    }

    #[test]
    fn the_image_is_that_of_the_oldest_pod_that_is_ready() {
        let of = |image: &str, ready: bool| {
            json!({"containerStatuses": [
                {"name": "proxy", "image": "p", "imageID": "p@sha256:0", "ready": true, "restartCount": 0},
                {"name": "app", "image": "app:1", "imageID": image, "ready": ready, "restartCount": 0}]})
        };
        let starting = pod("a", "2026-01-01T00:00:00Z", of("app@sha256:1", false));
        let newer = pod("b", "2026-01-03T00:00:00Z", of("app@sha256:3", true));
        let older = pod("c", "2026-01-02T00:00:00Z", of("app@sha256:2", true));
        assert_eq!(image(&[starting.clone(), newer, older], "app").as_deref(), Some("app@sha256:2"));
        assert_eq!(image(&[starting], "app"), None);
    }

    #[test]
    fn a_failed_pull_reads_the_same_while_it_backs_off() {
        let error = "failed to resolve reference \"app:1\": not found";
        let now = one(container(json!({"waiting": {"reason": "ErrImagePull", "message": error}}), json!({})));
        let later = one(container(
            json!({"waiting": {"reason": "ImagePullBackOff",
                "message": format!("Back-off pulling image \"app:1\": ErrImagePull: {error}")}}),
            json!({}),
        ));
        assert_eq!(now, later);
        let problem = now.unwrap();
        assert_eq!(problem.reason, "ImagePullFailed");
        assert_eq!(problem.message, format!("container \"app\": cannot pull image \"app:1\": {error}"));
    }

    #[test]
    fn a_crash_reads_the_same_while_it_backs_off() {
        let ended = json!({"terminated": {"exitCode": 3, "reason": "Error"}});
        let between = one(container(ended.clone(), json!({})));
        let waiting = one(container(
            json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}),
            ended,
        ));
        assert_eq!(between, waiting);
        assert!(between.unwrap().message.starts_with("container \"app\" ended with exit code 3"));
    }

    #[test]
    fn a_program_that_cannot_begin_reads_the_same_while_it_backs_off() {
        let error = "exec: \"/shop\": no such file or directory";
        let refused =
            container(json!({"waiting": {"reason": "RunContainerError", "message": error}}), json!({}));
        let ended = json!({"terminated": {"exitCode": 128, "reason": "StartError", "message": error}});
        let between = container(ended.clone(), json!({}));
        let waiting = container(json!({"waiting": {"reason": "CrashLoopBackOff"}}), ended);
        let [refused, between, waiting] = [refused, between, waiting].map(|status| one(status).unwrap());
        assert_eq!(refused.reason, "ContainerCannotStart");
        assert_eq!((&between, &waiting), (&refused, &refused));
    }

    #[test]
    fn memory_and_scheduling_are_told_apart() {
        let killed = json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}});
        assert_eq!(one(container(killed, json!({}))).unwrap().reason, "OutOfMemory");
        let unschedulable = json!({"conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/1 nodes are available"}]});
        assert_eq!(one(unschedulable).unwrap().reason, "Unschedulable");
    }

    #[test]
    fn a_pod_that_starts_or_runs_has_no_problem() {
        assert_eq!(one(container(json!({"waiting": {"reason": "ContainerCreating"}}), json!({}))), None);
        let mut again = container(json!({"running": {}}), json!({"terminated": {"exitCode": 1}}));
        assert_eq!(one(again.clone()).unwrap().reason, "CrashLoop");
        again["containerStatuses"][0]["ready"] = json!(true);
        assert_eq!(one(again), None);
        assert_eq!(one(container(json!({"terminated": {"exitCode": 0}}), json!({}))), None);
    }

    fn warning(subject: Subject, message: &str, last: &str) -> Warning {
        let container = (subject == Subject::Probe).then(|| "app".to_owned());
        Warning { subject, container, message: message.to_owned(), last: Some(last.parse().unwrap()) }
    }

    #[test]
    fn a_volume_that_cannot_be_mounted_is_named_until_a_container_starts() {
        let creating = container(json!({"waiting": {"reason": "ContainerCreating"}}), json!({}));
        let said = || vec![warning(Subject::Volume, "secret \"keys\" not found", "2026-01-01T00:00:00Z")];
        let problem = with(creating, said()).unwrap();
        assert_eq!(problem.reason, "MountFailed");
        assert_eq!(problem.message, "a volume of the pod cannot be mounted: secret \"keys\" not found");
        let running = container(json!({"running": {"startedAt": "2026-01-01T00:00:01Z"}}), json!({}));
        assert_eq!(with(running, said()), None);
    }

    #[test]
    fn a_probe_that_fails_is_named_while_it_matters() {
        let mut running = container(json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}}), json!({}));
        let failed = "Readiness probe failed: HTTP probe failed with statuscode: 503";
        let before = warning(Subject::Probe, failed, "2025-01-01T00:00:00Z");
        let after = warning(Subject::Probe, failed, "2026-01-01T00:00:09Z");
        assert_eq!(with(running.clone(), vec![before]), None);
        let problem = with(running.clone(), vec![after.clone()]).unwrap();
        assert_eq!(problem.reason, "ProbeFailed");
        assert_eq!(
            problem.message,
            "container \"app\": readiness probe failed: HTTP probe failed with statuscode: 503"
        );
        running["containerStatuses"][0]["ready"] = json!(true);
        assert_eq!(with(running, vec![after]), None);
        let liveness = warning(Subject::Probe, "Liveness probe failed: timeout", "2026-01-01T00:00:09Z");
        let killed = container(
            json!({"waiting": {"reason": "CrashLoopBackOff"}}),
            json!({"terminated": {"exitCode": 1, "startedAt": "2026-01-01T00:00:00Z"}}),
        );
        let long_ago = warning(Subject::Probe, "Liveness probe failed: timeout", "2025-01-01T00:00:09Z");
        assert_eq!(with(killed.clone(), vec![long_ago]).unwrap().reason, "CrashLoop");
        let problem = with(killed, vec![liveness]).unwrap();
        assert_eq!(
            problem.message,
            "container \"app\": liveness probe failed: timeout, so it is started again and again"
        );
    }

    #[test]
    fn a_container_that_crashes_is_not_ready_for_that_until_it_has_stopped() {
        let crashed = json!({"terminated": {"exitCode": 2, "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": "2026-01-01T00:00:20Z"}});
        let running = container(json!({"running": {"startedAt": "2026-01-01T00:01:00Z"}}), crashed);
        let failed = |second: u32| {
            let last = format!("2026-01-01T00:01:{second:02}Z");
            let said = warning(Subject::Probe, "Readiness probe failed: connection refused", &last);
            with(running.clone(), vec![said]).unwrap().reason
        };
        assert_eq!([failed(1), failed(30), failed(31)], ["CrashLoop", "CrashLoop", "ProbeFailed"]);
    }

    #[test]
    fn the_newest_pod_speaks() {
        let ended = |code: i32| container(json!({"terminated": {"exitCode": code}}), json!({}));
        let pods =
            [pod("old", "2026-01-01T00:00:00Z", ended(1)), pod("new", "2026-01-02T00:00:00Z", ended(2))];
        assert!(cause(&pods, &BTreeMap::new()).unwrap().message.contains("exit code 2"));
    }
}
