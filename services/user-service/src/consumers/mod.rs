//! What this service hears of others.

mod bounced;

use std::sync::Arc;

use flotilla_bus::{
    Bus, Consumer, Event, Failure, InvalidConsumer, InvalidType, Pattern, Policy, Subscription,
    keep_consuming,
};
use flotilla_kit::{
    correlation::CorrelationId,
    drain::{Drain, Phase},
};

use crate::app::{App, NAME};

/// Events that are handled at a time.
const IN_FLIGHT: u32 = 8;

/// Why it cannot hear.
#[derive(Debug, thiserror::Error)]
pub enum Invalid {
    /// Its name is none.
    #[error(transparent)]
    Consumer(#[from] InvalidConsumer),
    /// A type is none.
    #[error(transparent)]
    Type(#[from] InvalidType),
}

/// What it wants to hear.
pub fn subscription() -> Result<Subscription, Invalid> {
    Ok(Subscription {
        consumer: Consumer::try_from(NAME)?,
        types: vec![Pattern::try_from(bounced::TYPE)?],
        in_flight: IN_FLIGHT.try_into().unwrap_or(std::num::NonZeroU32::MIN),
        policy: Policy::default(),
    })
}

/// Hears until the end of the service.
pub async fn run(app: App, bus: Arc<dyn Bus>, subscription: Subscription, drain: Drain) {
    let consumer = subscription.consumer.clone();
    let handle = |event| handle(app.clone(), consumer.clone(), event);
    keep_consuming(&*bus, &subscription, handle, drain.at_least(Phase::Ending)).await;
}

async fn handle(app: App, consumer: Consumer, event: Event) -> Result<(), Failure> {
    let id = event.correlation_id.as_deref().and_then(CorrelationId::parse).unwrap_or_default();
    id.scope(bounced::handle(&app, &consumer, &event)).await
}
