//! The database of this service. What belongs together is written in one transaction, under the lock of its order's row, which
//! is taken first of all.

pub mod audit;
pub mod carts;
pub mod events;
pub mod ledger;
pub mod orders;
pub mod payments;
pub mod refunds;
pub mod sagas;
pub mod webhooks;

use std::time::Duration;

use flotilla_kit::http::Problem;
use sqlx::migrate::Migrator;
use uuid::Uuid;

use crate::domain::{Unknown, order::Illegal};

/// Why something could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// An event cannot be written.
    #[error("an event cannot be written")]
    Event(#[from] flotilla_bus::Error),
    /// The database has what nobody wrote.
    #[error("the database has something that is not known here")]
    Corrupt(#[from] Unknown),
    /// An order was to become what it cannot.
    #[error(transparent)]
    Illegal(#[from] Illegal),
    /// Somebody else has changed an order in between, although whoever changes one has its row first.
    #[error("order {0} was changed by somebody else in between")]
    Stale(Uuid),
    /// The provider says that it has given back more than it took.
    #[error("refund {0} is more than is left of what was taken")]
    Excess(Uuid),
    /// Something that is written as JSON is none.
    #[error("something cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Database(error) => error.into(),
            Error::Event(flotilla_bus::Error::Unavailable(error)) => match error.downcast::<sqlx::Error>() {
                Ok(error) => Self::from(*error),
                Err(error) => Self::internal(&*error),
            },
            Error::Stale(_) => {
                Self::unavailable(Duration::from_secs(1), "somebody else was in the way; try again")
            }
            error => Self::internal(&error),
        }
    }
}

/// The tables of this service, in a schema of their own.
pub fn migrations() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/orders");
    migrator.create_schema("orders");
    migrator.dangerous_set_table_name("orders.migrations");
    migrator
}

/// All tables in the database of this service.
pub fn all_migrations() -> [Migrator; 3] {
    [flotilla_kit::database::migrations(), flotilla_bus::migrations(), migrations()]
}
