//! Throw-away servers: Postgres, RabbitMQ and Redis as Debian has them, Kafka as Maven has it, on loopback, with data in a
//! folder that goes with them. Tests start what they need; so does a shop without a cluster.
//!
//! A server ends with the process that started it, however that ends: a guard (`guard.sh`) waits at a pipe that only that
//! process holds. Should the guard be killed as well, the next start removes what it left. A Postgres may also have its data
//! in a folder that stays.
//!
//! And, for servers that are in a cluster, ways that lead to them, and the kubectl of who tests them.

mod folder;
mod forward;
mod guard;
mod identity;
mod kafka;
mod kubectl;
pub mod port;
mod postgres;
mod program;
mod rabbitmq;
mod redis;

use std::{io, path::PathBuf, time::Duration};

pub use self::{
    forward::Forward, identity::Identity, kafka::Kafka, kubectl::Kubectl, postgres::Postgres,
    rabbitmq::RabbitMq, redis::Redis,
};

/// How long a server may take until it answers. On a busy machine RabbitMQ needs most of a minute.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its program is not installed.
    #[error("there is no {program} on this machine; on Debian or Ubuntu: apt-get install {package}")]
    Missing {
        /// The program.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// A program ended with a failure.
    #[error("{program} failed: {output}")]
    Failed {
        /// The program.
        program: &'static str,
        /// What it wrote.
        output: String,
    },
    /// It did not answer in time.
    #[error("{program} did not answer within {} s; it wrote: {log}", PATIENCE.as_secs())]
    Silent {
        /// The program.
        program: &'static str,
        /// The end of its log.
        log: String,
    },
    /// Another process uses the folder.
    #[error("{} is in use: end the other one, or choose another folder", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// The machine refused something.
    #[error("{0}")]
    Machine(&'static str, #[source] io::Error),
}

/// A closure that names what failed.
fn machine(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::Machine(what, source)
}
