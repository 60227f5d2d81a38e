//! Begins a consumer's work, with sessions of any kind.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::worker::{Session, run};
use crate::{Deliveries, Error, Subscription};

/// What comes by the sessions that `connect` makes, one after the other. An error when the first cannot be made.
pub(crate) async fn subscribe<S, C, F>(subscription: Subscription, connect: C) -> Result<Deliveries, Error>
where
    S: Session + 'static,
    C: Fn(Arc<Subscription>) -> F + Send + 'static,
    F: Future<Output = Result<S, Error>> + Send + 'static,
{
    let in_flight = usize::try_from(subscription.in_flight.get()).unwrap_or(usize::MAX);
    let (sender, deliveries) = mpsc::channel(in_flight);
    let (ready, is_ready) = oneshot::channel();
    let worker = tokio::spawn(run(connect, Arc::new(subscription), sender, ready));
    let deliveries = Deliveries::new(deliveries, worker);
    is_ready.await.map_err(Error::unavailable)??;
    Ok(deliveries)
}
