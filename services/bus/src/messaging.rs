//! The tables that every service has in its own database for this crate.

use sqlx::migrate::Migrator;

/// The tables of the outbox and the inbox, in a schema of their own.
pub fn migrations() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/messaging");
    migrator.create_schema("messaging");
    migrator.dangerous_set_table_name("messaging.migrations");
    migrator
}
