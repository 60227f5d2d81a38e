//! Who calls whom, by `spec.dependsOn`, kept up to date by the watch.
//!
//! An edge concerns both of its ends: each is reconciled when the other changes in a way that it can see.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{PoisonError, RwLock},
};

use flotilla_crds::v1alpha1::{Dependency, Microservice, condition};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

/// Namespace and name of a service.
pub type Key = (String, String);

/// The edges of one scope.
#[derive(Debug, Default)]
pub struct Edges(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    known: HashMap<Key, Seen>,
    callers: HashMap<Key, BTreeSet<Key>>,
}

/// What the other ends of an edge can see of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    generation: Option<i64>,
    ready: bool,
    calls: BTreeMap<Key, Vec<Option<IntOrString>>>,
}

/// That a service declares to call another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Who calls.
    pub caller: Key,
    /// Which ports, as they are written; `None` is the first one.
    pub ports: Vec<Option<IntOrString>>,
}

/// The service that a dependency names; `None` for a host outside the cluster.
pub fn target(namespace: &str, dependency: &Dependency) -> Option<Key> {
    if dependency.external.is_some() {
        return None;
    }
    let written = dependency.microservice.clone().unwrap_or_default();
    Some((
        written.namespace.unwrap_or_else(|| namespace.to_owned()),
        written.name.unwrap_or_else(|| dependency.name.clone()),
    ))
}

/// Whether a service says that it is ready.
pub fn is_ready(service: &Microservice) -> bool {
    let conditions = service.status.iter().flat_map(|status| &status.conditions);
    conditions.into_iter().any(|found| found.type_ == condition::READY && found.status == "True")
}

impl Edges {
    /// Takes in a service as it is now. Returns the services that must look at it again.
    pub fn update(&self, service: &Microservice) -> BTreeSet<Key> {
        let key = (service.namespace().unwrap_or_default(), service.name_any());
        let mut calls: BTreeMap<Key, Vec<_>> = BTreeMap::new();
        for dependency in &service.spec.depends_on {
            if let Some(called) = target(&key.0, dependency) {
                let port = dependency.microservice.as_ref().and_then(|written| written.port.clone());
                calls.entry(called).or_default().push(port);
            }
        }
        let now = Seen { generation: service.metadata.generation, ready: is_ready(service), calls };
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = state.known.insert(key.clone(), now.clone());
        if before.as_ref() == Some(&now) {
            return BTreeSet::new();
        }
        let mut concerned = state.callers.get(&key).cloned().unwrap_or_default();
        if before.as_ref().is_none_or(|before| before.generation != now.generation) {
            let former = before.map(|before| before.calls).unwrap_or_default();
            state.unlink(&key, former.keys().filter(|called| !now.calls.contains_key(*called)));
            for called in now.calls.keys() {
                state.callers.entry(called.clone()).or_default().insert(key.clone());
            }
            concerned.extend(former.into_keys());
            concerned.extend(now.calls.into_keys());
        }
        concerned.remove(&key);
        concerned
    }

    /// Takes in that a service is gone. Returns the services that must look again.
    pub fn remove(&self, key: &Key) -> BTreeSet<Key> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let calls = state.known.remove(key).map(|seen| seen.calls).unwrap_or_default();
        state.unlink(key, calls.keys());
        let mut concerned = state.callers.get(key).cloned().unwrap_or_default();
        concerned.extend(calls.into_keys());
        concerned.remove(key);
        concerned
    }

    /// Who declares to call a service, in the order of their names.
    pub fn callers(&self, key: &Key) -> Vec<Call> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let callers = state.callers.get(key).into_iter().flatten();
        let call = |caller: &Key| {
            let ports = state.known.get(caller)?.calls.get(key)?.clone();
            Some(Call { caller: caller.clone(), ports })
        };
        callers.filter_map(call).collect()
    }
}

impl State {
    fn unlink<'k>(&mut self, caller: &Key, targets: impl Iterator<Item = &'k Key>) {
        for target in targets {
            if let Some(callers) = self.callers.get_mut(target) {
                callers.remove(caller);
                if callers.is_empty() {
                    self.callers.remove(target);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(name: &str, generation: i64, ready: bool, calls: &[&str]) -> Microservice {
        let calls: Vec<_> = calls.iter().map(|name| json!({"name": name})).collect();
        let status = if ready { "True" } else { "False" };
        serde_json::from_value(json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice",
            "metadata": {"name": name, "namespace": "shop", "generation": generation},
            "spec": {"image": "app", "dependsOn": calls},
            "status": {"conditions": [{"type": "Ready", "status": status, "reason": "X", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        }))
        .unwrap()
    }

    fn key(name: &str) -> Key {
        ("shop".to_owned(), name.to_owned())
    }

    fn names(keys: BTreeSet<Key>) -> Vec<String> {
        keys.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn both_ends_hear_of_an_edge_that_comes_and_goes() {
        let edges = Edges::default();
        assert_eq!(names(edges.update(&service("web", 1, false, &["orders", "users"]))), ["orders", "users"]);
        assert_eq!(edges.callers(&key("orders")), [Call { caller: key("web"), ports: vec![None] }]);
        assert_eq!(names(edges.update(&service("web", 2, false, &["orders"]))), ["orders", "users"]);
        assert_eq!(edges.callers(&key("users")), []);
        assert_eq!(names(edges.remove(&key("web"))), ["orders"]);
        assert_eq!(edges.callers(&key("orders")), []);
    }

    #[test]
    fn callers_hear_when_a_service_becomes_ready_and_nobody_hears_the_same_twice() {
        let edges = Edges::default();
        edges.update(&service("web", 1, false, &["orders"]));
        assert_eq!(names(edges.update(&service("orders", 1, false, &["stock"]))), ["stock", "web"]);
        assert_eq!(names(edges.update(&service("orders", 1, true, &["stock"]))), ["web"]);
        assert_eq!(names(edges.update(&service("orders", 1, true, &["stock"]))), Vec::<String>::new());
    }

    #[test]
    fn another_service_and_another_namespace_can_be_named() {
        let dependency: Dependency = serde_json::from_value(
            json!({"name": "pay", "microservice": {"name": "payments", "namespace": "bank"}}),
        )
        .unwrap();
        assert_eq!(target("shop", &dependency), Some(("bank".to_owned(), "payments".to_owned())));
        let outside: Dependency = serde_json::from_value(
            json!({"name": "mail", "external": {"host": "mail.example.com", "port": 25}}),
        )
        .unwrap();
        assert_eq!(target("shop", &outside), None);
    }
}
