//! How a service is, from its status. Pure.

mod show;

use flotilla_crds::v1alpha1::{Microservice, Problem, Use, condition};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use serde::Serialize;

pub use self::show::{about, age, detail, line, list};

/// Where a service is on its way, in the terms of kstatus.
#[derive(Serialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// The cluster has what `spec` says, and it is ready.
    Current,
    /// It is on its way.
    InProgress,
    /// The way is blocked until somebody changes something.
    Failed,
    /// `spec.suspend` is true.
    Suspended,
    /// It is on no way, and not ready.
    NotReady,
}

/// How a service is.
#[derive(Serialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it does its job; `null` when nothing is known yet.
    pub ready: Option<bool>,
    /// Where it is on its way.
    pub state: State,
    /// Why, in one word.
    pub reason: String,
    /// Why, in a sentence.
    pub message: String,
    /// Ready and wanted pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pods: Option<String>,
    /// What it runs.
    pub image: String,
    /// Where it is reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The revision that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Problem>,
    /// What it uses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<Use>,
    /// All conditions.
    pub conditions: Vec<Condition>,
}

/// The condition of this type.
pub fn condition<'a>(microservice: &'a Microservice, type_: &str) -> Option<&'a Condition> {
    microservice.status.as_ref()?.conditions.iter().find(|condition| condition.type_ == type_)
}

fn is_true(microservice: &Microservice, type_: &str) -> bool {
    condition(microservice, type_).is_some_and(|condition| condition.status == "True")
}

impl Summary {
    /// How this service is.
    pub fn of(microservice: &Microservice) -> Self {
        let status = microservice.status.clone().unwrap_or_default();
        let ready = condition(microservice, condition::READY);
        let seen = status.observed_generation >= microservice.metadata.generation;
        let (reason, message) = match ready {
            None => {
                ("Unseen", "the operator has not seen it yet: kubectl flotilla check tells whether it runs")
            }
            Some(_) if !seen => ("Unseen", "the operator has not seen the newest spec yet"),
            Some(ready) => (ready.reason.as_str(), ready.message.as_str()),
        };
        Self {
            namespace: microservice.namespace().unwrap_or_default(),
            name: microservice.name_any(),
            ready: ready.and_then(|ready| match ready.status.as_str() {
                "True" => Some(true),
                "False" => Some(false),
                _ => None,
            }),
            state: state(microservice, seen),
            reason: reason.to_owned(),
            message: message.to_owned(),
            pods: status.ready.clone(),
            image: microservice.spec.image.clone(),
            url: status.url.clone(),
            revision: status.revisions.as_ref().and_then(|revisions| revisions.current.clone()),
            problems: status.problems,
            uses: status.uses,
            conditions: status.conditions,
        }
    }

    /// Whether it does its job, and the operator has seen its newest `spec`.
    pub fn is_ready(&self) -> bool {
        self.ready == Some(true) && self.reason != "Unseen"
    }

    /// Whether there is nothing more to wait for.
    pub fn is_settled(&self) -> bool {
        !matches!(self.state, State::InProgress | State::NotReady)
    }

    /// Whether it is as `spec` says.
    pub fn is_done(&self) -> bool {
        self.is_ready() && !matches!(self.state, State::Failed | State::InProgress)
    }
}

