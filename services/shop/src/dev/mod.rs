//! The whole shop on this machine, without a cluster.
//!
//! Each service is a process of this same program, with the environment that its pod would have: they share no subscriber of
//! logs, no environment and no fate. All of them end with this one, however it ends: they wait at a pipe that it holds, and so
//! does Postgres (see `flotilla_testbed`). What they leave behind is in one folder, which goes with Postgres unless it is to
//! be kept.
//!
//! - `settings`: what each program is told, pure; `gateway`: the gateway's file
//! - `secrets`, `databases`, `folder`, `ports`: what they need
//! - `process`, `journal`: a program, and what it says
//! - `seed`: what is there from the start
//! - `summary`: what a person is told
//!
//! `Shop` is all of it together; whoever has to end some of it and start it again takes the parts.

pub mod databases;
pub mod folder;
pub mod gateway;
pub mod journal;
pub mod ports;
pub mod process;
pub mod secrets;
pub mod seed;
pub mod settings;
mod summary;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitStatus,
    time::Duration,
};

use flotilla_testbed::Postgres;
use tokio::task::{JoinError, spawn_blocking};

use self::{
    folder::Folder,
    journal::Shown,
    ports::Ports,
    process::{Fleet, Program},
    secrets::Secrets,
    settings::Settings,
};
pub use crate::fill::{ADMIN, Account, CUSTOMER};
use crate::{config, fill, name::Name, walk::Failure};

/// How often the whole is started, as somebody else may take a port that was free.
const ATTEMPTS: u32 = 5;

/// How long a program may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no shop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no Postgres.
    #[error("Postgres cannot be started")]
    Postgres(#[from] flotilla_testbed::Error),
    /// It has no databases for the services.
    #[error("the databases cannot be made")]
    Databases(#[from] sqlx::Error),
    /// A file or a folder cannot be used.
    #[error("{0}")]
    File(String, #[source] io::Error),
    /// What an earlier run left cannot be read.
    #[error("{0} is not of this program: choose another folder, or remove it")]
    Secrets(PathBuf, #[source] serde_json::Error),
    /// There are no keys.
    #[error("keys cannot be made")]
    Keys,
    /// A port is somebody else's.
    #[error("the port {port} is taken: end what listens there, or choose another with {flag}")]
    Taken {
        /// The port.
        port: u16,
        /// What says so.
        flag: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A port was free, and is somebody else's now.
    #[error("the port {port}, which was free, is taken now; try again")]
    Lost {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// No ports are free.
    #[error("there are no free ports")]
    Ports(#[source] flotilla_testbed::Error),
    /// A program cannot be started.
    #[error("{0} cannot be started")]
    Spawn(Name, #[source] io::Error),
    /// A program has ended.
    #[error("{name} ended unexpectedly ({status}); it said: {said}")]
    Ended {
        /// Which.
        name: Name,
        /// How.
        status: ExitStatus,
        /// The end of its log.
        said: String,
    },
    /// A program is not ready.
    #[error("{name} is not ready within {} s: {why}; it said: {said}", PATIENCE.as_secs())]
    Unready {
        /// Which.
        name: Name,
        /// What it says of itself.
        why: String,
        /// The end of its log.
        said: String,
    },
    /// Nobody can log in.
    #[error("the shop has nobody who can log in")]
    People(#[source] Failure),
    /// Nothing can be bought.
    #[error("the shop has nothing to buy")]
    Catalogue(#[source] fill::Error),
    /// Something died.
    #[error(transparent)]
    Died(#[from] JoinError),
}

/// Where a shop is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The gateway.
    pub shop: SocketAddr,
    /// The inbox.
    pub inbox: SocketAddr,
    /// The payment provider.
    pub payments: SocketAddr,
    /// The folder of all data.
    pub folder: PathBuf,
}

/// A shop that runs on this machine. Dropped, it ends at once.
#[derive(Debug)]
pub struct Shop {
    // Dropped in this order: what needs the database goes before it.
    fleet: Fleet,
    addresses: Addresses,
    is_kept: bool,
    _postgres: Postgres,
}

impl Shop {
    /// Starts one, of processes of this program.
    pub async fn start(config: &config::Dev, program: &Path) -> Result<Self, Error> {
        Ports::check(config)?;
        let (postgres, is_kept) = postgres(config).await?;
        let folder = Folder::new(postgres.folder())?;
        let secrets = Secrets::of(&folder)?;
        databases::prepare(&postgres.url("postgres"), &secrets).await?;
        let mut attempt = 1;
        let (fleet, settings) = loop {
            let ports = Ports::choose(config)?;
            let settings = Settings { ports, secrets: &secrets, folder: &folder, postgres: &postgres };
            match start(&settings, program, config.verbose).await {
                Err(Error::Lost { port, source }) => match ports::flag(config, port) {
                    // Those that were named are not chosen anew.
                    Some(flag) => return Err(Error::Taken { port, flag, source }),
                    None if attempt < ATTEMPTS => attempt += 1,
                    None => return Err(Error::Lost { port, source }),
                },
                Err(error) => return Err(error),
                Ok(fleet) => break (fleet, settings),
            }
        };
        seed::fill(&settings, program).await?;
        let local = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let addresses = Addresses {
            shop: local(settings.ports.gateway),
            inbox: local(settings.ports.inbox),
            payments: local(settings.ports.paysim),
            folder: folder.path().to_owned(),
        };
        Ok(Self { fleet, addresses, is_kept, _postgres: postgres })
    }

    /// Where it is.
    pub fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// What a person is told of it, with the line that runs this program.
    pub fn summary(&self, command: &str) -> String {
        summary::summary(&self.addresses, command, self.is_kept)
    }

    /// Waits until a program ends that should not.
    pub async fn broken(&mut self) -> Error {
        self.fleet.broken().await
    }

    /// Ends it: first what takes requests, then what they need.
    pub async fn end(self) -> Result<(), Error> {
        let Self { fleet, _postgres: postgres, .. } = self;
        fleet.end().await;
        // It waits until it has gone.
        Ok(spawn_blocking(move || drop(postgres)).await?)
    }
}

/// A Postgres, and whether its data stay.
async fn postgres(config: &config::Dev) -> Result<(Postgres, bool), Error> {
    let folder = match (&config.data, config.keep) {
        (Some(folder), _) => Some(folder.clone()),
        (None, true) => Some(std::env::temp_dir().join(format!("flotilla-shop-{}", std::process::id()))),
        (None, false) => None,
    };
    let is_kept = folder.is_some();
    let start = move || folder.map_or_else(Postgres::start, |folder| Postgres::start_in(&folder));
    Ok((spawn_blocking(start).await??, is_kept))
}

/// Starts all programs, each when what it needs is there.
async fn start(settings: &Settings<'_>, program: &Path, verbose: bool) -> Result<Fleet, Error> {
    let mut fleet = Fleet::default();
    let shown = if verbose { Shown::Everything } else { Shown::Warnings };
    let make = |name| Program::new(name, program, settings, shown);
    let migrations = Name::WITH_DATABASE.map(|name| make(name).run(&["migrate"]));
    for migrated in migrations {
        migrated?.succeeded().await?;
    }
    for name in Name::BEHIND_THE_GATEWAY {
        fleet.add(make(name).serve()?);
    }
    fleet.ready(settings).await?;
    // What is published before somebody wants it is nobody's.
    databases::subscribed(&settings.postgres.url("bus"), PATIENCE).await?;
    gateway::write(settings)?;
    fleet.add(make(Name::ApiGateway).serve()?);
    fleet.ready(settings).await?;
    Ok(fleet)
}
