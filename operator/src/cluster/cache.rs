//! What the operator knows of one kind: fed by a watch, and by the answers to its own writes.
//!
//! A write is visible to the next reconcile at once, before the watch has brought it back. Without that, a
//! reconcile that runs in between would write the same thing again. And when the watch does bring it back, that is no news.
//!
//! Objects are kept packed and without what nobody reads; each look at one makes it anew.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use kube::{Resource, ResourceExt, runtime::watcher};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use super::pack::{Packed, Packer};

/// Deletions that are remembered: as many as may be in flight between a write and its answer.
const REMEMBERED_DELETIONS: usize = 1024;

/// Namespace and name of an object.
pub type Key = (String, String);

/// A kind that a cache can keep.
pub trait Kept: Resource + Clone + Serialize + DeserializeOwned {
    /// Whether another version is news although nothing else of what is kept has changed.
    const VERSION_IS_NEWS: bool = false;

    /// By what objects of one namespace are found together.
    fn group(&self) -> Option<&str> {
        None
    }

    /// From the API server's JSON.
    fn read(json: &str) -> serde_json::Result<Self> {
        serde_json::from_str(json)
    }

    /// As JSON.
    fn pack(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }

    /// From JSON.
    fn unpack(json: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(json)
    }
}

/// The objects of one kind.
#[derive(Debug)]
pub struct Cache<K> {
    state: RwLock<State>,
    ready: watch::Sender<bool>,
    trim: fn(&mut K),
}

/// What an event has brought.
#[derive(Debug)]
pub struct Observation<K> {
    /// The objects that a new list no longer has: their deletion was never reported.
    pub gone: Vec<K>,
    /// Whether the object of the event is not as it was known, or not there any more.
    pub is_news: bool,
}

#[derive(Debug, Default)]
struct State {
    namespaces: BTreeMap<String, Namespace>,
    /// Keys that the running list has shown, while one runs.
    listed: Option<HashSet<Key>>,
    /// UIDs that the watch has reported as deleted: a late answer to a write must not revive them.
    deleted: HashSet<String>,
    packer: Packer,
}

#[derive(Debug, Default)]
struct Namespace {
    objects: BTreeMap<Arc<str>, Entry>,
    groups: HashMap<Arc<str>, BTreeSet<Arc<str>>>,
}

#[derive(Clone, Debug)]
struct Entry {
    uid: Box<str>,
    version: Box<str>,
    group: Option<Arc<str>>,
    packed: Packed,
}

impl<K: Kept> Default for Cache<K> {
    fn default() -> Self {
        Self::new(|_| {})
    }
}

impl<K: Kept> Cache<K> {
    /// An empty cache; `trim` removes from an object what nobody reads.
    pub fn new(trim: fn(&mut K)) -> Self {
        Self { state: RwLock::default(), ready: watch::Sender::new(false), trim }
    }

    /// Takes in an event of the watch, and trims its object.
    pub fn observe(&self, event: &mut watcher::Event<K>) -> Observation<K> {
        let mut state = self.write();
        let mut gone = Vec::new();
        let is_news = match event {
            watcher::Event::Init => {
                state.listed = Some(HashSet::new());
                false
            }
            watcher::Event::InitApply(object) => {
                (self.trim)(object);
                if let Some(listed) = &mut state.listed {
                    listed.insert(key(object));
                }
                state.store(object)
            }
            watcher::Event::InitDone => {
                let listed = state.listed.take().unwrap_or_default();
                gone = state.retain(&listed).iter().filter_map(Entry::open).collect();
                self.ready.send_replace(true);
                false
            }
            watcher::Event::Apply(object) => {
                (self.trim)(object);
                state.store(object)
            }
            watcher::Event::Delete(object) => {
                (self.trim)(object);
                state.delete(object);
                true
            }
        };
        Observation { gone, is_news }
    }

    /// Takes in the API server's answer to a write of ours.
    pub fn wrote(&self, mut object: K) {
        (self.trim)(&mut object);
        let mut state = self.write();
        if !object.uid().is_some_and(|uid| state.deleted.contains(&uid)) {
            state.store(&mut object);
        }
    }

