//! Events on the object, when the reason of `Ready` or what the cluster lacks changes, and not at other times.

use std::sync::{Mutex, PoisonError};

use flotilla_crds::v1alpha1::{Microservice, MicroserviceStatus, condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Client, Resource,
    runtime::events::{Event, EventType, Recorder, Reporter},
};

/// The longest note that the events API takes, in bytes.
const NOTE_MAX_BYTES: usize = 1024;

/// How many events are remembered, so that what repeats is counted in the first one. A recorder by itself remembers
/// all of its last minutes, which are many when many services start.
const REMEMBERED: u16 = 256;

/// Publishes events of the operator.
pub(super) struct Events {
    client: Client,
    reporter: Reporter,
    recorder: Mutex<(Recorder, u16)>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Events")
    }
}

impl Events {
    pub(super) fn new(client: Client, instance: &str) -> Self {
        let reporter =
            Reporter { controller: "flotilla-operator".into(), instance: Some(instance.to_owned()) };
        let recorder = Recorder::new(client.clone(), reporter.clone());
        Self { client, reporter, recorder: Mutex::new((recorder, 0)) }
    }

    /// The recorder, or a new one when it remembers enough.
    fn recorder(&self) -> Recorder {
        let mut current = self.recorder.lock().unwrap_or_else(PoisonError::into_inner);
        let (recorder, published) = &mut *current;
        if *published >= REMEMBERED {
            *recorder = Recorder::new(self.client.clone(), self.reporter.clone());
            *published = 0;
        }
        *published += 1;
        recorder.clone()
    }

    /// Publishes the transition between two states, if there is one. An event that cannot be published is
    /// logged: it must not stop the service from being made.
    pub(super) async fn transition(&self, microservice: &Microservice, next: &MicroserviceStatus) {
        let former = microservice.status.as_ref();
        let find = |status: &MicroserviceStatus, type_| {
            status.conditions.iter().find(|condition| condition.type_ == type_).cloned()
        };
        if let Some(stalled) = find(next, condition::STALLED) {
            let before = former.and_then(|status| find(status, condition::STALLED));
            let said = ready(&next.conditions).is_some_and(|ready| ready.reason == stalled.reason);
            if !said && before.is_none_or(|before| before.reason != stalled.reason) {
                self.publish(microservice, EventType::Warning, &stalled.reason, &stalled.message).await;
            }
        }
        if let Some((type_, reason, message)) = capability(former, next) {
            self.publish(microservice, type_, reason, message).await;
        }
        let before = former.and_then(|status| ready(&status.conditions));
        let Some(now) = ready(&next.conditions) else {
            return;
        };
        if before.is_some_and(|before| before.status == now.status && before.reason == now.reason) {
            return;
        }
        let type_ = if is_warning(before, now, next) { EventType::Warning } else { EventType::Normal };
        self.publish(microservice, type_, &now.reason, &now.message).await;
    }

    async fn publish(&self, microservice: &Microservice, type_: EventType, reason: &str, note: &str) {
        let event = Event {
            type_,
            reason: reason.to_owned(),
            note: Some(
                note.char_indices()
                    .take_while(|(at, c)| at + c.len_utf8() <= NOTE_MAX_BYTES)
                    .map(|(_, c)| c)
                    .collect(),
            ),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.recorder().publish(&event, &microservice.object_ref(&())).await {
            tracing::warn!(%error, reason, "cannot publish an event");
        }
    }
}

/// What is to be said of what the cluster lacks: that it does when `Ready` does not say so because the class can do without
/// it, and that it no longer does.
fn capability<'n>(
    former: Option<&MicroserviceStatus>,
    next: &'n MicroserviceStatus,
) -> Option<(EventType, &'n str, &'n str)> {
    fn lack(status: &MicroserviceStatus) -> Option<&Condition> {
        status.conditions.iter().find(|found| found.type_ == condition::CAPABILITIES_AVAILABLE)
    }
    match (former.and_then(lack), lack(next)) {
        (None, None) => None,
        (Some(_), None) => Some((
            EventType::Normal,
            condition::CAPABILITIES_AVAILABLE,
            "the cluster has all that spec asks for",
        )),
        (before, Some(now)) => {
            let is_said = ready(&next.conditions).is_some_and(|ready| ready.reason == now.reason);
            let is_new = before.is_none_or(|before| before.message != now.message);
            (is_new && !is_said).then_some((EventType::Warning, &*now.reason, &*now.message))
        }
    }
}

fn ready(conditions: &[Condition]) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == condition::READY)
}

/// Whether somebody should look: not while a new service starts, whose pods are not there yet.
fn is_warning(before: Option<&Condition>, now: &Condition, next: &MicroserviceStatus) -> bool {
    let was_ready = before.is_some_and(|before| before.status == "True");
    let reconciling = next.conditions.iter().any(|condition| condition.type_ == condition::RECONCILING);
    match now.reason.as_str() {
        "Unavailable" => was_ready || !reconciling,
        "Progressing" | "RollingOut" | "Available" | "ScaledToZero" => false,
        _ => now.status == "False" || reconciling,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn status(ready: &str, lacks: Option<&str>) -> MicroserviceStatus {
        let condition = |type_: &str, status: &str, reason: &str, message: &str| -> Value {
            json!({"type": type_, "status": status, "reason": reason, "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z"})
        };
        let lack =
            lacks.map(|message| condition("CapabilitiesAvailable", "False", "MissingCapability", message));
        let all: Vec<_> = [condition("Ready", "True", ready, "")].into_iter().chain(lack).collect();
        serde_json::from_value(json!({ "conditions": all })).unwrap()
    }

    #[test]
    fn what_the_cluster_lacks_is_said_once_and_when_it_is_there() {
        let (whole, lacks) = (status("Available", None), status("Available", Some("KEDA")));
        let fatal = status("MissingCapability", Some("KEDA"));
        let said = |former: Option<&MicroserviceStatus>, next: &MicroserviceStatus| {
            capability(former, next).map(|(type_, reason, message)| format!("{type_:?} {reason}: {message}"))
        };
        let warning = Some("Warning MissingCapability: KEDA".to_owned());
        assert_eq!(said(None, &lacks), warning);
        assert_eq!(said(Some(&whole), &lacks), warning);
        assert_eq!(said(Some(&status("Available", Some("Istio"))), &lacks), warning);
        assert_eq!(said(Some(&lacks), &lacks), None);
        assert_eq!(said(Some(&whole), &whole), None);
        assert_eq!(said(Some(&whole), &fatal), None, "the event of Ready says it");
        let there = "Normal CapabilitiesAvailable: the cluster has all that spec asks for";
        assert_eq!(said(Some(&lacks), &whole).as_deref(), Some(there));
    }
}
