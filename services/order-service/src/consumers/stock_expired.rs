//! Stock that was kept for an order is no longer: its saga looks at once.

use flotilla_bus::{Consumer, Event, Failure, inbox};
use flotilla_kit::database::Pool;

use super::subject;
use crate::store::sagas;

/// The type of these events.
pub(super) const KIND: &str = "shop.stock.reservation.expired.v1";

pub(super) async fn handle(pool: &Pool, consumer: &Consumer, event: &Event) -> Result<(), Failure> {
    // A reservation has the id of its order.
    let order = subject(event)?;
    let again = |error: &dyn std::fmt::Display| Failure::Again(error.to_string());
    let mut transaction = pool.begin().await.map_err(|error| again(&error))?;
    if inbox::is_first(&mut transaction, consumer, event).await.map_err(|error| again(&error))? {
        sagas::expire(&mut transaction, order).await.map_err(|error| again(&error))?;
    }
    transaction.commit().await.map_err(|error| again(&error))
}
