//! The watches of what services refer to: ConfigMaps and Secrets, of which only metadata is asked for and kept.

use std::{fmt::Debug, sync::Arc};

use flotilla_crds::v1alpha1::Microservice;
use futures::{Stream, StreamExt, stream};
use k8s_openapi::{
    api::core::v1::{ConfigMap, Secret},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Client, Resource, ResourceExt,
    api::PartialObjectMeta,
    core::NamespaceResourceScope,
    runtime::{
        reflector::ObjectRef,
        watcher::{self, watcher},
    },
};

use super::{observed, typed};
use crate::{
    cluster::cache::Cache,
    microservice::{
        dereference::{Caches, References},
        validate::{Reference, references},
    },
};

/// The services that refer to something that has changed.
pub(super) fn news(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
) -> impl Stream<Item = ObjectRef<Microservice>> + Send + 'static {
    let config_maps = watch::<ConfigMap>(client, namespace, caches, "ConfigMap", |known| &known.config_maps);
    let secrets = watch::<Secret>(client, namespace, caches, "Secret", |known| &known.secrets);
    let known = Arc::clone(caches);
    stream::select(
        config_maps.map(|meta| (meta.namespace, meta.name.map(Reference::ConfigMap))),
        secrets.map(|meta| (meta.namespace, meta.name.map(Reference::Secret))),
    )
    .map(move |(namespace, reference)| match (namespace, reference) {
        (Some(namespace), Some(reference)) => referring(&known, &namespace, &reference),
        _ => Vec::new(),
    })
    .flat_map(stream::iter)
}

fn watch<K>(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
    kind: &'static str,
    cache: fn(&References) -> &Cache<PartialObjectMeta<K>>,
) -> impl Stream<Item = ObjectMeta> + Send + 'static
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + Debug + Send + Sync + 'static,
    K: serde::de::DeserializeOwned,
{
    let feed = Arc::clone(caches);
    let watch = watcher(typed::<PartialObjectMeta<K>>(client, namespace), watcher::Config::default());
    observed(watch, kind, reduce, move |event| {
        feed.references.as_ref().map(|known| cache(known).observe(event)).unwrap_or_default()
    })
}

/// Keeps what a version is made of.
fn reduce<K>(object: &mut PartialObjectMeta<K>) {
    let ObjectMeta { name, namespace, uid, resource_version, .. } = std::mem::take(&mut object.metadata);
    object.metadata = ObjectMeta { name, namespace, uid, resource_version, ..ObjectMeta::default() };
}

fn referring(caches: &Caches, namespace: &str, reference: &Reference) -> Vec<ObjectRef<Microservice>> {
    // Before the first list is complete nothing is reconciled, and then everything.
    let ready = |known: &References| known.config_maps.is_ready() && known.secrets.is_ready();
    if !caches.references.as_ref().is_some_and(ready) {
        return Vec::new();
    }
    caches
        .microservices
        .find_in(namespace, |service| {
            references(&service.spec).contains(reference) || caches.is_provisioned(service, reference)
        })
        .iter()
        .map(|service| ObjectRef::new(&service.name_any()).within(namespace))
        .collect()
}
