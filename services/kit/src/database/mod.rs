//! Postgres: the pool of a service, and the migrations of its database.

mod migrate;
mod pool;

pub use self::{
    migrate::{Error, migrate, migrations, pending},
    pool::{NoDatabase, ping, pool},
};
