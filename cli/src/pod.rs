//! How a pod is, in a word and in its own words. Pure.

use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::ResourceExt as _;

/// Whether the pod is ready.
pub fn is_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    pod.metadata.deletion_timestamp.is_none()
        && conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// What kubectl shows as its status.
pub fn word(pod: &Pod) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "Terminating".to_owned();
    }
    let Some(status) = &pod.status else { return "Unknown".to_owned() };
    let waiting = containers(pod).filter_map(|container| {
        let state = container.state.as_ref()?;
        let waiting = state.waiting.as_ref().and_then(|waiting| waiting.reason.clone());
        let ended = state
            .terminated
            .as_ref()
            .filter(|ended| ended.exit_code != 0)
            .and_then(|ended| ended.reason.clone());
        waiting.or(ended).filter(|reason| reason != "PodInitializing")
    });
    let reason = status.reason.clone().or_else(|| waiting.into_iter().next());
    reason.or_else(|| status.phase.clone()).unwrap_or_else(|| "Unknown".to_owned())
}

/// How often its containers began anew.
pub fn restarts(pod: &Pod) -> i32 {
    containers(pod).map(|container| container.restart_count).sum()
}

/// What is wrong with the pod, in the words of the scheduler and the kubelet, a line each.
pub fn problems(pod: &Pod) -> Vec<String> {
    let Some(status) = &pod.status else { return Vec::new() };
    let mut found = Vec::new();
    if status.phase.as_deref() == Some("Failed") {
        let said = status.message.as_deref().unwrap_or("it says no more");
        found.push(format!("{}: {said}", status.reason.as_deref().unwrap_or("Failed")));
    }
    for condition in status.conditions.iter().flatten() {
        if condition.type_ == "PodScheduled" && condition.status == "False" {
            let reason = condition.reason.as_deref().unwrap_or("not scheduled");
            found.push(format!("{reason}: {}", condition.message.as_deref().unwrap_or_default()));
        }
    }
    found.extend(containers(pod).filter_map(of_container));
    if found.is_empty()
        && pod.metadata.deletion_timestamp.is_none()
        && status.phase.as_deref() == Some("Running")
    {
        let unready = status.container_statuses.iter().flatten().filter(|container| !container.ready);
        found.extend(unready.map(|container| {
            format!("container {:?} runs, and its readiness check does not pass", container.name)
        }));
    }
    found
}

fn of_container(container: &ContainerStatus) -> Option<String> {
    let name = &container.name;
    let state = container.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or("waiting");
        if matches!(reason, "ContainerCreating" | "PodInitializing") {
            return None;
        }
        let said = waiting.message.as_deref().unwrap_or_default();
        let last = container.last_state.as_ref().and_then(ended).map(|ended| format!("; it {ended}"));
        return Some(format!("container {name:?}: {reason}: {said}{}", last.unwrap_or_default()));
    }
    let ended =
        ended(state).filter(|_| state.terminated.as_ref().is_some_and(|ended| ended.exit_code != 0))?;
    Some(format!("container {name:?} {ended}"))
}

/// How a container ended.
fn ended(state: &ContainerState) -> Option<String> {
    let ended = state.terminated.as_ref()?;
    let reason = ended.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let said = ended.message.as_deref().map(str::trim).filter(|said| !said.is_empty());
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    Some(format!("ended with exit code {}{reason}{said}", ended.exit_code))
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    pod.status.iter().flat_map(|status| {
        let init = status.init_container_statuses.iter().flatten();
        init.chain(status.container_statuses.iter().flatten())
    })
}

/// Whether a container of this pod ended and began anew, so that there is a log of its former run.
pub fn has_former_log(pod: &Pod) -> Option<(String, String)> {
    let container = containers(pod).find(|container| container.restart_count > 0)?;
    Some((pod.name_any(), container.name.clone()))
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn pod(name: &str, status: Value) -> Pod {
        serde_json::from_value(json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"),
                "labels": {"flotilla.dev/microservice": "orders"},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "orders-b", "uid": "rs-b",
                    "controller": true}]},
            "status": status,
        }))
        .unwrap()
    }

    pub(crate) fn crashing(name: &str) -> Pod {
        pod(
            name,
            json!({"phase": "Running", "containerStatuses": [{"name": "orders", "image": "orders:1", "imageID": "",
            "ready": false, "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "message": "no database\n"}}}]}),
        )
    }

    pub(crate) fn running(name: &str) -> Pod {
        pod(
            name,
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "orders", "image": "orders:1", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {}}}]}),
        )
    }

    #[test]
    fn words_are_those_of_kubectl() {
        assert_eq!(word(&running("a")), "Running");
        assert_eq!(word(&crashing("a")), "CrashLoopBackOff");
        assert_eq!(word(&pod("a", json!({"phase": "Pending"}))), "Pending");
        let mut ending = running("a");
        ending.metadata.deletion_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        assert_eq!((word(&ending).as_str(), is_ready(&ending)), ("Terminating", false));
    }

    #[test]
    fn problems_are_in_the_pods_own_words() {
        assert_eq!(problems(&running("a")), Vec::<String>::new());
        assert_eq!(
            problems(&crashing("a")),
            [
                "container \"orders\": CrashLoopBackOff: back-off 40s; it ended with exit code 1 (Error): no database"
            ]
        );
        let pending = pod(
            "a",
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False",
            "reason": "Unschedulable", "message": "0/1 nodes are available"}]}),
        );
        assert_eq!(problems(&pending), ["Unschedulable: 0/1 nodes are available"]);
        let unready = pod(
            "a",
            json!({"phase": "Running", "containerStatuses": [{"name": "orders", "image": "", "imageID": "",
            "ready": false, "restartCount": 0, "state": {"running": {}}}]}),
        );
        assert_eq!(problems(&unready), ["container \"orders\" runs, and its readiness check does not pass"]);
    }
}
