//! The watches of what services refer to: ConfigMaps and Secrets, of which only metadata is asked for and kept.

use std::{fmt::Debug, sync::Arc};

use futures::{Stream, StreamExt, stream};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Client, Resource,
    core::NamespaceResourceScope,
    runtime::{reflector::ObjectRef, watcher::watcher},
};

use super::{observed, typed, watch_config};
use crate::{
    cluster::{
        cache::{Cache, Kept},
        unread::Unread,
    },
    microservice::{
        dereference::{Caches, References},
        reconcile::Handle,
        validate::Reference,
    },
};

/// The services that refer to something that has changed.
pub(super) fn news(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
) -> impl Stream<Item = ObjectRef<Handle>> + Send + 'static {
    let config_maps = watch(client, namespace, caches, "ConfigMap", |known| &known.config_maps);
    let secrets = watch(client, namespace, caches, "Secret", |known| &known.secrets);
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
    cache: fn(&References) -> &Cache<K>,
) -> impl Stream<Item = ObjectMeta> + Send + 'static
where
    K: Kept + Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Debug + Send + Sync + 'static,
{
    let feed = Arc::clone(caches);
    let watch = watcher(typed::<Unread<K>>(client, namespace), watch_config());
    observed(watch, kind, move |event| Some(cache(feed.references.as_ref()?).observe(event)))
}

fn referring(caches: &Caches, namespace: &str, reference: &Reference) -> Vec<ObjectRef<Handle>> {
    // Before the first list is complete nothing is reconciled, and then everything.
    let ready = |known: &References| known.config_maps.is_ready() && known.secrets.is_ready();
    if !caches.references.as_ref().is_some_and(ready) {
        return Vec::new();
    }
    let mut names = caches.referrers.of(namespace, reference);
    names.extend(caches.provisioned.users_of(namespace, reference));
    names.iter().map(|name| ObjectRef::new(name).within(namespace)).collect()
}
