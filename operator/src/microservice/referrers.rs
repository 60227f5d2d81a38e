//! Who refers to which ConfigMaps and Secrets, kept up to date by the watch: those change often, and mostly concern nobody.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{PoisonError, RwLock},
};

use flotilla_crds::v1alpha1::Microservice;
use kube::ResourceExt;

use super::{
    edges::Key,
    validate::{Reference, mentions},
};

/// The references of one scope.
#[derive(Debug, Default)]
pub struct Referrers(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    /// What each service refers to, if anything.
    known: HashMap<Key, BTreeSet<Reference>>,
    /// The names of those who refer to something of a namespace.
    referrers: HashMap<(String, Reference), BTreeSet<String>>,
}

impl Referrers {
    /// Takes in a service as it is now.
    pub fn update(&self, service: &Microservice) {
        let key = (service.namespace().unwrap_or_default(), service.name_any());
        let now: BTreeSet<_> = mentions(&service.spec).into_iter().map(|mention| mention.reference).collect();
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.known.get(&key).map_or(now.is_empty(), |before| *before == now) {
            return;
        }
        state.forget(&key);
        let (namespace, name) = &key;
        for reference in &now {
            let what = (namespace.clone(), reference.clone());
            state.referrers.entry(what).or_default().insert(name.clone());
        }
        if !now.is_empty() {
            state.known.insert(key, now);
        }
    }

    /// Takes in that a service is gone.
    pub fn remove(&self, key: &Key) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).forget(key);
    }

    /// The names of those who refer to something of a namespace.
    pub fn of(&self, namespace: &str, reference: &Reference) -> BTreeSet<String> {
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        state.referrers.get(&(namespace.to_owned(), reference.clone())).cloned().unwrap_or_default()
    }
}

impl State {
    fn forget(&mut self, key: &Key) {
        let (namespace, name) = key;
        for reference in self.known.remove(key).unwrap_or_default() {
            let what = (namespace.clone(), reference);
            if let Some(names) = self.referrers.get_mut(&what) {
                names.remove(name);
                if names.is_empty() {
                    self.referrers.remove(&what);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(name: &str, secret: Option<&str>) -> Microservice {
        let env_from: Vec<_> = secret.iter().map(|secret| json!({"secretRef": {"name": secret}})).collect();
        serde_json::from_value(json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice",
            "metadata": {"name": name, "namespace": "shop"}, "spec": {"image": "app", "envFrom": env_from},
        }))
        .unwrap()
    }

    #[test]
    fn those_who_refer_to_something_are_known_for_as_long_as_they_do() {
        let referrers = Referrers::default();
        let names = |secret: &str| {
            referrers.of("shop", &Reference::Secret(secret.into())).into_iter().collect::<Vec<_>>()
        };
        referrers.update(&service("web", Some("a")));
        referrers.update(&service("api", Some("a")));
        assert_eq!(names("a"), ["api", "web"]);
        assert!(referrers.of("bank", &Reference::Secret("a".into())).is_empty());
        assert!(referrers.of("shop", &Reference::ConfigMap("a".into())).is_empty());
        referrers.update(&service("web", Some("b")));
        assert_eq!((names("a"), names("b")), (vec!["api".to_owned()], vec!["web".to_owned()]));
        referrers.update(&service("web", None));
        referrers.remove(&("shop".into(), "api".into()));
        assert!(names("a").is_empty() && names("b").is_empty());
        let state = referrers.0.read().unwrap();
        assert!(state.known.is_empty() && state.referrers.is_empty());
    }
}
