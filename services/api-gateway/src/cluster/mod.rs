//! The API server: how it is reached, and watches of it that go on for ever.

mod backoff;
mod client;

use std::{fmt::Debug, pin::pin};

use futures::StreamExt;
use kube::{
    Api, Resource,
    runtime::watcher::{self, Event, watcher},
};
use serde::de::DeserializeOwned;
use tokio::time::sleep;

pub use self::{
    backoff::Backoff,
    client::{Access, Error},
};
use crate::metrics::Metrics;

/// Seconds after which a watch begins again where it was. A connection that died without a word is found out by this.
const WATCH: u32 = 60;

/// What a watch selects: everything.
pub fn selection() -> watcher::Config {
    watcher::Config::default().timeout(WATCH)
}

/// Watches objects for ever. When the API server does not answer it is asked again, and what it said before holds.
pub async fn follow<K>(
    api: Api<K>,
    selection: watcher::Config,
    resource: &'static str,
    metrics: &Metrics,
    mut each: impl FnMut(Event<K>),
) where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let mut events = pin!(watcher(api, selection));
    let mut backoff = Backoff::default();
    while let Some(event) = events.next().await {
        match event {
            Ok(event) => {
                // It says that a list begins also when none comes.
                if !matches!(event, Event::Init) {
                    backoff.reset();
                }
                each(event);
            }
            Err(error) => {
                metrics.watch_failed(resource);
                tracing::warn!(resource, error = %whole(&error), "a watch broke, and is tried again");
                sleep(backoff.pause()).await;
            }
        }
    }
}

/// An error with everything that it comes from: kube's say little by themselves.
pub fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    for source in std::iter::successors(error.source(), |error| error.source()) {
        let source = source.to_string();
        if !text.contains(&source) {
            text = format!("{text}: {source}");
        }
    }
    text
}
