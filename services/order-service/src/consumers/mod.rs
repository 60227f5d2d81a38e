//! Events of others that have an effect here.

mod stock_expired;
mod user_erased;

use std::sync::Arc;

use flotilla_bus::{
    Bus, Consumer, Event, Failure, InvalidConsumer, InvalidType, Pattern, Subscription, keep_consuming,
};
use flotilla_kit::{
    correlation::CorrelationId,
    database::Pool,
    drain::{Drain, Phase},
};

use crate::saga::Runner;

/// Why there is no consumer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its name is none.
    #[error(transparent)]
    Name(#[from] InvalidConsumer),
    /// A type of its events is none.
    #[error(transparent)]
    Type(#[from] InvalidType),
}

/// What is wanted of the bus.
pub fn subscription() -> Result<Subscription, Error> {
    let types = [user_erased::KIND, stock_expired::KIND].map(Pattern::try_from);
    let types = types.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(Subscription::new(Consumer::try_from("order-service")?, types))
}

/// Takes events until the end of the service.
pub async fn run(pool: Pool, bus: Arc<dyn Bus>, runner: Runner, subscription: Subscription, drain: Drain) {
    let consumer = subscription.consumer.clone();
    let handle = |event: Event| handle(pool.clone(), runner.clone(), consumer.clone(), event);
    keep_consuming(&*bus, &subscription, handle, drain.at_least(Phase::Ending)).await;
}

async fn handle(pool: Pool, runner: Runner, consumer: Consumer, event: Event) -> Result<(), Failure> {
    let id = event.correlation_id.as_deref().and_then(CorrelationId::parse).unwrap_or_default();
    id.scope(async {
        match event.kind.as_str() {
            user_erased::KIND => user_erased::handle(&pool, &consumer, &event).await,
            stock_expired::KIND => stock_expired::handle(&pool, &consumer, &event).await,
            _ => Ok(()),
        }?;
        runner.wake();
        Ok(())
    })
    .await
}

/// The id of a user or an order in an event: its subject.
fn subject(event: &Event) -> Result<uuid::Uuid, Failure> {
    uuid::Uuid::try_parse(&event.subject).map_err(|_| Failure::Poison("its subject is no UUID".to_owned()))
}
