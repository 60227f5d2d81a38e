//! Reads what many resolvers ask for at once, in one query.

use async_graphql::dataloader::DataLoader;
use futures::future::BoxFuture;
use tracing::{Instrument, Span};

use crate::correlation::CorrelationId;

/// A loader of one request, which gets it as its data. What it does belongs to the request. It remembers nothing, so that what a
/// mutation has changed is read anew.
pub(super) fn loader<L: Send + Sync + 'static>(loads: L) -> DataLoader<L> {
    DataLoader::new(loads, |load: BoxFuture<'static, ()>| {
        let id = CorrelationId::current().unwrap_or_default();
        tokio::spawn(id.scope(load.instrument(Span::current())))
    })
}
