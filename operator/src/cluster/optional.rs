//! Watches of kinds that the cluster may serve or not, and that come and go while the operator runs.

use futures::{
    Stream, StreamExt,
    stream::{self, BoxStream},
};
use tokio::sync::watch;

/// Watches a kind while it is served. `switch` says what is news when that changes, to whether it is served now.
pub fn switched<T: Send + 'static>(
    served: watch::Receiver<Option<bool>>,
    watch: impl Fn() -> BoxStream<'static, T> + Send + 'static,
    switch: impl Fn(bool) -> Vec<T> + Send + 'static,
) -> impl Stream<Item = T> + Send + 'static {
    let state = State { served, watch, switch, running: None };
    stream::unfold(state, |mut state| async move {
        let news = state.next().await?;
        Some((stream::iter(news), state))
    })
    .flatten()
}

struct State<T, W, S> {
    served: watch::Receiver<Option<bool>>,
    watch: W,
    switch: S,
    running: Option<BoxStream<'static, T>>,
}

impl<T, W: Fn() -> BoxStream<'static, T>, S: Fn(bool) -> Vec<T>> State<T, W, S> {
    /// The next news; `None` when nobody knows any more what is served.
    async fn next(&mut self) -> Option<Vec<T>> {
        let Some(running) = &mut self.running else {
            self.served.wait_for(|served| *served == Some(true)).await.ok()?;
            self.running = Some((self.watch)());
            return Some((self.switch)(true));
        };
        tokio::select! {
            is_known = async { self.served.wait_for(|served| *served != Some(true)).await.is_ok() } => {
                if !is_known {
                    return None;
                }
                self.running = None;
                Some((self.switch)(false))
            }
            news = running.next() => Some(vec![news?]),
        }
    }
}
