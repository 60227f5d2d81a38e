//! A shop to be broken: each of its services a process of this program, two of order-service, and between them links that can be
//! cut. Each part can be ended and started again; nothing here decides when.
//!
//! - `instance`: the processes that there are
//! - `link`: the ways between them
//! - `clock`: the clocks of processes
//! - `environment`: what each is told, so that it takes these ways

mod clock;
mod environment;
mod instance;
pub mod link;

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::ExitStatus,
};

use flotilla_shop::{
    config,
    dev::{
        self, databases,
        folder::Folder,
        gateway,
        journal::Shown,
        ports::{self, Ports},
        process::{Program, Running},
        secrets::Secrets,
        seed,
        settings::Settings,
    },
    name::Name,
};
use flotilla_testbed::{Postgres, RabbitMq};
use rustix::process::Signal;
use tokio::{
    task::{JoinError, block_in_place, spawn_blocking},
    time::{Duration, Instant, sleep},
};

pub use self::{clock::Clocks, instance::Instance};
use self::{
    environment::GRACE,
    link::{Link, Links},
};
use crate::{
    drive::Doors,
    read::{Mails, Places},
};

/// How often ports are chosen anew.
const ATTEMPTS: u32 = 5;

/// How long a process may take until it serves.
const PATIENCE: Duration = Duration::from_secs(120);

