//! Everything that gateways follow from, as watches have it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flotilla_crds::{
    gateway_api::{
        BackendTlsPolicy, Gateway, GatewayClass, GrpcRoute, HttpRoute, ListenerSet, ReferenceGrant, TcpRoute,
        TlsRoute, UdpRoute,
    },
    v1alpha1::{Microservice, TrafficPolicy},
};
use k8s_openapi::api::{
    core::v1::{ConfigMap, Namespace, Secret, Service},
    rbac::v1::{ClusterRoleBinding, Role, RoleBinding},
};
use kube::{Resource, ResourceExt, core::ObjectMeta, runtime::watcher::Event};

/// Namespace and name of an object; the namespace of what belongs to the cluster is empty.
pub type Key = (String, String);

/// A kind of object that gateways follow from.
pub trait Watched: Resource<DynamicType = ()> + Clone {
    /// Drops what nobody reads.
    fn trim(&mut self) {}

    /// Whether nothing follows from this version that did not from the other, whatever its status says.
    fn is_alike(&self, other: &Self) -> bool;
}

/// Deletions that are remembered: as many as may be in flight between a write and its answer.
const REMEMBERED_DELETIONS: usize = 1024;

/// UIDs of objects that are gone: a late answer to a write must not revive them.
#[derive(Clone, Debug, Default)]
pub struct Deleted(BTreeSet<String>);

impl Deleted {
    /// Remembers that an object is gone.
    pub fn add(&mut self, uid: Option<&String>) {
        if self.0.len() >= REMEMBERED_DELETIONS {
            self.0.clear();
        }
        self.0.extend(uid.cloned());
    }

    /// Whether an object is gone.
    pub fn has(&self, uid: Option<&String>) -> bool {
        uid.is_some_and(|uid| self.0.contains(uid))
    }
}

/// Objects of one kind.
#[derive(Clone, Debug)]
pub struct Store<K> {
    objects: BTreeMap<Key, Arc<K>>,
    deleted: Deleted,
    listed: Option<BTreeSet<Key>>,
    is_ready: bool,
    version: u64,
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        Self {
            objects: BTreeMap::new(),
            deleted: Deleted::default(),
            listed: None,
            is_ready: false,
            version: 0,
        }
    }
}

impl<K: Watched> Store<K> {
    /// Takes in an event of the watch. Returns whether anything is new.
    pub fn observe(&mut self, event: Event<K>) -> bool {
        match event {
            Event::Init => {
                self.listed = Some(BTreeSet::new());
                false
            }
            Event::InitApply(object) => {
                if let Some(listed) = &mut self.listed {
                    listed.insert(key(&object));
                }
                self.put(object)
            }
            Event::InitDone => {
                let listed = self.listed.take().unwrap_or_default();
                let before = self.objects.len();
                self.objects.retain(|key, _| listed.contains(key));
                self.version += u64::from(self.objects.len() != before);
                self.is_ready = true;
                true
            }
            Event::Apply(object) => self.put(object),
            Event::Delete(object) => {
                self.version += 1;
                self.deleted.add(object.meta().uid.as_ref());
                self.objects.remove(&key(&object)).is_some()
            }
        }
    }

    /// Takes in the answer to a write of ours.
    pub fn wrote(&mut self, object: K) {
        if !self.deleted.has(object.meta().uid.as_ref()) {
            self.put(object);
        }
    }

    /// Takes in an object as it is now.
    pub fn put(&mut self, mut object: K) -> bool {
        object.meta_mut().managed_fields = None;
        object.trim();
        let key = key(&object);
        let known = self.objects.get(&key);
        if known.is_some_and(|known| !is_newer(object.meta(), known.meta())) {
            return false;
        }
        self.version += u64::from(!known.is_some_and(|known| known.is_alike(&object)));
        self.objects.insert(key, Arc::new(object));
        true
    }

    /// Forgets an object.
    pub fn remove(&mut self, key: &Key) {
        self.version += u64::from(self.objects.remove(key).is_some());
    }

    /// Forgets everything: the kind is not served any more.
    pub fn reset(&mut self) {
        *self = Self { version: self.version + 1, ..Self::default() };
    }

