//! Watches of kinds that the cluster may serve or not, and that come and go while the operator runs.

use std::sync::Arc;

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use kube::runtime::reflector::ObjectRef;
use tokio::sync::watch;

use crate::{
    cluster::kind::Kind,
    microservice::{dereference::Caches, reconcile::Handle},
};

/// Watches a kind while it is served. Every service is looked at again when that changes.
pub(super) fn switched(
    served: watch::Receiver<Option<bool>>,
    caches: Arc<Caches>,
    kind: Kind,
    watch: impl Fn() -> BoxStream<'static, ObjectRef<Handle>> + Send + 'static,
) -> impl Stream<Item = ObjectRef<Handle>> + Send + 'static {
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
    running: Option<BoxStream<'static, ObjectRef<Handle>>>,
}

impl<W: Fn() -> BoxStream<'static, ObjectRef<Handle>>> State<W> {
    /// The next news; `None` when nobody knows any more what is served.
    async fn next(&mut self) -> Option<Vec<ObjectRef<Handle>>> {
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

    fn everybody(&self) -> Vec<ObjectRef<Handle>> {
        let all = self.caches.microservices.keys();
        all.iter().map(|(namespace, name)| ObjectRef::new(name).within(namespace)).collect()
    }
}
