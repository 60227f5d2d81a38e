//! The database.

pub mod deliveries;
pub mod endpoints;
pub mod notifications;
pub mod preferences;
pub mod push_subscriptions;
pub mod suppressions;
pub mod templates;

use flotilla_bus::Error as BusError;
use sqlx::migrate::Migrator;

/// Why the database did not do something.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Postgres failed.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    /// An event cannot be written.
    #[error("an event cannot be written")]
    Event(#[from] BusError),
}

impl From<Error> for flotilla_kit::http::Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Database(error) => error.into(),
            Error::Event(error) => Self::internal(&error),
        }
    }
}

/// The tables of this service, in a schema of their own.
pub fn migrations() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/notification");
    migrator.create_schema("notification");
    migrator.dangerous_set_table_name("notification.migrations");
    migrator
}

/// All tables that this service needs.
pub fn all_migrations() -> [Migrator; 3] {
    [flotilla_kit::database::migrations(), flotilla_bus::migrations(), migrations()]
}
