//! Events on the object, when the reason of `Ready` or what the cluster lacks changes, and not at other times.

use flotilla_crds::v1alpha1::{Microservice, MicroserviceStatus, condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{Resource, runtime::events::EventType};

use crate::cluster::events::Events;

/// Publishes the transition between two states, if there is one.
pub(super) async fn transition(events: &Events, microservice: &Microservice, next: &MicroserviceStatus) {
    let about = microservice.object_ref(&());
    let former = microservice.status.as_ref();
    let find = |status: &MicroserviceStatus, type_| {
        status.conditions.iter().find(|condition| condition.type_ == type_).cloned()
    };
    if let Some(stalled) = find(next, condition::STALLED) {
        let before = former.and_then(|status| find(status, condition::STALLED));
        let said = ready(&next.conditions).is_some_and(|ready| ready.reason == stalled.reason);
        if !said && before.is_none_or(|before| before.reason != stalled.reason) {
            events.publish(&about, EventType::Warning, &stalled.reason, &stalled.message).await;
        }
    }
    if let Some((type_, reason, message)) = capability(former, next) {
        events.publish(&about, type_, reason, message).await;
    }
    let before = former.and_then(|status| ready(&status.conditions));
    let Some(now) = ready(&next.conditions) else {
        return;
    };
    if before.is_some_and(|before| before.status == now.status && before.reason == now.reason) {
        return;
    }
    let type_ = if is_warning(before, now, next) { EventType::Warning } else { EventType::Normal };
    events.publish(&about, type_, &now.reason, &now.message).await;
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
