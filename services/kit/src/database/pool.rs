//! The pool of a service, by its configuration.

use std::{str::FromStr, time::Duration};

use sqlx::{
    Connection,
    migrate::Migrator,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{Pool, bounded::within, connections::PATIENCE, pending};
use crate::config;

/// How long a connection that is given back may say nothing.
const SILENCE: Duration = Duration::from_secs(3);

/// How long a connection lives at least and at most, so that not all replicas make new ones at once.
const LIFETIME: (u64, u64) = (25 * 60, 35 * 60);

/// Why there is no pool.
#[derive(Debug, thiserror::Error)]
pub enum NoDatabase {
    /// No address was given.
    #[error(transparent)]
    Config(#[from] config::Error),
    /// The address is none. It may have a password, so it is not shown.
    #[error("SHOP_DATABASE_URL is no address of a database: write postgres://USER:PASSWORD@HOST/DATABASE")]
    Address(#[source] sqlx::Error),
}

/// The pool of a service. It connects when it is used, so the database need not be there yet.
pub fn pool(config: &config::Database, service: &str) -> Result<Pool, NoDatabase> {
    let milliseconds = |seconds: u32| (u64::from(seconds) * 1_000).to_string();
    let options = PgConnectOptions::from_str(config.url()?.expose())
        .map_err(NoDatabase::Address)?
        .application_name(service)
        .options([
            ("statement_timeout", milliseconds(config.statement_seconds)),
            ("lock_timeout", milliseconds(config.lock_seconds)),
            ("idle_in_transaction_session_timeout", milliseconds(config.statement_seconds * 2)),
            // Compiling a plan takes longer than anything that a request asks.
            ("jit", "off".to_owned()),
        ]);
    let lifetime = Duration::from_secs(fastrand::u64(LIFETIME.0..LIFETIME.1));
    let pool = PgPoolOptions::new()
        .max_connections(config.database_connections)
        .acquire_timeout(PATIENCE)
        .max_lifetime(lifetime)
        // A ping for each use costs a third of the throughput; a broken connection shows itself, and is replaced.
        .test_before_acquire(false)
        // Whatever is given back is asked whether it is there, which would wait for a quarter of an hour for one that is not;
        // meanwhile nobody else could have its place.
        .after_release(|connection, _| {
            Box::pin(within(SILENCE, async { connection.ping().await.map(|()| true) }))
        })
        .connect_lazy_with(options);
    Ok(Pool::new(pool))
}

/// Whether the database answers.
pub async fn ping(pool: &Pool) -> bool {
    sqlx::query_scalar!("select 1 as one").fetch_one(pool).await.is_ok()
}

/// Whether the database answers, and lacks none of these migrations. A service without is not ready, and does not make them.
pub async fn is_ready(pool: &Pool, migrators: impl IntoIterator<Item = Migrator>) -> bool {
    match pending(pool, migrators).await {
        Ok(pending) if pending.is_empty() => true,
        Ok(pending) => {
            tracing::info!(?pending, "the database lacks migrations; run migrate");
            false
        }
        Err(_error) => false,
    }
}
