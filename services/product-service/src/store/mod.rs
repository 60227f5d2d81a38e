//! What is kept in Postgres.
//!
//! Locks are taken in one order, so that nobody waits for somebody who waits for him: a product or a reservation first, then
//! stock in the order of SKUs and buckets, then the keys of events (see [`crate::events::write`]).

pub mod categories;
pub mod checks;
mod columns;
pub mod facets;
pub mod imports;
pub mod listing;
pub mod products;
pub mod quotes;
pub mod reservations;
pub mod stock;

use sqlx::{error::DatabaseError, migrate::Migrator};

use crate::{domain::Faults, events};

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database cannot do it.
    #[error("the database cannot do it")]
    Database(#[from] sqlx::Error),
    /// What happened cannot be told.
    #[error(transparent)]
    Event(#[from] events::Error),
    /// There is no such thing.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// Something else is in the way.
    #[error("something else is in the way")]
    Conflict(Faults),
    /// What was sent does not fit to what is there.
    #[error("what was sent does not fit to what is there")]
    Invalid(Faults),
}

/// The tables of this service, in a schema of their own.
pub fn migrations() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/product");
    migrator.create_schema("product");
    migrator.dangerous_set_table_name("product.migrations");
    migrator
}

/// Everything that the database of this service has to have.
pub fn all_migrations() -> [Migrator; 3] {
    [flotilla_kit::database::migrations(), flotilla_bus::migrations(), migrations()]
}

/// Whether a constraint was violated.
fn violates(error: &sqlx::Error, constraint: &str) -> bool {
    error.as_database_error().and_then(DatabaseError::constraint) == Some(constraint)
}
