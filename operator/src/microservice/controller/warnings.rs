//! The watch of warnings about pods.

use std::sync::Arc;

use futures::{Stream, StreamExt, future};
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client,
    runtime::{WatchStreamExt, reflector::ObjectRef, watcher::watcher},
};

use super::{labelled, typed, watch_config};
use crate::microservice::{dereference::Caches, reconcile::Handle, warnings::SELECTOR};

/// The services of whose pods something new is said.
pub(super) fn news(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
) -> impl Stream<Item = ObjectRef<Handle>> + Send + 'static {
    let caches = Arc::clone(caches);
    let api: Api<Event> = typed(client, namespace);
    watcher(api, watch_config().fields(SELECTOR)).default_backoff().filter_map(move |event| {
        let news = match event {
            Ok(event) => caches.warnings.observe(&event),
            Err(error) => {
                tracing::warn!(%error, kind = "Event", "the watch failed and is started again");
                None
            }
        };
        let pod = news.and_then(|pod| caches.pods.get(&pod.namespace, &pod.name));
        future::ready(pod.and_then(|pod| labelled(&pod.metadata)))
    })
}
