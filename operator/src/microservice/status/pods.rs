//! The real error of a pod, in the words of the kubelet, brought to the object that the developer reads.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};

/// Why pods do not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// From a fixed list, so that it can be alerted on.
    pub(super) reason: &'static str,
    /// For people, with the container's name.
    pub(super) message: String,
}

/// The problem of the newest pod that has one. Pods that are being deleted do not count.
pub(super) fn problem(pods: &[Arc<Pod>]) -> Option<Problem> {
    let mut living: Vec<_> = pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).collect();
    // By name as well: pods of one second would otherwise take turns, each with a write.
    living.sort_by_key(|pod| {
        let created = pod.metadata.creation_timestamp.as_ref().map(|time| time.0);
        (std::cmp::Reverse(created), pod.metadata.name.clone())
    });
    living.into_iter().find_map(|pod| of_pod(pod))
}

fn of_pod(pod: &Pod) -> Option<Problem> {
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() == Some("Failed") && status.reason.as_deref() == Some("Evicted") {
        let message = status.message.clone().unwrap_or_default();
        return Some(Problem { reason: "Evicted", message: format!("a pod was evicted: {message}") });
    }
    let unschedulable = status.conditions.iter().flatten().find(|condition| {
        condition.type_ == "PodScheduled"
            && condition.status == "False"
            && condition.reason.as_deref() == Some("Unschedulable")
    });
    if let Some(condition) = unschedulable {
        let message = condition.message.clone().unwrap_or_default();
        return Some(Problem {
            reason: "Unschedulable",
            message: format!("no node takes the pod: {message}"),
        });
    }
    let init = status.init_container_statuses.iter().flatten();
    init.chain(status.container_statuses.iter().flatten()).find_map(of_container)
}

fn of_container(container: &ContainerStatus) -> Option<Problem> {
    let name = &container.name;
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let message = waiting.message.as_deref().unwrap_or_default();
        let described = |reason, what: &str| {
            Some(Problem { reason, message: format!("container {name:?}: {what}: {}", cause(message)) })
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
                return described("ContainerCannotStart", "it cannot start");
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

fn crash(name: &str, state: Option<&ContainerState>) -> Option<Problem> {
    let terminated = state?.terminated.as_ref()?;
    if terminated.reason.as_deref() == Some("OOMKilled") {
        let message = format!(
            "container {name:?} was killed because it used more memory than its limit: raise spec.resources.limits.memory"
        );
        return Some(Problem { reason: "OutOfMemory", message });
    }
    let how = match terminated.signal {
        Some(signal) => format!("signal {signal}"),
        None => format!("exit code {}", terminated.exit_code),
    };
    let said = match terminated.message.as_deref().map(str::trim) {
        Some(message) if !message.is_empty() => format!(": {message}"),
        _ => ": its last words are in its log (kubectl logs --previous)".to_owned(),
    };
    Some(Problem { reason: "CrashLoop", message: format!("container {name:?} ended with {how}{said}") })
}

/// What is behind a back-off. `ErrImagePull` and `ImagePullBackOff` take turns with two wordings of one error;
/// the part they share is the error itself.
fn cause(message: &str) -> &str {
    message.split_once("ErrImagePull: ").map_or(message, |(_, cause)| cause)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, created: &str, status: Value) -> Arc<Pod> {
        let pod = json!({"metadata": {"name": name, "creationTimestamp": created}, "status": status});
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    fn container(state: Value, last: Value) -> Value {
        json!({"containerStatuses": [{"name": "app", "image": "app:1", "imageID": "", "ready": false,
            "restartCount": 1, "state": state, "lastState": last}]})
    }

    fn one(status: Value) -> Option<Problem> {
        problem(&[pod("a", "2026-01-01T00:00:00Z", status)])
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

    #[test]
    fn the_newest_pod_speaks() {
        let ended = |code: i32| container(json!({"terminated": {"exitCode": code}}), json!({}));
        let pods =
            [pod("old", "2026-01-01T00:00:00Z", ended(1)), pod("new", "2026-01-02T00:00:00Z", ended(2))];
        assert!(problem(&pods).unwrap().message.contains("exit code 2"));
    }
}
