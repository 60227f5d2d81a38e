//! What the operator knows of one kind: fed by a watch, and by the answers to its own writes.
//!
//! A write is visible to the next reconcile at once, before the watch has brought it back. Without that, a
//! reconcile that runs in between would write the same thing again.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use kube::{Resource, ResourceExt, runtime::watcher};
use tokio::sync::watch;

/// Deletions that are remembered: as many as may be in flight between a write and its answer.
const REMEMBERED_DELETIONS: usize = 1024;

/// Namespace and name of an object.
type Key = (String, String);

/// The objects of one kind.
#[derive(Debug)]
pub struct Cache<K> {
    state: RwLock<State<K>>,
    ready: watch::Sender<bool>,
}

#[derive(Debug)]
struct State<K> {
    objects: BTreeMap<Key, Arc<K>>,
    /// Keys that the running list has shown, while one runs.
    listed: Option<HashSet<Key>>,
    /// UIDs that the watch has reported as deleted: a late answer to a write must not revive them.
    deleted: HashSet<String>,
}

impl<K> Default for Cache<K> {
    fn default() -> Self {
        let state = State { objects: BTreeMap::new(), listed: None, deleted: HashSet::new() };
        Self { state: RwLock::new(state), ready: watch::Sender::new(false) }
    }
}

impl<K: Resource> Cache<K> {
    /// Takes in an event of the watch.
    ///
    /// Returns the objects that a new list no longer has: their deletion was never reported.
    pub fn observe(&self, event: &watcher::Event<K>) -> Vec<Arc<K>>
    where
        K: Clone,
    {
        let mut state = self.write();
        match event {
            watcher::Event::Init => state.listed = Some(HashSet::new()),
            watcher::Event::InitApply(object) => {
                if let Some(listed) = &mut state.listed {
                    listed.insert(key(object));
                }
                state.store(object.clone());
            }
            watcher::Event::InitDone => {
                let listed = state.listed.take().unwrap_or_default();
                let all = std::mem::take(&mut state.objects);
                let (kept, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    all.into_iter().partition(|(key, _)| listed.contains(key));
                state.objects = kept;
                self.ready.send_replace(true);
                return gone.into_values().collect();
            }
            watcher::Event::Apply(object) => state.store(object.clone()),
            watcher::Event::Delete(object) => state.delete(object),
        }
        Vec::new()
    }

    /// Takes in the API server's answer to a write of ours.
    pub fn wrote(&self, object: K) {
        let mut state = self.write();
        if !object.uid().is_some_and(|uid| state.deleted.contains(&uid)) {
            state.store(object);
        }
    }

    /// Forgets everything: the kind is not served any more.
    pub fn reset(&self) -> Vec<Arc<K>> {
        let mut state = self.write();
        self.ready.send_replace(false);
        state.listed = None;
        std::mem::take(&mut state.objects).into_values().collect()
    }

    /// The object of this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<K>> {
        self.read().objects.get(&(namespace.to_owned(), name.to_owned())).cloned()
    }

    /// Every object.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read().objects.values().cloned().collect()
    }

    /// The objects of a namespace that the predicate chooses, in the order of their names.
    pub fn find_in(&self, namespace: &str, mut predicate: impl FnMut(&K) -> bool) -> Vec<Arc<K>> {
        self.read()
            .objects
            .range((namespace.to_owned(), String::new())..)
            .take_while(|((of, _), _)| of == namespace)
            .filter(|(_, object)| predicate(object))
            .map(|(_, object)| Arc::clone(object))
            .collect()
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

    fn read(&self) -> RwLockReadGuard<'_, State<K>> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State<K>> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Resource> State<K> {
    fn store(&mut self, object: K) {
        let key = key(&object);
        let outdated = self
            .objects
            .get(&key)
            .is_some_and(|known| known.uid() == object.uid() && version(known.as_ref()) > version(&object));
        if !outdated {
            self.objects.insert(key, Arc::new(object));
        }
    }

    fn delete(&mut self, object: &K) {
        if self.deleted.len() >= REMEMBERED_DELETIONS {
            self.deleted.clear();
        }
        self.deleted.extend(object.uid());
        let key = key(object);
        if self.objects.get(&key).is_some_and(|known| known.uid() == object.uid()) {
            self.objects.remove(&key);
        }
    }
}

fn key(object: &impl Resource) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// Resource versions of one kind are comparable as decimal numbers (KEP-5504).
fn version(object: &impl Resource) -> Option<u128> {
    object.meta().resource_version.as_deref().and_then(|version| version.parse().ok())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{api::core::v1::ServiceAccount, apimachinery::pkg::apis::meta::v1::ObjectMeta};
    use kube::runtime::watcher::Event;

    use super::*;

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
        cache.observe(&Event::Apply(object("a", "1", 9)));
        assert_eq!(version_of(&cache, "a").as_deref(), Some("10"));
        cache.observe(&Event::Apply(object("a", "1", 11)));
        assert_eq!(version_of(&cache, "a").as_deref(), Some("11"));
    }

    #[test]
    fn a_late_answer_does_not_revive_a_deleted_object() {
        let cache = Cache::default();
        cache.observe(&Event::Apply(object("a", "1", 9)));
        cache.observe(&Event::Delete(object("a", "1", 12)));
        cache.wrote(object("a", "1", 10));
        assert_eq!(version_of(&cache, "a"), None);
    }

    #[test]
    fn the_deletion_of_a_former_object_leaves_its_successor() {
        let cache = Cache::default();
        cache.wrote(object("a", "2", 20));
        cache.observe(&Event::Delete(object("a", "1", 15)));
        assert_eq!(version_of(&cache, "a").as_deref(), Some("20"));
    }

    #[test]
    fn a_new_list_removes_what_it_lacks_and_says_so() {
        let cache = Cache::default();
        cache.observe(&Event::Apply(object("gone", "1", 1)));
        cache.observe(&Event::Init);
        cache.observe(&Event::InitApply(object("kept", "2", 2)));
        let gone = cache.observe(&Event::InitDone);
        assert_eq!(gone.iter().map(|object| object.name_any()).collect::<Vec<_>>(), ["gone"]);
        assert_eq!(version_of(&cache, "gone"), None);
        assert_eq!(version_of(&cache, "kept").as_deref(), Some("2"));
        assert!(cache.is_ready());
    }
}
