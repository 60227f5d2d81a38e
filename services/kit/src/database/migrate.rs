//! Migrations. They run as a job of their own (`migrate`), never when a service starts: replicas of two versions run side by
//! side, so that each migration has to fit both.

use std::{str::FromStr, time::Duration};

use sqlx::{
    AssertSqlSafe, Connection, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use super::Pool;
use crate::{Secret, config};

/// The lock that whoever migrates has. Others of the same database have other numbers.
const LOCK: i64 = 0x464C_4F54_4D49_4752;

/// How long the command `migrate` waits for somebody else who migrates.
const PATIENCE: Duration = Duration::from_secs(300);

/// Why a database was not migrated.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is none. It may have a password, so it is not shown.
    #[error("SHOP_DATABASE_URL is no address of a database: write postgres://USER:PASSWORD@HOST/DATABASE")]
    Address(#[source] sqlx::Error),
    /// The database cannot be reached.
    #[error("the database cannot be reached")]
    Connect(#[source] sqlx::Error),
    /// Somebody else migrates, and did not end in time.
    #[error("somebody else migrates this database, and did not end within {} s", .0.as_secs())]
    Busy(Duration, #[source] sqlx::Error),
    /// A migration failed. What it did was taken back.
    #[error("a migration failed")]
    Migrate(#[from] MigrateError),
    /// The lock cannot be given back.
    #[error("the database was lost after the migrations")]
    Unlock(#[source] sqlx::Error),
}

/// Why the command `migrate` of a service failed.
#[derive(Debug, thiserror::Error)]
pub enum NotMigrated {
    /// There is no address of a database.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The database is not where it is to be.
    #[error(transparent)]
    Database(#[from] Error),
}

/// The tables that this crate needs in the database of a service, in a schema of their own.
pub fn migrations() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/kit");
    migrator.create_schema("kit");
    migrator.dangerous_set_table_name("kit.migrations");
    migrator
}

/// What the command `migrate` of a service does: brings its database to where this version needs it.
pub async fn migrate_configured(
    database: &config::Database,
    migrators: impl IntoIterator<Item = Migrator>,
) -> Result<(), NotMigrated> {
    migrate(&database.url()?, migrators, PATIENCE).await?;
    tracing::info!("the database is where this version needs it");
    Ok(())
}

/// Brings a database to where all of these lead, one after the other. Who comes at once with others waits for them.
pub async fn migrate(
    url: &Secret<String>,
    migrators: impl IntoIterator<Item = Migrator>,
    patience: Duration,
) -> Result<(), Error> {
    let options = PgConnectOptions::from_str(url.expose()).map_err(Error::Address)?;
    let options = options
        .application_name("migrate")
        .options([("lock_timeout", patience.as_millis().to_string()), ("statement_timeout", "0".to_owned())]);
    let mut connection = PgConnection::connect_with(&options).await.map_err(Error::Connect)?;
    sqlx::query!("select pg_advisory_lock($1)", LOCK)
        .execute(&mut connection)
        .await
        .map_err(|error| Error::Busy(patience, error))?;
    for mut migrator in migrators {
        // This lock is around all of them. What a later version has added stays.
        migrator.set_locking(false).set_ignore_missing(true);
        migrator.run(&mut connection).await?;
    }
    sqlx::query!("select pg_advisory_unlock($1)", LOCK)
        .fetch_one(&mut connection)
        .await
        .map_err(Error::Unlock)?;
    connection.close().await.map_err(Error::Unlock)
}

/// The migrations that a database lacks. A service with any is not ready.
pub async fn pending(
    pool: &Pool,
    migrators: impl IntoIterator<Item = Migrator>,
) -> Result<Vec<i64>, sqlx::Error> {
    let mut pending = Vec::new();
    for migrator in migrators {
        let table = migrator.table_name.as_ref();
        let exists = sqlx::query_scalar!(r#"select to_regclass($1) is not null as "exists!""#, table)
            .fetch_one(pool)
            .await?;
        let applied: Vec<i64> = if exists {
            // The name of a table is no parameter, and this one comes from the program.
            let query = AssertSqlSafe(format!("select version from {table} where success"));
            sqlx::query_scalar(query).fetch_all(pool).await?
        } else {
            Vec::new()
        };
        pending.extend(migrator.iter().map(|one| one.version).filter(|version| !applied.contains(version)));
    }
    Ok(pending)
}
