//! Objects of any kind that say which Secret has their credentials: the Provisioned Services of servicebinding.io.
//!
//! Their kinds are known only when a service names them, so each is watched from then on and for as long as it is named.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, PoisonError, RwLock},
};

use flotilla_crds::v1alpha1::{Microservice, ServiceReference};
use kube::{ResourceExt, api::DynamicObject};
use tokio::sync::watch;

use super::{
    edges::Key,
    validate::{CredentialSource, Reference, credential_source},
};
use crate::cluster::cache::Cache;

/// Where an object names its Secret.
const SECRET_NAME: &str = "/status/binding/name";

/// A kind: `apiVersion` and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Type {
    /// `apiVersion` of its objects.
    pub api_version: String,
    /// Its name.
    pub kind: String,
}

impl Type {
    fn of(reference: &ServiceReference) -> Self {
        Self { api_version: reference.api_version.clone(), kind: reference.kind.clone() }
    }
}

impl std::fmt::Display for Type {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} ({})", self.kind, self.api_version)
    }
}

/// What an object says of its credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Provision {
    /// They are in this Secret.
    Secret(String),
    /// The object does not exist, in these words.
    Missing(String),
    /// It does not say yet, or cannot be looked at, for this reason.
    Pending(String),
}

impl Provision {
    /// Why it has named no Secret, if it has not.
    pub fn lack(&self) -> Option<&str> {
        match self {
            Self::Secret(_) => None,
            Self::Missing(why) | Self::Pending(why) => Some(why),
        }
    }
}

/// The objects of every kind that services name.
#[derive(Debug, Default)]
pub struct Provisioned {
    named: RwLock<BTreeMap<Key, BTreeSet<ServiceReference>>>,
    types: watch::Sender<BTreeSet<Type>>,
    known: RwLock<BTreeMap<Type, Arc<Known>>>,
}

/// What is known of one kind.
#[derive(Debug, Default)]
pub struct Known {
    /// Its objects.
    pub objects: Cache<DynamicObject>,
    access: watch::Sender<Access>,
}

/// Whether a kind can be watched.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// It is not known yet.
    #[default]
    Unknown,
    /// It can.
    Open,
    /// It cannot, for this reason.
    Closed(String),
}

impl Known {
    /// Says whether the kind can be watched.
    pub fn set_access(&self, access: Access) {
        self.access.send_replace(access);
    }

    fn is_settled(&self) -> bool {
        match &*self.access.borrow() {
            Access::Unknown => false,
            Access::Open => self.objects.is_ready(),
            Access::Closed(_) => true,
        }
    }

    async fn wait_until_settled(&self) {
        let mut access = self.access.subscribe();
        tokio::select! {
            // The senders live in `self`, so the only error, a dropped sender, cannot happen while this waits.
            _ = access.wait_for(|access| matches!(access, Access::Closed(_))) => {}
            () = self.objects.wait_until_ready() => {}
        }
    }
}

impl Provisioned {
    /// Takes in a service as it is now.
    pub fn update(&self, service: &Microservice) {
        let key = (service.namespace().unwrap_or_default(), service.name_any());
        let now: BTreeSet<_> = references(service).into_iter().collect();
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        let before = if now.is_empty() { named.remove(&key) } else { named.insert(key, now.clone()) };
        if before.unwrap_or_default() != now {
            self.publish(&named);
        }
    }

    /// Takes in that a service is gone.
    pub fn remove(&self, key: &Key) {
        let mut named = self.named.write().unwrap_or_else(PoisonError::into_inner);
        if named.remove(key).is_some() {
            self.publish(&named);
        }
    }

    fn publish(&self, named: &BTreeMap<Key, BTreeSet<ServiceReference>>) {
        let all: BTreeSet<Type> = named.values().flatten().map(Type::of).collect();
        {
            let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
            known.retain(|type_, _| all.contains(type_));
            for type_ in &all {
                known.entry(type_.clone()).or_default();
            }
        }
        self.types.send_if_modified(|types| {
            let changed = *types != all;
            *types = all;
            changed
        });
    }

    /// The kinds that are to be watched.
    pub fn types(&self) -> watch::Receiver<BTreeSet<Type>> {
        self.types.subscribe()
    }

    /// What is known of a kind; `None` when no service names it any more.
    pub fn known(&self, type_: &Type) -> Option<Arc<Known>> {
        self.known.read().unwrap_or_else(PoisonError::into_inner).get(type_).cloned()
    }

    /// Whether each kind has been looked at.
    pub fn are_settled(&self) -> bool {
        self.known.read().unwrap_or_else(PoisonError::into_inner).values().all(|known| known.is_settled())
    }

    /// Waits until each kind has been looked at.
    pub async fn wait_until_settled(&self) {
        let all: Vec<_> =
            self.known.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
        for known in all {
            known.wait_until_settled().await;
        }
    }

    /// The services that name an object; without a name, any object of the kind.
    pub fn naming(&self, type_: &Type, namespace: Option<&str>, name: Option<&str>) -> Vec<Key> {
        let is_it = |reference: &ServiceReference| {
            Type::of(reference) == *type_ && name.is_none_or(|name| reference.name == name)
        };
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        let found = named.iter().filter(|((of, _), references)| {
            namespace.is_none_or(|namespace| of == namespace) && references.iter().any(is_it)
        });
        found.map(|(key, _)| key.clone()).collect()
    }

