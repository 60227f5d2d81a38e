//! Postgres: the pool of a service, and the migrations of its database.

mod begin;
mod bounded;
mod metrics;
mod migrate;
mod pool;
mod readers;
mod sweep;

pub use self::{
    begin::begin,
    bounded::bounded,
    metrics::PoolMetrics,
    migrate::{Error, NotMigrated, migrate, migrate_configured, migrations, pending},
    pool::{NoDatabase, is_ready, ping, pool},
    readers::{Reader, Readers},
    sweep::sweep,
};