/// Why there is no shop.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of it cannot be had.
    #[error(transparent)]
    Shop(#[from] dev::Error),
    /// There is no server.
    #[error(transparent)]
    Server(#[from] flotilla_testbed::Error),
    /// There are no ways between its parts.
    #[error("there are no links")]
    Links(#[source] io::Error),
    /// The gateway's file cannot be changed.
    #[error("the gateway's file cannot be changed")]
    Gateway(#[source] io::Error),
    /// Clocks cannot be moved.
    #[error("the clocks of processes cannot be moved; it needs Debian's package libfaketime")]
    Clock(#[source] io::Error),
    /// A process is not there that should be.
    #[error("{0} does not run")]
    Gone(Instance),
    /// Something died.
    #[error(transparent)]
    Died(#[from] JoinError),
}

/// What carries its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusKind {
    /// The Postgres that it has anyway.
    Postgres,
    /// A broker of its own.
    RabbitMq,
}

/// What a shop has that not all have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// What carries its events.
    pub bus: BusKind,
    /// Whether the clocks of its processes can be moved.
    pub has_clocks: bool,
}

impl Kind {
    /// One that needs nothing besides Postgres.
    pub const PLAIN: Self = Self { bus: BusKind::Postgres, has_clocks: false };
}

/// A shop to be broken. Dropped, it is gone.
#[derive(Debug)]
pub struct Shop {
    // Dropped in this order: what needs a server goes before it.
    processes: BTreeMap<Instance, Running>,
    /// The ways between its parts.
    pub links: Links,
    ports: Ports,
    second: ports::Service,
    program: PathBuf,
    other: PathBuf,
    secrets: Secrets,
    folder: Folder,
    clocks: Option<Clocks>,
    broker: Option<RabbitMq>,
    postgres: Postgres,
}

impl Shop {
    /// Starts one of processes of this program; the second order-service of another one, which may be another version.
    pub async fn start(program: &Path, other: &Path, kind: Kind) -> Result<Self, Error> {
        let Kind { bus, has_clocks } = kind;
        let servers = spawn_blocking(move || {
            let broker = (bus == BusKind::RabbitMq).then(RabbitMq::start).transpose()?;
            Ok::<_, flotilla_testbed::Error>((Postgres::start()?, broker))
        });
        let (postgres, broker) = servers.await??;
        let folder = Folder::new(postgres.folder())?;
        let secrets = Secrets::of(&folder)?;
        let clocks = has_clocks.then(|| Clocks::new(folder.path())).transpose().map_err(Error::Clock)?;
        databases::prepare(&postgres.url("postgres"), &secrets).await?;
        let ports = Ports::choose(&free())?;
        let mut shop = Self {
            processes: BTreeMap::new(),
            links: Links::default(),
            ports,
            second: ports.order,
            program: program.to_owned(),
            other: other.to_owned(),
            secrets,
            folder,
            clocks,
            broker,
            postgres,
        };
        for attempt in 1.. {
            match shop.start_all().await {
                Err(Error::Shop(dev::Error::Taken { .. } | dev::Error::Lost { .. }))
                    if attempt < ATTEMPTS =>
                {
                    shop.processes.clear();
                }
                other => {
                    other?;
                    break;
                }
            }
        }
        seed::fill(&shop.settings(Instance::GATEWAY), &shop.program).await?;
        Ok(shop)
    }

    async fn start_all(&mut self) -> Result<(), Error> {
        self.ports = Ports::choose(&free())?;
        self.second = loop {
            let others = Ports::choose(&free())?.order;
            let is_free =
                |port: &u16| Instance::ALL.iter().all(|one| !self.ports.of(one.name).contains(port));
            if [others.http, others.grpc, others.admin].iter().all(is_free) {
                break others;
            }
        };
        self.links = self.make_links().await.map_err(Error::Links)?;
        let migrations: Vec<_> = Name::WITH_DATABASE
            .into_iter()
            .map(|name| self.program(Instance::first(name), None).run(&["migrate"]))
            .collect();
        for migrated in migrations {
            migrated?.succeeded().await?;
        }
        for instance in Instance::ALL.into_iter().filter(|one| *one != Instance::GATEWAY) {
            self.spawn(instance, None)?;
        }
        for instance in Instance::ALL.into_iter().filter(|one| *one != Instance::GATEWAY) {
            self.ready(instance).await?;
        }
        if self.broker.is_none() {
            databases::subscribed(&self.postgres.url("bus"), PATIENCE).await?;
        } else {
            // Consumers of a broker are known to nobody else; they subscribe as soon as they serve.
            sleep(Duration::from_secs(3)).await;
        }
        gateway::write(&self.settings(Instance::GATEWAY))?;
        self.both_behind_the_gateway().map_err(Error::Gateway)?;
        self.spawn(Instance::GATEWAY, None)?;
        self.ready(Instance::GATEWAY).await
    }

    /// Has the gateway send requests to both processes of order-service.
    fn both_behind_the_gateway(&self) -> io::Result<()> {
        let path = self.folder.gateway();
        let endpoint = |port: u16| format!("{{host: 127.0.0.1, port: {port}}}");
        let (first, second) = (endpoint(self.ports.order.http), endpoint(self.second.http));
        let file = fs::read_to_string(&path)?.replace(&first, &format!("{first}, {second}"));
        fs::write(&path, file)
    }

    fn settings(&self, instance: Instance) -> Settings<'_> {
        let mut ports = self.ports;
        if instance.is_second() {
            ports.order = self.second;
        }
        Settings { ports, secrets: &self.secrets, folder: &self.folder, postgres: &self.postgres }
    }

    fn program(&self, instance: Instance, failpoint: Option<&str>) -> Program {
        let settings = self.settings(instance);
        let program = if instance.is_second() { &self.other } else { &self.program };
        let environment = self.environment(instance, failpoint);
        Program::new(instance.name, program, &settings, Shown::Nothing).with(environment)
    }

    fn spawn(&mut self, instance: Instance, failpoint: Option<&str>) -> Result<(), Error> {
        let running = self.program(instance, failpoint).serve()?;
        self.processes.insert(instance, running);
        Ok(())
    }

    async fn ready(&mut self, instance: Instance) -> Result<(), Error> {
        let settings = {
            let mut ports = self.ports;
            if instance.is_second() {
                ports.order = self.second;
            }
            Settings { ports, secrets: &self.secrets, folder: &self.folder, postgres: &self.postgres }
        };
        let running = self.processes.get_mut(&instance).ok_or(Error::Gone(instance))?;
        Ok(running.ready(&settings).await?)
    }

    /// Starts a process that is not there, and waits until it serves. Its ports may be somebody's for a moment.
    pub async fn revive(&mut self, instance: Instance) -> Result<(), Error> {
        self.begin(instance, None)?;
        let until = Instant::now() + PATIENCE;
        loop {
            match self.ready(instance).await {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() > until => return Err(error),
                Err(_) => {
                    sleep(Duration::from_millis(200)).await;
                    if !self.is_running(instance)? {
                        self.spawn(instance, None)?;
                    }
                }
            }
        }
    }

    /// Starts a process that is not there; it ends at a point of its own, when there is one.
    pub fn begin(&mut self, instance: Instance, failpoint: Option<&str>) -> Result<(), Error> {
        if !self.is_running(instance)? {
            self.spawn(instance, failpoint)?;
        }
        Ok(())
    }

    /// Whether a process runs.
    pub fn is_running(&mut self, instance: Instance) -> Result<bool, Error> {
        match self.processes.get_mut(&instance) {
            Some(running) => Ok(running.status()?.is_none()),
            None => Ok(false),
        }
    }

    /// Sends a signal to a process.
    pub fn signal(&self, instance: Instance, signal: Signal) {
        if let Some(running) = self.processes.get(&instance) {
            running.signal(signal);
        }
    }

    /// Sends a process what ends it, and waits until it has.
    pub async fn end(&mut self, instance: Instance, signal: Signal) -> Result<Option<ExitStatus>, Error> {
        let Some(mut running) = self.processes.remove(&instance) else { return Ok(None) };
        running.signal(signal);
        Ok(Some(running.gone().await?))
    }

    /// Ends Postgres at once, and starts it with what it had.
    pub async fn restart_postgres(&mut self, pause: Duration) -> Result<(), Error> {
        block_in_place(|| self.postgres.stop())?;
        sleep(pause).await;
        Ok(block_in_place(|| self.postgres.start_again())?)
    }

    /// Kills the broker, and starts it: with what it had, or with nothing.
    pub async fn restart_broker(&mut self, pause: Duration, is_wiped: bool) -> Result<(), Error> {
        let Some(broker) = &mut self.broker else { return Ok(()) };
        if is_wiped {
            broker.wipe()?
        } else {
            broker.kill()?
        }
        sleep(pause).await;
        Ok(broker.start_again()?)
    }

    /// Has the clock of a process be off by so many seconds.
    pub fn set_clock(&self, instance: Instance, seconds: i64) -> Result<(), Error> {
        let set = self.clocks.as_ref().map_or(Ok(()), |clocks| clocks.set(instance, seconds));
        set.map_err(Error::Clock)
    }

    /// Has all services publish again what they have published.
    pub async fn replay_outboxes(&self) -> Result<(), Error> {
        for name in Name::WITH_DATABASE {
            let arguments = ["outbox", "replay", "--since", "2020-01-01T00:00:00Z"];
            self.program(Instance::first(name), None).run(&arguments)?.succeeded().await?;
        }
        Ok(())
    }

    /// Whatever was done to it is undone: everything runs, and nothing is in the way.
    pub async fn heal(&mut self) -> Result<(), Error> {
        self.links.open_all();
        block_in_place(|| self.postgres.start_again())?;
        if let Some(broker) = &mut self.broker {
            block_in_place(|| broker.start_again())?;
        }
        for instance in Instance::ALL {
            self.set_clock(instance, 0)?;
            self.signal(instance, Signal::CONT);
        }
        for instance in Instance::ALL {
            self.revive(instance).await?;
        }
        Ok(())
    }

    /// Where what came of everything is read, with nothing in the way.
    pub fn places(&self) -> Places {
        let databases = ["orders", "products", "users", "notifications", "bus"];
        Places {
            databases: databases.map(|name| (name, self.postgres.url(name))).into(),
            bus: self.broker.as_ref().map_or_else(|| self.postgres.url("bus"), RabbitMq::url),
            mails: Mails::Journal(self.mails()),
        }
    }

    /// Where customers come in, and where others are told what to do.
    pub fn doors(&self) -> Doors {
        Doors {
            front: local(self.ports.gateway),
            provider: local(self.ports.paysim),
            inbox: local(self.ports.inbox),
            grace: Duration::from_secs(GRACE),
        }
    }

    /// Runs SQL in a database, as its superuser: how a shop is made that has lost one of its guards.
    pub fn run_sql(&self, database: &str, sql: &str) -> Result<(), Error> {
        Ok(self.postgres.run(database, sql)?)
    }

    /// The file that has all mail that came.
    pub fn mails(&self) -> PathBuf {
        self.folder.path().join("deliveries.jsonl")
    }

    /// Where processes write what they have to say.
    pub fn logs(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    async fn make_links(&self) -> io::Result<Links> {
        let mut upstreams = BTreeMap::new();
        for link in Link::ALL {
            upstreams.extend(self.upstream(link).map(|address| (link, address)));
        }
        Links::start(upstreams).await
    }
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// No port is anybody's wish.
fn free() -> config::Dev {
    config::Dev { port: 0, inbox_port: 0, paysim_port: 0, data: None, keep: false, verbose: false }
}