    /// Forgets everything: the kind is not served any more.
    pub fn reset(&self) {
        let mut state = self.write();
        self.ready.send_replace(false);
        state.listed = None;
        state.namespaces.clear();
    }

    /// The object of this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        let entry = self.read().entry(namespace, name).cloned();
        entry.and_then(|entry| entry.open()).map(Arc::new)
    }

    /// Whether there is an object of this name.
    pub fn contains(&self, namespace: &str, name: &str) -> bool {
        self.read().entry(namespace, name).is_some()
    }

    /// UID and resource version of the object of this name.
    pub fn version(&self, namespace: &str, name: &str) -> Option<(String, String)> {
        self.read().entry(namespace, name).map(|entry| (entry.uid.to_string(), entry.version.to_string()))
    }

    /// The names of all objects.
    pub fn keys(&self) -> Vec<Key> {
        let state = self.read();
        let of = |(namespace, found): (&String, &Namespace)| {
            found.objects.keys().map(|name| (namespace.clone(), name.to_string())).collect::<Vec<_>>()
        };
        state.namespaces.iter().flat_map(of).collect()
    }

    /// Every object, one at a time.
    pub fn all(&self) -> impl Iterator<Item = K> + use<K> {
        let entries: Vec<_> =
            self.read().namespaces.values().flat_map(|found| found.objects.values().cloned()).collect();
        entries.into_iter().filter_map(|entry| entry.open())
    }

    /// The objects of a group.
    pub fn group(&self, namespace: &str, group: &str) -> Vec<Arc<K>> {
        let entries = self
            .read()
            .namespaces
            .get(namespace)
            .map(|found| found.of(group).map(|(_, entry)| entry.clone()).collect());
        open(entries.unwrap_or_default())
    }

    /// The objects of a group, and those that are called `name` or begin with `name-`.
    pub fn group_or_named(&self, namespace: &str, group: &str, name: &str) -> Vec<Arc<K>> {
        let entries = self.read().namespaces.get(namespace).map(|found| {
            let mut entries: BTreeMap<Arc<str>, Entry> =
                found.of(group).map(|(name, entry)| (name, entry.clone())).collect();
            let named = found.objects.get_key_value(name).into_iter();
            let prefix = format!("{name}-");
            let start: Arc<str> = prefix.as_str().into();
            let prefixed = found.objects.range(start..).take_while(|(name, _)| name.starts_with(&prefix));
            entries.extend(named.chain(prefixed).map(|(name, entry)| (Arc::clone(name), entry.clone())));
            entries.into_values().collect()
        });
        open(entries.unwrap_or_default())
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

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open<K: Kept>(entries: Vec<Entry>) -> Vec<Arc<K>> {
    entries.iter().filter_map(Entry::open).map(Arc::new).collect()
}

impl State {
    fn entry(&self, namespace: &str, name: &str) -> Option<&Entry> {
        self.namespaces.get(namespace)?.objects.get(name)
    }

    /// Takes in an object. Returns whether it is not as it was known.
    fn store<K: Kept>(&mut self, object: &mut K) -> bool {
        let (namespace, name) = key(object);
        let uid = object.uid().unwrap_or_default();
        let version = object.resource_version().unwrap_or_default();
        let known = self.entry(&namespace, &name).filter(|known| *known.uid == *uid);
        if known.is_some_and(|known| *known.version == *version || is_later(&known.version, &version)) {
            return false;
        }
        // It is kept apart, so that a new version with nothing new is seen to be that.
        object.meta_mut().resource_version = None;
        let plain = object.pack();
        object.meta_mut().resource_version = Some(version.clone());
        let plain = match plain {
            Ok(plain) => plain,
            Err(error) => {
                // It counts as missing: then it is created, which fails as long as it is there.
                tracing::error!(%error, namespace, name, "an object cannot be kept");
                return true;
            }
        };
        let is_same = known.is_some_and(|known| known.packed.unpack().is_ok_and(|before| before == plain));
        let packed = self.packer.pack(&plain);
        let found = self.namespaces.entry(namespace).or_default();
        let name: Arc<str> = name.into();
        found.remove(&name);
        let group = object.group().map(|group| found.join(group, &name));
        found.objects.insert(name, Entry { uid: uid.into(), version: version.into(), group, packed });
        K::VERSION_IS_NEWS || !is_same
    }

    fn delete<K: Kept>(&mut self, object: &K) {
        if self.deleted.len() >= REMEMBERED_DELETIONS {
            self.deleted.clear();
        }
        self.deleted.extend(object.uid());
        let (namespace, name) = key(object);
        let uid = object.uid().unwrap_or_default();
        if self.entry(&namespace, &name).is_some_and(|known| *known.uid == *uid) {
            self.remove(&namespace, &name);
        }
    }

    fn remove(&mut self, namespace: &str, name: &str) -> Option<Entry> {
        let found = self.namespaces.get_mut(namespace)?;
        let entry = found.remove(name);
        if found.objects.is_empty() {
            self.namespaces.remove(namespace);
        }
        entry
    }

    /// Forgets all but these. Returns what it has forgotten.
    fn retain(&mut self, listed: &HashSet<Key>) -> Vec<Entry> {
        let of = |(namespace, found): (&String, &Namespace)| {
            found.objects.keys().map(|name| (namespace.clone(), name.to_string())).collect::<Vec<_>>()
        };
        let gone: Vec<Key> =
            self.namespaces.iter().flat_map(of).filter(|key| !listed.contains(key)).collect();
        gone.iter().filter_map(|(namespace, name)| self.remove(namespace, name)).collect()
    }
}

impl Namespace {
    fn of<'a>(&'a self, group: &str) -> impl Iterator<Item = (Arc<str>, &'a Entry)> {
        let names = self.groups.get(group).into_iter().flatten();
        names.filter_map(|name| Some((Arc::clone(name), self.objects.get(name)?)))
    }

    fn join(&mut self, group: &str, name: &Arc<str>) -> Arc<str> {
        let group = match self.groups.get_key_value(group) {
            Some((group, _)) => Arc::clone(group),
            None => group.into(),
        };
        self.groups.entry(Arc::clone(&group)).or_default().insert(Arc::clone(name));
        group
    }

    fn remove(&mut self, name: &str) -> Option<Entry> {
        let entry = self.objects.remove(name)?;
        if let Some(group) = &entry.group
            && let Some(members) = self.groups.get_mut(group)
        {
            members.remove(name);
            if members.is_empty() {
                self.groups.remove(group);
            }
        }
        Some(entry)
    }
}

