//! Postgres: the pool of a service, and the migrations of its database.

mod bounded;
mod connections;
mod executor;
mod metrics;
mod migrate;
mod of_ten;
mod pool;
mod readers;
mod sweep;
mod together;
mod transaction;

pub use self::{
    bounded::bounded,
    connections::{Connection, Pool},
    metrics::PoolMetrics,
    migrate::{Error, NotMigrated, migrate, migrate_configured, migrations, pending},
    of_ten::of_ten,
    pool::{NoDatabase, is_ready, ping, pool},
    readers::{Reader, Readers},
    sweep::sweep,
    together::Together,
    transaction::Transaction,
};
