//! What is kept in Postgres. Each function is one statement or a few of one transaction, which whoever calls it has begun.

pub mod accounts;
pub mod addresses;
pub mod audit;
pub mod credentials;
pub mod exports;
pub mod mails;
pub mod personal;
pub mod registrations;
pub mod second_factors;
pub mod sessions;
pub mod signing_keys;
pub mod sweep;
pub mod throttles;

use flotilla_kit::database;
use sqlx::migrate::Migrator;

/// The tables of this service, in a schema of their own.
pub fn migrations() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/users");
    migrator.create_schema("users");
    migrator.dangerous_set_table_name("users.migrations");
    migrator
}

/// All tables in the database of this service.
pub fn all_migrations() -> [Migrator; 3] {
    [database::migrations(), flotilla_bus::migrations(), migrations()]
}
