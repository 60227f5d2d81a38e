//! Somebody wants to be forgotten. Their orders stay, as the books need them, and lead to nobody.

use flotilla_bus::{Consumer, Event, Failure, inbox};
use flotilla_kit::database::Pool;
use uuid::Uuid;

use super::subject;
use crate::store::{carts, orders};

/// The type of these events.
pub(super) const KIND: &str = "shop.user.erased.v1";

pub(super) async fn handle(pool: &Pool, consumer: &Consumer, event: &Event) -> Result<(), Failure> {
    let user = subject(event)?;
    let again = |error: &dyn std::fmt::Display| Failure::Again(error.to_string());
    let mut transaction = pool.begin().await.map_err(|error| again(&error))?;
    if inbox::is_first(&mut transaction, consumer, event).await.map_err(|error| again(&error))? {
        // Nothing leads from one to the other, not even for whoever knows the first.
        orders::forget(&mut transaction, user, Uuid::now_v7()).await.map_err(|error| again(&error))?;
        carts::forget(&mut transaction, user).await.map_err(|error| again(&error))?;
    }
    transaction.commit().await.map_err(|error| again(&error))
}
