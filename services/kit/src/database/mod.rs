//! Postgres: the pool of a service, and the migrations of its database.

mod metrics;
mod migrate;
mod pool;
mod sweep;

pub use flotilla_bus::bounded::bounded;

pub use self::{
    metrics::PoolMetrics,
    migrate::{Error, migrate, migrations, pending},
    pool::{NoDatabase, is_ready, ping, pool},
    sweep::sweep,
};