    /// The names of those who are bound to a Secret by an object that names it.
    pub fn users_of(&self, namespace: &str, reference: &Reference) -> Vec<String> {
        let Reference::Secret(secret) = reference else {
            return Vec::new();
        };
        let is_it = |reference: &ServiceReference| {
            self.provision(namespace, reference) == Provision::Secret(secret.clone())
        };
        let named = self.named.read().unwrap_or_else(PoisonError::into_inner);
        let of_namespace =
            named.range((namespace.to_owned(), String::new())..).take_while(|((of, _), _)| of == namespace);
        of_namespace
            .filter(|(_, references)| references.iter().any(is_it))
            .map(|((_, name), _)| name.clone())
            .collect()
    }

    /// What each object says that a service names.
    pub fn of(&self, service: &Microservice) -> BTreeMap<ServiceReference, Provision> {
        let namespace = service.namespace().unwrap_or_default();
        references(service)
            .into_iter()
            .map(|reference| {
                let provision = self.provision(&namespace, &reference);
                (reference, provision)
            })
            .collect()
    }

    fn provision(&self, namespace: &str, reference: &ServiceReference) -> Provision {
        let ServiceReference { kind, name, .. } = reference;
        let type_ = Type::of(reference);
        let Some(known) = self.known(&type_) else {
            return Provision::Pending(format!("{kind} {name:?} has not been looked at yet"));
        };
        if let Access::Closed(why) = &*known.access.borrow() {
            return Provision::Pending(format!("{type_} cannot be watched: {why}"));
        }
        let Some(object) = known.objects.get(namespace, name) else {
            return Provision::Missing(format!("there is no {kind} {name:?} in this namespace"));
        };
        match object.data.pointer(SECRET_NAME).and_then(serde_json::Value::as_str) {
            Some(secret) if !secret.is_empty() => Provision::Secret(secret.to_owned()),
            _ => Provision::Pending(format!("{kind} {name:?} names no Secret in status.binding.name yet")),
        }
    }
}

/// The objects that a service names.
pub fn references(service: &Microservice) -> Vec<ServiceReference> {
    service
        .spec
        .bindings
        .iter()
        .filter_map(|binding| match credential_source(binding) {
            CredentialSource::Service(reference) => Some(reference),
            CredentialSource::Secret(_) => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use kube::runtime::watcher::Event;
    use serde_json::{Value, json};

    use super::*;
    use crate::microservice::render::tests::microservice;

    fn service() -> Microservice {
        microservice(
            "spec: {image: app, bindings: [{name: db, serviceRef: {apiVersion: example.com/v1, kind: Database, name: main}},
            {name: direct, serviceRef: {apiVersion: v1, kind: Secret, name: credentials}}]}",
        )
    }

    fn database(status: Value) -> DynamicObject {
        serde_json::from_value(json!({"apiVersion": "example.com/v1", "kind": "Database",
            "metadata": {"name": "main", "namespace": "shop", "uid": "1", "resourceVersion": "1"}, "status": status}))
        .unwrap()
    }

    fn says(provisioned: &Provisioned) -> String {
        match provisioned.of(&service()).into_values().next().unwrap() {
            Provision::Secret(name) => name,
            Provision::Missing(why) | Provision::Pending(why) => why,
        }
    }

    #[test]
    fn a_secret_is_named_by_the_object_when_it_is_there() {
        let provisioned = Provisioned::default();
        assert_eq!(references(&service()).len(), 1, "a Secret needs no watch of its kind");
        assert!(says(&provisioned).contains("has not been looked at yet"));
        provisioned.update(&service());
        let type_ = provisioned.types().borrow().first().cloned().unwrap();
        let known = provisioned.known(&type_).unwrap();
        known.set_access(Access::Closed("there is no such kind".to_owned()));
        assert_eq!(says(&provisioned), "Database (example.com/v1) cannot be watched: there is no such kind");
        known.set_access(Access::Open);
        assert!(!provisioned.are_settled());
        known.objects.observe(&mut Event::Init);
        known.objects.observe(&mut Event::InitDone);
        assert!(provisioned.are_settled());
        assert_eq!(says(&provisioned), "there is no Database \"main\" in this namespace");
        known.objects.observe(&mut Event::Apply(database(json!({}))));
        assert!(says(&provisioned).contains("names no Secret"));
        let mut named = database(json!({"binding": {"name": "main-credentials"}}));
        named.metadata.resource_version = Some("2".to_owned());
        known.objects.observe(&mut Event::Apply(named));
        assert_eq!(says(&provisioned), "main-credentials");
        assert_eq!(provisioned.users_of("shop", &Reference::Secret("main-credentials".into())), ["orders"]);
        assert_eq!(provisioned.users_of("bank", &Reference::Secret("main-credentials".into())).len(), 0);
        assert_eq!(provisioned.naming(&type_, Some("shop"), Some("main")).len(), 1);
        assert_eq!(provisioned.naming(&type_, None, Some("other")).len(), 0);
        provisioned.remove(&("shop".to_owned(), "orders".to_owned()));
        assert!(provisioned.known(&type_).is_none());
    }
}