    /// The object of this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Arc<K>> {
        self.objects.get(&(namespace.to_owned(), name.to_owned()))
    }

    /// All, by namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<K>)> {
        self.objects.iter()
    }

    /// Those of one namespace, by name.
    pub fn within<'s>(&'s self, namespace: &str) -> impl Iterator<Item = &'s Arc<K>> + use<'s, K> {
        let first = (namespace.to_owned(), String::new());
        let namespace = namespace.to_owned();
        self.objects.range(first..).take_while(move |(key, _)| key.0 == namespace).map(|(_, object)| object)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Whether the first list is complete.
    pub fn is_ready(&self) -> bool {
        self.is_ready
    }

    /// A number that grows whenever something new follows from these objects.
    pub fn version(&self) -> u64 {
        self.version
    }
}

fn key<K: Resource>(object: &K) -> Key {
    let meta = object.meta();
    (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}

/// Whether an object is a newer version of a known one, or another one of its name. The answer to a write may be faster than
/// the watch.
fn is_newer(meta: &ObjectMeta, known: &ObjectMeta) -> bool {
    let number = |meta: &ObjectMeta| meta.resource_version.as_ref()?.parse::<u64>().ok();
    meta.uid != known.uid || number(meta).zip(number(known)).is_none_or(|(this, known)| this > known)
}

/// Whether two versions are of one object, and of one specification.
fn same_specification<K: Resource>(one: &K, other: &K) -> bool {
    let (one, other) = (one.meta(), other.meta());
    one.uid == other.uid
        && one.generation == other.generation
        && one.labels == other.labels
        && one.annotations == other.annotations
        && one.deletion_timestamp == other.deletion_timestamp
}

macro_rules! by_generation {
    ($($kind:ty),*) => {$(
        impl Watched for $kind {
            fn is_alike(&self, other: &Self) -> bool {
                same_specification(self, other)
            }
        }
    )*};
}

by_generation!(
    GatewayClass,
    Gateway,
    ListenerSet,
    GrpcRoute,
    TlsRoute,
    TcpRoute,
    UdpRoute,
    BackendTlsPolicy,
    TrafficPolicy,
    ReferenceGrant
);

impl Watched for HttpRoute {
    /// There may be thousands, and a list has room for four as soon as it has one.
    fn trim(&mut self) {
        if let Some(status) = &mut self.status {
            status.parents.iter_mut().for_each(|parent| parent.conditions.shrink_to_fit());
            status.parents.shrink_to_fit();
        }
        self.spec.parent_refs.iter_mut().for_each(Vec::shrink_to_fit);
        for rule in self.spec.rules.iter_mut().flatten() {
            rule.filters.iter_mut().for_each(Vec::shrink_to_fit);
            for backend in rule.backend_refs.iter_mut().flatten() {
                backend.filters.iter_mut().for_each(Vec::shrink_to_fit);
            }
            rule.backend_refs.iter_mut().for_each(Vec::shrink_to_fit);
            rule.matches.iter_mut().for_each(Vec::shrink_to_fit);
        }
        self.spec.rules.iter_mut().for_each(Vec::shrink_to_fit);
    }

    fn is_alike(&self, other: &Self) -> bool {
        same_specification(self, other)
    }
}

impl Watched for Service {
    fn trim(&mut self) {
        self.metadata.annotations = None;
    }

    fn is_alike(&self, other: &Self) -> bool {
        (&self.metadata.uid, &self.spec, &self.status) == (&other.metadata.uid, &other.spec, &other.status)
    }
}

impl Watched for Namespace {
    fn trim(&mut self) {
        (self.spec, self.status, self.metadata.annotations) = (None, None, None);
    }

    fn is_alike(&self, other: &Self) -> bool {
        self.metadata.labels == other.metadata.labels
    }
}

impl Watched for Secret {
    fn is_alike(&self, other: &Self) -> bool {
        (&self.metadata.uid, &self.data) == (&other.metadata.uid, &other.data)
    }
}

impl Watched for ConfigMap {
    fn is_alike(&self, other: &Self) -> bool {
        (&self.metadata.uid, &self.data) == (&other.metadata.uid, &other.data)
    }
}

impl Watched for Microservice {
    fn is_alike(&self, other: &Self) -> bool {
        same_specification(self, other) && self.status == other.status
    }
}

macro_rules! by_version {
    ($($kind:ty),*) => {$(
        impl Watched for $kind {
            fn is_alike(&self, other: &Self) -> bool {
                self.resource_version() == other.resource_version()
            }
        }
    )*};
}

by_version!(Role, RoleBinding, ClusterRoleBinding);

/// Everything that gateways follow from.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Classes of gateways, ours and others'.
    pub classes: Store<GatewayClass>,
    /// Gateways, ours and others'.
    pub gateways: Store<Gateway>,
    /// More listeners of gateways.
    pub listener_sets: Store<ListenerSet>,
    /// Routes of HTTP.
    pub http_routes: Store<HttpRoute>,
    /// Routes of gRPC.
    pub grpc_routes: Store<GrpcRoute>,
    /// Routes of TLS by server names.
    pub tls_routes: Store<TlsRoute>,
    /// Routes of TCP.
    pub tcp_routes: Store<TcpRoute>,
    /// Routes of UDP.
    pub udp_routes: Store<UdpRoute>,
    /// How backends are called in TLS.
    pub backend_tls_policies: Store<BackendTlsPolicy>,
    /// What requests need.
    pub traffic_policies: Store<TrafficPolicy>,
    /// Who may refer to what of other namespaces.
    pub grants: Store<ReferenceGrant>,
    /// Namespaces with their labels.
    pub namespaces: Store<Namespace>,
    /// Services: backends, and those of our gateways.
    pub services: Store<Service>,
    /// Secrets with certificates.
    pub secrets: Store<Secret>,
    /// ConfigMaps with certificates of authorities, those alone that something refers to.
    pub config_maps: Store<ConfigMap>,
    /// What runs our gateways.
    pub microservices: Store<Microservice>,
}

