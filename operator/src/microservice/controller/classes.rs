//! The watch of classes: a change is passed on to their services, not to all of them at once.

use std::{sync::Arc, time::Duration};

use flotilla_crds::v1alpha1::{DEFAULT_CLASS_ANNOTATION, MicroserviceClass};
use futures::{Stream, StreamExt, stream};
use kube::{
    Api, Client, ResourceExt,
    runtime::{reflector::ObjectRef, watcher::watcher},
};

use super::{observed, watch_config};
use crate::{
    cluster::unread::Unread,
    microservice::{dereference::Caches, reconcile::Handle},
};

/// Time between two services that a change of a class is passed on to: a mistake in it shall not replace the pods of a
/// whole cluster within a second.
const PACE: Duration = Duration::from_millis(50);

/// The services whose class has changed.
pub(super) fn news(
    client: &Client,
    caches: &Arc<Caches>,
) -> impl Stream<Item = ObjectRef<Handle>> + Send + 'static {
    let (feed, known) = (Arc::clone(caches), Arc::clone(caches));
    let watch = watcher(Api::<Unread<MicroserviceClass>>::all(client.clone()), watch_config());
    observed(watch, "MicroserviceClass", move |event| Some(feed.classes.as_ref()?.observe(event)))
        .map(move |meta| {
            // Before the first list is complete nothing is reconciled, and then everything.
            if !known.classes.as_ref().is_some_and(crate::cluster::cache::Cache::is_ready) {
                return Vec::new();
            }
            let is_default =
                meta.annotations.iter().flatten().any(|(name, _)| name == DEFAULT_CLASS_ANNOTATION);
            let concerned = known.microservices.all().filter(|service| {
                match &service.spec.class_name {
                    Some(class) => Some(class) == meta.name.as_ref(),
                    // A class may also have ceased to be the default one.
                    None => is_default || meta.deletion_timestamp.is_none(),
                }
            });
            concerned
                .map(|service| {
                    ObjectRef::new(&service.name_any()).within(&service.namespace().unwrap_or_default())
                })
                .collect()
        })
        .flat_map(stream::iter)
        .then(|service| async move {
            tokio::time::sleep(PACE).await;
            service
        })
}