fn state(microservice: &Microservice, seen: bool) -> State {
    if !seen || microservice.status.is_none() {
        State::InProgress
    } else if is_true(microservice, condition::SUSPENDED) {
        State::Suspended
    } else if is_true(microservice, condition::STALLED) {
        State::Failed
    } else if is_true(microservice, condition::RECONCILING) {
        State::InProgress
    } else if is_true(microservice, condition::READY) {
        State::Current
    } else {
        State::NotReady
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};

    use super::*;

    pub(crate) fn now() -> Timestamp {
        "2026-01-01T01:00:00Z".parse().unwrap()
    }

    pub(crate) fn microservice(name: &str, conditions: &[(&str, &str, &str, &str)]) -> Microservice {
        let conditions: Vec<Value> = conditions
            .iter()
            .map(|(type_, status, reason, message)| {
                json!({"type": type_, "status": status, "reason": reason, "message": message,
                    "lastTransitionTime": "2026-01-01T00:55:00Z", "observedGeneration": 2})
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice",
            "metadata": {"name": name, "namespace": "shop", "generation": 2, "uid": "u1"},
            "spec": {"image": "registry.example.com/orders:1"},
            "status": {"observedGeneration": 2, "conditions": conditions, "ready": "1/2",
                "url": "http://orders.shop.svc:8080",
                "revisions": {"latest": "orders-b", "current": "orders-b"},
                "inventory": [{"group": "", "kind": "ServiceAccount", "name": name},
                    {"group": "", "kind": "Service", "name": name},
                    {"group": "apps", "kind": "Deployment", "name": name}]},
        }))
        .unwrap()
    }

    pub(crate) fn broken() -> Microservice {
        let message = "container \"orders\" ended with exit code 1: no database";
        let mut broken = microservice(
            "orders",
            &[
                ("Ready", "False", "CrashLoop", message),
                ("Reconciling", "True", "CrashLoop", message),
                ("Available", "False", "MinimumReplicasUnavailable", "1 pods are available, 2 are needed"),
            ],
        );
        let problem = json!({"reason": "CrashLoop", "severity": "Error", "since": "2026-01-01T00:55:00Z",
            "object": {"kind": "Deployment", "name": "orders"}, "container": "orders", "message": message});
        broken.status.as_mut().unwrap().problems.push(serde_json::from_value(problem).unwrap());
        broken
    }

    /// A service that runs and lacks some of what it uses.
    pub(crate) fn lacking() -> Microservice {
        let ready = ("Ready", "True", "Available", "2 of 2 pods are available");
        let calls = ("DependenciesReady", "False", "NotReady", "ledger is not ready");
        let mut lacking = microservice("orders", &[ready, calls]);
        let status = lacking.status.as_mut().unwrap();
        status.uses = serde_json::from_value(json!([
            {"kind": "Microservice", "name": "payments", "field": "spec.dependsOn[payments]", "state": "Ready",
                "url": "http://payments.shop.svc:80"},
            {"kind": "Microservice", "namespace": "bank", "name": "ledger", "field": "spec.dependsOn[ledger]",
                "state": "NotReady", "url": "http://ledger.bank.svc:80", "message": "ledger is not ready"},
            {"kind": "Secret", "name": "smtp-creds", "field": "spec.bindings[smtp]", "state": "Missing",
                "message": "there is no Secret \"smtp-creds\" in this namespace"},
        ]))
        .unwrap();
        status.problems = serde_json::from_value(json!([
            {"reason": "NotFound", "severity": "Warning", "since": "2026-01-01T00:58:00Z", "field": "spec.bindings[smtp]",
                "object": {"kind": "Secret", "name": "smtp-creds"},
                "message": "there is no Secret \"smtp-creds\" in this namespace"},
            {"reason": "NotReady", "severity": "Warning", "since": "2026-01-01T00:55:00Z",
                "field": "spec.dependsOn[ledger]", "message": "ledger is not ready",
                "object": {"kind": "Microservice", "namespace": "bank", "name": "ledger"}},
            {"reason": "MissingCapability", "severity": "Warning", "since": "2026-01-01T00:50:00Z",
                "field": "spec.routes[public]", "message": "spec.routes[public] needs the kind HTTPRoute"},
        ]))
        .unwrap();
        lacking
    }

    #[test]
    fn states_are_those_of_kstatus() {
        let of = |conditions: &[(&str, &str, &str, &str)]| Summary::of(&microservice("orders", conditions));
        let ready = ("Ready", "True", "Available", "");
        let table = [
            (vec![ready], State::Current, true, true),
            (vec![ready, ("Reconciling", "True", "RollingOut", "")], State::InProgress, true, false),
            (vec![ready, ("Stalled", "True", "RolledBack", "")], State::Failed, true, false),
            (vec![("Ready", "False", "Unavailable", "")], State::NotReady, false, false),
            (vec![ready, ("Suspended", "True", "Suspended", "")], State::Suspended, true, true),
        ];
        for (conditions, state, ready, done) in table {
            let summary = of(&conditions);
            assert_eq!(
                (summary.state, summary.is_ready(), summary.is_done()),
                (state, ready, done),
                "{conditions:?}"
            );
        }
    }

    #[test]
    fn a_service_that_nobody_has_seen_is_not_ready() {
        let mut new = microservice("orders", &[]);
        new.status = None;
        let summary = Summary::of(&new);
        assert_eq!(
            (summary.state, summary.is_ready(), summary.is_settled()),
            (State::InProgress, false, false)
        );
    }
}