impl Entry {
    /// The object. What cannot be read counts as missing: then it is created, which fails as long as it is there.
    fn open<K: Kept>(&self) -> Option<K> {
        let plain = self
            .packed
            .unpack()
            .inspect_err(|error| tracing::error!(%error, "a kept object is broken"))
            .ok()?;
        let mut object = K::unpack(&plain)
            .inspect_err(|error| tracing::error!(%error, "a kept object cannot be read"))
            .ok()?;
        object.meta_mut().resource_version = Some(self.version.to_string());
        Some(object)
    }
}

fn key(object: &impl Resource) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Resource versions of one kind are comparable as decimal numbers (KEP-5504).
fn is_later(version: &str, than: &str) -> bool {
    let number = |version: &str| version.parse::<u128>().ok();
    number(version) > number(than)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{api::core::v1::ServiceAccount, apimachinery::pkg::apis::meta::v1::ObjectMeta};
    use kube::runtime::watcher::Event;

    use super::*;

    impl Kept for ServiceAccount {
        fn group(&self) -> Option<&str> {
            self.metadata.labels.as_ref()?.get("group").map(String::as_str)
        }
    }

    fn object(name: &str, uid: &str, version: u32) -> ServiceAccount {
        ServiceAccount {
            metadata: ObjectMeta {
                name: Some(name.into()),
                namespace: Some("ns".into()),
                uid: Some(uid.into()),
                resource_version: Some(version.to_string()),
                ..ObjectMeta::default()
            },
            ..ServiceAccount::default()
        }
    }

    fn version_of(cache: &Cache<ServiceAccount>, name: &str) -> Option<String> {
        cache.get("ns", name).and_then(|object| object.resource_version())
    }

    #[test]
    fn an_old_event_does_not_undo_our_own_write() {
        let cache = Cache::default();
        cache.wrote(object("a", "1", 10));
        cache.observe(&mut Event::Apply(object("a", "1", 9)));
        assert_eq!(version_of(&cache, "a").as_deref(), Some("10"));
        cache.observe(&mut Event::Apply(object("a", "1", 11)));
        assert_eq!(version_of(&cache, "a").as_deref(), Some("11"));
    }

    #[test]
    fn a_late_answer_does_not_revive_a_deleted_object() {
        let cache = Cache::default();
        cache.observe(&mut Event::Apply(object("a", "1", 9)));
        cache.observe(&mut Event::Delete(object("a", "1", 12)));
        cache.wrote(object("a", "1", 10));
        assert_eq!(version_of(&cache, "a"), None);
    }

    #[test]
    fn the_deletion_of_a_former_object_leaves_its_successor() {
        let cache = Cache::default();
        cache.wrote(object("a", "2", 20));
        cache.observe(&mut Event::Delete(object("a", "1", 15)));
        assert_eq!(version_of(&cache, "a").as_deref(), Some("20"));
    }

    #[test]
    fn a_new_list_removes_what_it_lacks_and_says_so() {
        let cache = Cache::default();
        cache.observe(&mut Event::Apply(object("gone", "1", 1)));
        cache.observe(&mut Event::Init);
        cache.observe(&mut Event::InitApply(object("kept", "2", 2)));
        let gone = cache.observe(&mut Event::InitDone).gone;
        assert_eq!(gone.iter().map(ResourceExt::name_any).collect::<Vec<_>>(), ["gone"]);
        assert_eq!(version_of(&cache, "gone"), None);
        assert_eq!(version_of(&cache, "kept").as_deref(), Some("2"));
        assert!(cache.is_ready());
    }

    #[test]
    fn a_version_without_anything_new_is_no_news() {
        let cache = Cache::default();
        let news = |object: ServiceAccount| cache.observe(&mut Event::Apply(object)).is_news;
        assert!(news(object("a", "1", 10)));
        assert!(!news(object("a", "1", 10)));
        assert!(!news(object("a", "1", 11)));
        assert!(!news(object("a", "1", 9)));
        assert!(news(object("a", "2", 12)));
        let changed = ServiceAccount { automount_service_account_token: Some(true), ..object("a", "2", 13) };
        assert!(news(changed.clone()));
        assert_eq!(*cache.get("ns", "a").unwrap(), changed);
        assert!(cache.observe(&mut Event::Delete(changed)).is_news);
    }

    #[test]
    fn what_comes_back_from_our_own_write_is_no_news() {
        let cache = Cache::new(|object: &mut ServiceAccount| object.secrets = None);
        let mut written = object("a", "1", 10);
        written.secrets = Some(Vec::new());
        cache.wrote(written.clone());
        assert!(!cache.observe(&mut Event::Apply(written)).is_news);
        assert_eq!(cache.get("ns", "a").unwrap().secrets, None);
    }

    #[test]
    fn objects_are_found_by_group_and_by_name() {
        let cache = Cache::default();
        let of = |group: &str, name: &str, version| {
            let mut object = object(name, name, version);
            object.metadata.labels = Some([("group".to_owned(), group.to_owned())].into());
            object
        };
        for name in ["shop", "shop-1", "shopping", "till"] {
            cache.wrote(of("ours", name, 1));
        }
        cache.wrote(of("theirs", "shop-2", 1));
        let names = |found: Vec<Arc<ServiceAccount>>| {
            found.iter().map(|object| object.name_any()).collect::<Vec<_>>()
        };
        assert_eq!(names(cache.group("ns", "ours")), ["shop", "shop-1", "shopping", "till"]);
        assert_eq!(names(cache.group_or_named("ns", "theirs", "shop")), ["shop", "shop-1", "shop-2"]);
        cache.wrote(of("theirs", "till", 2));
        assert_eq!(names(cache.group("ns", "theirs")), ["shop-2", "till"]);
        cache.observe(&mut Event::Delete(of("theirs", "till", 3)));
        assert_eq!(names(cache.group("ns", "theirs")), ["shop-2"]);
        assert!(names(cache.group("elsewhere", "ours")).is_empty());
    }
}
