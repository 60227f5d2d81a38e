//! An object as it came, read when it is its turn.
//!
//! A list brings its objects by the page, and as trees they take ten times the room of their text.

use std::{borrow::Cow, marker::PhantomData};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt, runtime::watcher};
use serde::{Deserialize, Deserializer, de};
use serde_json::value::RawValue;

use super::cache::Kept;

/// An object of kind `K` as text. Of its metadata it knows what a watch needs.
pub struct Unread<K> {
    text: Box<str>,
    metadata: ObjectMeta,
    kind: PhantomData<fn() -> K>,
}

impl<K: Kept> Unread<K> {
    /// Reads it.
    pub fn read(&self) -> serde_json::Result<K> {
        K::read(&self.text)
    }
}

#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    metadata: HeadMeta,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeadMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    /// A bookmark says by one that it ends the first list.
    annotations: Option<std::collections::BTreeMap<String, String>>,
}

impl<'de, K> Deserialize<'de> for Unread<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text: Box<str> = Box::<RawValue>::deserialize(deserializer)?.into();
        let Head { metadata } = serde_json::from_str(&text).map_err(de::Error::custom)?;
        let HeadMeta { name, namespace, uid, resource_version, annotations } = metadata;
        let metadata =
            ObjectMeta { name, namespace, uid, resource_version, annotations, ..ObjectMeta::default() };
        Ok(Self { text, metadata, kind: PhantomData })
    }
}

impl<K> Clone for Unread<K> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), metadata: self.metadata.clone(), kind: PhantomData }
    }
}

impl<K> std::fmt::Debug for Unread<K> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl<K: Resource> Resource for Unread<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// The object, or none when it cannot be read: that is logged and must not stop the others.
pub fn readable<K: Kept>(unread: Unread<K>) -> Option<K> {
    unread
        .read()
        .inspect_err(|error| {
            let (name, namespace) = (unread.name_any(), unread.namespace());
            tracing::error!(%error, name, namespace, "an object cannot be read; correct it");
        })
        .ok()
}

/// The event with its object made into another one, or none when there is no other.
pub fn convert<A, B>(
    event: watcher::Event<A>,
    make: impl FnOnce(A) -> Option<B>,
) -> Option<watcher::Event<B>> {
    match event {
        watcher::Event::Apply(object) => make(object).map(watcher::Event::Apply),
        watcher::Event::Delete(object) => make(object).map(watcher::Event::Delete),
        watcher::Event::InitApply(object) => make(object).map(watcher::Event::InitApply),
        watcher::Event::Init => Some(watcher::Event::Init),
        watcher::Event::InitDone => Some(watcher::Event::InitDone),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Pod;
    use kube::{ResourceExt, core::WatchEvent};

    use super::*;

    #[test]
    fn an_event_of_a_watch_is_read_late() {
        let line = r#"{"type":"ADDED","object":{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a","namespace":"ns","resourceVersion":"7"},"spec":{"containers":[{"name":"app"}]}}}"#;
        let WatchEvent::Added(pod) = serde_json::from_str::<WatchEvent<Unread<Pod>>>(line).unwrap() else {
            panic!()
        };
        assert_eq!((pod.name_any().as_str(), pod.resource_version().as_deref()), ("a", Some("7")));
        assert_eq!(pod.read().unwrap().spec.unwrap().containers[0].name, "app");
    }

    #[test]
    fn an_object_that_is_not_one_of_its_kind_is_an_error_of_its_own() {
        let pod: Unread<Pod> = serde_json::from_str(r#"{"metadata":{"name":"a"},"spec":5}"#).unwrap();
        assert!(pod.read().is_err());
    }
}
