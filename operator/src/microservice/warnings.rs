//! What the kubelet says of pods in events and nowhere else: volumes that cannot be mounted, probes that fail.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::{PoisonError, RwLock},
};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use kube::{ResourceExt, runtime::watcher};
use tokio::sync::watch;

/// How often a probe must have failed. A service that is about to start fails some of its probes.
const PROBE_FAILURES: i32 = 3;

/// The events that are asked for: warnings about pods.
pub const SELECTOR: &str = "involvedObject.kind=Pod,type=Warning";

/// Something that is wrong with a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// What kind of thing.
    pub subject: Subject,
    /// The container, if it is about one.
    pub container: Option<String>,
    /// The words of the kubelet.
    pub message: String,
    /// When it was said last.
    pub last: Option<Timestamp>,
}

/// What a warning is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A volume cannot be attached or mounted.
    Volume,
    /// A probe fails.
    Probe,
    /// The pod cannot get its network or another part of its sandbox.
    Sandbox,
}

/// A pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodKey {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// The warnings of one scope, by the UID of the pod.
#[derive(Debug, Default)]
pub struct Warnings {
    state: RwLock<State>,
    ready: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    by_pod: HashMap<String, BTreeMap<String, Warning>>,
    pod_of: HashMap<String, String>,
    /// UIDs of events that the running list has shown, while one runs.
    listed: Option<HashSet<String>>,
}

impl Warnings {
    /// Takes in an event of the watch. Returns the pod of which something new is said.
    pub fn observe(&self, event: &watcher::Event<Event>) -> Option<PodKey> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        match event {
            watcher::Event::Init => state.listed = Some(HashSet::new()),
            watcher::Event::InitApply(event) => {
                if let Some(listed) = &mut state.listed {
                    listed.extend(event.uid());
                }
                return state.apply(event);
            }
            watcher::Event::InitDone => {
                let listed = state.listed.take().unwrap_or_default();
                let gone: Vec<_> =
                    state.pod_of.keys().filter(|uid| !listed.contains(*uid)).cloned().collect();
                for uid in gone {
                    state.remove(&uid);
                }
                self.ready.send_replace(true);
            }
            watcher::Event::Apply(event) => return state.apply(event),
            watcher::Event::Delete(event) => {
                if let Some(uid) = event.uid() {
                    state.remove(&uid);
                }
            }
        }
        None
    }

    /// What is said of a pod.
    pub fn of(&self, pod: &str) -> Vec<Warning> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.by_pod.get(pod).into_iter().flat_map(BTreeMap::values).cloned().collect()
    }

    /// Whether the first list is complete.
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Waits until the first list is complete.
    pub async fn wait_until_ready(&self) {
        // The sender lives in `self`, so the only error, a dropped sender, cannot happen while this waits.
        self.ready.subscribe().wait_for(|ready| *ready).await.ok();
    }
}

impl State {
    fn apply(&mut self, event: &Event) -> Option<PodKey> {
        let (uid, warning) = (event.uid()?, warning(event)?);
        let pod = event.involved_object.uid.clone()?;
        self.pod_of.insert(uid.clone(), pod.clone());
        let before = self.by_pod.entry(pod).or_default().insert(uid, warning.clone());
        // That it goes on is no news.
        if before.is_some_and(|before| before.message == warning.message) {
            return None;
        }
        let object = &event.involved_object;
        Some(PodKey { namespace: object.namespace.clone()?, name: object.name.clone()? })
    }

    fn remove(&mut self, uid: &str) {
        let Some(pod) = self.pod_of.remove(uid) else {
            return;
        };
        if let Some(warnings) = self.by_pod.get_mut(&pod) {
            warnings.remove(uid);
            if warnings.is_empty() {
                self.by_pod.remove(&pod);
            }
        }
    }
}

/// `None` for an event that says nothing that the status of a pod does not say.
fn warning(event: &Event) -> Option<Warning> {
    let subject = match event.reason.as_deref()? {
        "FailedMount" | "FailedAttachVolume" | "FailedMapVolume" => Subject::Volume,
        "Unhealthy" if occurrences(event) >= PROBE_FAILURES => Subject::Probe,
        "FailedCreatePodSandBox" => Subject::Sandbox,
        _ => return None,
    };
    let container = event.involved_object.field_path.as_deref().and_then(|path| {
        let (_, name) = path.split_once('{')?;
        name.strip_suffix('}')
    });
    let times = [
        event.series.as_ref().and_then(|series| series.last_observed_time.as_ref()).map(|time| time.0),
        event.last_timestamp.as_ref().map(|time| time.0),
        event.event_time.as_ref().map(|time| time.0),
    ];
    Some(Warning {
        subject,
        container: container.map(str::to_owned),
        message: event.message.clone().unwrap_or_default(),
        last: times.into_iter().flatten().max(),
    })
}

fn occurrences(event: &Event) -> i32 {
    event.series.as_ref().and_then(|series| series.count).or(event.count).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(uid: &str, reason: &str, count: i32) -> Event {
        serde_json::from_value(json!({
            "metadata": {"name": uid, "uid": uid},
            "involvedObject": {"kind": "Pod", "namespace": "shop", "name": "orders-1", "uid": "pod",
                "fieldPath": "spec.containers{orders}"},
            "reason": reason, "message": format!("{reason} happened"), "count": count,
            "lastTimestamp": "2026-01-01T00:00:00Z",
        }))
        .unwrap()
    }

    #[test]
    fn a_probe_counts_when_it_has_failed_often() {
        let warnings = Warnings::default();
        assert_eq!(warnings.observe(&watcher::Event::Apply(event("a", "Unhealthy", 2))), None);
        let news = warnings.observe(&watcher::Event::Apply(event("a", "Unhealthy", 3)));
        assert_eq!(news, Some(PodKey { namespace: "shop".into(), name: "orders-1".into() }));
        assert_eq!(warnings.observe(&watcher::Event::Apply(event("a", "Unhealthy", 4))), None);
        let said = warnings.of("pod");
        assert_eq!((said[0].subject, said[0].container.as_deref()), (Subject::Probe, Some("orders")));
        warnings.observe(&watcher::Event::Delete(event("a", "Unhealthy", 4)));
        assert_eq!(warnings.of("pod"), []);
    }

    #[test]
    fn a_new_list_forgets_what_it_lacks() {
        let warnings = Warnings::default();
        warnings.observe(&watcher::Event::Apply(event("a", "FailedMount", 1)));
        warnings.observe(&watcher::Event::Init);
        warnings.observe(&watcher::Event::InitApply(event("b", "FailedMount", 1)));
        warnings.observe(&watcher::Event::InitApply(event("c", "BackOff", 1)));
        warnings.observe(&watcher::Event::InitDone);
        assert!(warnings.is_ready());
        assert_eq!(warnings.of("pod").len(), 1);
    }
}
