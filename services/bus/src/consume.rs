//! Runs a handler for the events of a subscription.

use tokio::task::JoinSet;

use crate::{Deliveries, Delivery, Event};

/// Why a handler failed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It may do better the next time.
    #[error("{0}")]
    Again(String),
    /// It always will fail.
    #[error("{0}")]
    Poison(String),
}

/// Handles events, as many at a time as the subscription has in flight, until `stop` or until there are none any more; then
/// waits for those that run. What a handler does has to be harmless when it is done twice (see [`crate::inbox`]).
pub async fn consume<H, F>(mut deliveries: Deliveries, handle: H, stop: impl Future<Output = ()>)
where
    H: Fn(Event) -> F,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let mut running = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            Some(_ended) = running.join_next() => {}
            delivery = deliveries.next() => match delivery {
                Some(delivery) => {
                    let handled = handle(delivery.event.clone());
                    running.spawn(answer(delivery, handled));
                }
                None => break,
            },
        }
    }
    deliveries.close();
    while running.join_next().await.is_some() {}
    deliveries.ended().await;
}

async fn answer(delivery: Delivery, handled: impl Future<Output = Result<(), Failure>>) {
    let (id, kind, attempt) = (delivery.event.id, delivery.event.kind.clone(), delivery.attempt);
    let settled = match handled.await {
        Ok(()) => delivery.ack().await,
        Err(Failure::Again(reason)) => {
            tracing::warn!(event = %id, %kind, attempt, reason, "an event failed");
            delivery.nack(reason).await
        }
        Err(Failure::Poison(reason)) => {
            tracing::error!(event = %id, %kind, attempt, reason, "an event cannot be handled");
            delivery.bury(reason).await
        }
    };
    if settled.is_err() {
        tracing::warn!(event = %id, %kind, attempt, "the answer for an event came too late; it comes again");
    }
}
