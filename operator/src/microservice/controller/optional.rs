//! Watches of kinds that the cluster may serve or not, and that come and go while the operator runs.

use std::sync::Arc;

use flotilla_crds::v1alpha1::Microservice;
use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use kube::{ResourceExt, runtime::reflector::ObjectRef};
use tokio::sync::watch;

use crate::{cluster::kind::Kind, microservice::dereference::Caches};

/// Watches a kind while it is served. Every service is looked at again when that changes.
pub(super) fn switched(
    served: watch::Receiver<Option<bool>>,
    caches: Arc<Caches>,
    kind: Kind,
    watch: impl Fn() -> BoxStream<'static, ObjectRef<Microservice>> + Send + 'static,
) -> impl Stream<Item = ObjectRef<Microservice>> + Send + 'static {
    let state = State { served, caches, kind, watch, running: None };
    stream::unfold(state, |mut state| async move {
        let news = state.next().await?;
        Some((stream::iter(news), state))
    })
    .flatten()
}

struct State<W> {
    served: watch::Receiver<Option<bool>>,
    caches: Arc<Caches>,
    kind: Kind,
    watch: W,
    running: Option<BoxStream<'static, ObjectRef<Microservice>>>,
}

impl<W: Fn() -> BoxStream<'static, ObjectRef<Microservice>>> State<W> {
    /// The next news; `None` when nobody knows any more what is served.
    async fn next(&mut self) -> Option<Vec<ObjectRef<Microservice>>> {
        let Some(running) = &mut self.running else {
            self.served.wait_for(|served| *served == Some(true)).await.ok()?;
            self.running = Some((self.watch)());
            return Some(self.everybody());
        };
        tokio::select! {
            is_known = async { self.served.wait_for(|served| *served != Some(true)).await.is_ok() } => {
                if !is_known {
                    return None;
                }
                self.running = None;
                if let Some(cache) = self.caches.of(self.kind) {
                    cache.reset();
                }
                Some(self.everybody())
            }
            news = running.next() => Some(vec![news?]),
        }
    }

    fn everybody(&self) -> Vec<ObjectRef<Microservice>> {
        let all = self.caches.microservices.all();
        all.iter()
            .map(|service| {
                ObjectRef::new(&service.name_any()).within(&service.namespace().unwrap_or_default())
            })
            .collect()
    }
}
