//! Runs a handler for the events of a subscription.

use std::time::Duration;

use futures::FutureExt;
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{Bus, Deliveries, Delivery, Event, Subscription};

/// How long to wait for a bus that is not there.
const PAUSE: Duration = Duration::from_secs(2);

/// How long a handler may take. Whatever it waits for then, such as a database that is gone without a word, does not come.
const PATIENCE: Duration = Duration::from_secs(60);

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

/// Takes part in a consumer's work until `stop`, whether the bus is there from the beginning, or all the time, or not: see
/// [`consume`].
pub async fn keep_consuming<H, F>(
    bus: &dyn Bus,
    subscription: &Subscription,
    handle: H,
    stop: impl Future<Output = ()>,
) where
    H: Fn(Event) -> F,
    F: Future<Output = Result<(), Failure>> + Send + 'static,
{
    let stop = stop.shared();
    let mut is_there = true;
    loop {
        let subscribed = tokio::select! {
            () = stop.clone() => return,
            subscribed = bus.subscribe(subscription.clone()) => subscribed,
        };
        match subscribed {
            Ok(deliveries) => {
                is_there = true;
                consume(deliveries, &handle, stop.clone()).await;
            }
            // Once, not each time.
            Err(error) if std::mem::take(&mut is_there) => {
                let source = std::error::Error::source(&error);
                tracing::warn!(consumer = %subscription.consumer, %error, ?source, "events cannot be taken now");
            }
            Err(_) => {}
        }
        tokio::select! {
            () = stop.clone() => return,
            () = sleep(PAUSE) => {}
        }
    }
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
    let handled = timeout(PATIENCE, handled);
    let handled = handled.await.unwrap_or_else(|_| Err(Failure::Again("it was not done in time".to_owned())));
    let settled = match handled {
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
