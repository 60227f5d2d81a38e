//! The watch of warnings about pods.

use std::sync::Arc;

use flotilla_crds::v1alpha1::Microservice;
use futures::{Stream, StreamExt, future};
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt,
        reflector::ObjectRef,
        watcher::{self, watcher},
    },
};

use super::{labelled, typed};
use crate::microservice::{dereference::Caches, warnings::SELECTOR};

/// The services of whose pods something new is said.
pub(super) fn news(
    client: &Client,
    namespace: Option<&str>,
    caches: &Arc<Caches>,
) -> impl Stream<Item = ObjectRef<Microservice>> + Send + 'static {
    let caches = Arc::clone(caches);
    let api: Api<Event> = typed(client, namespace);
    watcher(api, watcher::Config::default().fields(SELECTOR)).default_backoff().filter_map(move |event| {
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
