//! Events on the object, when the reason of `Ready` changes and not at other times.

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
