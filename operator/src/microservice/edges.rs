//! Who calls whom, by `spec.dependsOn`, kept up to date by the watch.
//!
//! An edge concerns both of its ends: each is reconciled when the other changes in a way that it can see.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{PoisonError, RwLock},
};

use flotilla_crds::v1alpha1::{Dependency, Microservice, condition};
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
    calls: BTreeSet<Key>,
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
        let calls =
            service.spec.depends_on.iter().filter_map(|dependency| target(&key.0, dependency)).collect();
        let now = Seen { generation: service.metadata.generation, ready: is_ready(service), calls };
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let before = state.known.insert(key.clone(), now.clone());
        if before.as_ref() == Some(&now) {
            return BTreeSet::new();
        }
        let mut concerned = state.callers.get(&key).cloned().unwrap_or_default();
        if before.as_ref().is_none_or(|before| before.generation != now.generation) {
            let former = before.map(|before| before.calls).unwrap_or_default();
            state.unlink(&key, former.difference(&now.calls));
            for called in &now.calls {
                state.callers.entry(called.clone()).or_default().insert(key.clone());
            }
            concerned.extend(former);
            concerned.extend(now.calls);
        }
        concerned.remove(&key);
        concerned
    }

    /// Takes in that a service is gone. Returns the services that must look again.
    pub fn remove(&self, key: &Key) -> BTreeSet<Key> {
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let calls = state.known.remove(key).map(|seen| seen.calls).unwrap_or_default();
        state.unlink(key, calls.iter());
        let mut concerned = state.callers.get(key).cloned().unwrap_or_default();
        concerned.extend(calls);
        concerned.remove(key);
        concerned
    }

    /// The services that declare to call this one, in the order of their names.
    pub fn callers(&self, key: &Key) -> Vec<Key> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.callers.get(key).into_iter().flatten().cloned().collect()
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
        assert_eq!(edges.callers(&key("orders")), [key("web")]);
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