impl Objects {
    /// A number that grows whenever something changes that gateways, routes or policies follow from. What is written of them
    /// does not: a status.
    pub fn version(&self) -> u64 {
        self.shared_version()
            + self.http_routes.version()
            + self.grpc_routes.version()
            + self.tls_routes.version()
            + self.tcp_routes.version()
            + self.udp_routes.version()
            + self.traffic_policies.version()
    }

    /// A number that grows whenever something changes that routes share: everything but the routes themselves, and policies
    /// that are put upon them.
    pub fn shared_version(&self) -> u64 {
        self.classes.version()
            + self.gateways.version()
            + self.listener_sets.version()
            + self.backend_tls_policies.version()
            + self.grants.version()
            + self.namespaces.version()
            + self.services.version()
            + self.secrets.version()
            + self.config_maps.version()
    }
}

#[cfg(test)]
mod tests {
    use flotilla_crds::gateway_api::HttpRouteSpec;

    use super::*;

    fn route(name: &str, version: u64, generation: i64) -> HttpRoute {
        let mut route = HttpRoute::new(name, HttpRouteSpec::default());
        route.metadata.namespace = Some("ns".to_owned());
        route.metadata.uid = Some(name.to_owned());
        route.metadata.generation = Some(generation);
        route.metadata.resource_version = Some(version.to_string());
        route
    }

    #[test]
    fn a_status_alone_is_no_other_version() {
        let mut store = Store::default();
        assert!(store.observe(Event::Apply(route("a", 1, 1))));
        let version = store.version();
        assert!(store.observe(Event::Apply(route("a", 2, 1))));
        assert_eq!(store.version(), version);
        assert!(store.observe(Event::Apply(route("a", 3, 2))));
        assert_ne!(store.version(), version);
    }

    #[test]
    fn an_answer_to_a_write_is_not_undone_by_a_late_event() {
        let mut store = Store::default();
        store.put(route("a", 5, 2));
        assert!(!store.observe(Event::Apply(route("a", 4, 1))));
        assert_eq!(store.get("ns", "a").unwrap().metadata.generation, Some(2));
    }

    #[test]
    fn a_late_answer_does_not_revive_what_is_gone() {
        let mut store = Store::default();
        store.put(route("a", 1, 1));
        store.observe(Event::Delete(route("a", 2, 1)));
        store.wrote(route("a", 1, 1));
        assert!(store.is_empty());
        let mut another = route("a", 3, 1);
        another.metadata.uid = Some("another".to_owned());
        store.wrote(another);
        assert_eq!(store.len(), 1);
    }

    #[test]
    fn a_new_list_forgets_what_it_lacks() {
        let mut store = Store::default();
        store.put(route("gone", 1, 1));
        let version = store.version();
        store.observe(Event::Init);
        store.observe(Event::InitApply(route("kept", 2, 1)));
        assert!(!store.is_ready());
        store.observe(Event::InitDone);
        assert!(store.is_ready() && store.get("ns", "gone").is_none() && store.len() == 1);
        assert!(store.version() > version);
    }
}
