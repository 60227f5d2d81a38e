//! The gateway as a whole, from start to end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::{JoinError, JoinHandle, spawn_blocking},
    time::{sleep, timeout},
};

use crate::{
    access_log::AccessLog,
    admin,
    cluster::{self, Access},
    config::Config,
    control::Control,
    discovery::{Discovery, Known, Service},
    drain::Phase,
    metrics::Metrics,
    policy::fetch,
    source::{File, Secret, file},
    trace::{self, Exporter, Traces},
    upstream::check,
    worker::Common,
};

/// How long the last traces have to be sent.
const FAREWELL: Duration = Duration::from_secs(3);

/// Why the gateway ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] file::Error),
    /// Traces cannot be sent.
    #[error(transparent)]
    Traces(#[from] trace::Error),
    /// There is no cluster to read the configuration from.
    #[error("GATEWAY_CONFIG_SECRET")]
    Cluster(#[from] cluster::Error),
    /// The admin server cannot listen.
    #[error("cannot listen on {address} (GATEWAY_ADMIN)")]
    Admin {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// Signals cannot be received.
    #[error("cannot wait for SIGTERM")]
    Signal(#[source] io::Error),
    /// Something that runs for ever has ended.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
    /// Something died.
    #[error(transparent)]
    Died(#[from] JoinError),
}

#[derive(Debug)]
enum Source {
    File(File),
    Secret(Box<Secret>),
}

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    control: Arc<Control>,
    metrics: Arc<Metrics>,
    admin: TcpListener,
    source: Source,
    following: Option<(Arc<Discovery>, Access)>,
    exports: Option<JoinHandle<()>>,
    leaving: Duration,
    can_explain: bool,
}

impl Gateway {
    /// Starts. A file of its configuration has to be good; a Secret is waited for.
    pub async fn start(config: &Config) -> Result<Self, Error> {
        let metrics = Arc::new(Metrics::default());
        let access = match &config.config_secret {
            Some(_) => Some(Access::find().await?),
            None => Access::find().await.ok(),
        };
        let discovery = access.as_ref().map(|_| Arc::new(Discovery::new(config.zone())));
        let log = AccessLog::start(config.access_log, Arc::clone(&metrics)).map_err(Error::Thread)?;
        let (traces, exports) = match &config.otlp_endpoint {
            None => (None, None),
            Some(endpoint) => {
                let exporter = Exporter::new(endpoint, &config.otlp_service, Arc::clone(&metrics))?;
                let (traces, ended) = Traces::new(config.traces, Arc::clone(&metrics));
                (Some(Arc::new(traces)), Some(tokio::spawn(exporter.run(ended))))
            }
        };
        let control = Control::start(
            config.bind,
            config.workers(),
            Common { settings: config.settings(), metrics: Arc::clone(&metrics), log: Arc::new(log), traces },
            discovery.clone(),
        )
        .map_err(Error::Thread)?;
        let source = if let Some((name, access)) = config.config_secret.clone().zip(access.as_ref()) {
            let client = access.client(&metrics)?;
            if let Some(discovery) = &discovery {
                // Most configurations of a cluster name Services, and then wait for the list.
                discovery.need();
            }
            Source::Secret(Box::new(Secret::new(name, client)))
        } else {
            let mut file = File::new(config.config.clone());
            file.take(&control)?;
            Source::File(file)
        };
        let admin = TcpListener::bind(config.admin)
            .await
            .map_err(|source| Error::Admin { address: config.admin, source })?;
        Ok(Self {
            control: Arc::new(control),
            metrics,
            admin,
            source,
            following: discovery.zip(access),
            exports,
            leaving: Duration::from_secs(config.leaving_seconds.into()),
            can_explain: config.explain,
        })
    }

    /// Where the admin server listens.
    pub fn admin(&self) -> io::Result<SocketAddr> {
        self.admin.local_addr()
    }

    /// Serves until `stop`, then ends in two steps (see [`Phase`]).
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let router = admin::router(Arc::clone(&self.control), Arc::clone(&self.metrics), self.can_explain);
        let mut admin = tokio::spawn(async move { axum::serve(self.admin, router).await });
        let (control, metrics) = (Arc::clone(&self.control), Arc::clone(&self.metrics));
        let mut reload = tokio::spawn(async move {
            match self.source {
                Source::File(file) => drop(file.follow(control, metrics).await),
                Source::Secret(secret) => drop(secret.follow(control, metrics).await),
            }
        });
        let checks = tokio::spawn(check::follow(self.control.hear(), Arc::clone(&self.metrics)));
        let keys = tokio::spawn(fetch::follow(self.control.hear(), Arc::clone(&self.metrics)));
        let mut discovery = tokio::spawn(follow(self.following, Arc::clone(&self.control), self.metrics));
        tokio::select! {
            () = stop => {}
            _ended = &mut admin => return Err(Error::Ended("the admin server")),
            _ended = &mut reload => return Err(Error::Ended("the look at the configuration")),
            _ended = &mut discovery => return Err(Error::Ended("the look at the cluster")),
        }
        reload.abort();
        self.control.enter(Phase::Leaving);
        sleep(self.leaving).await;
        self.control.enter(Phase::Ending);
        let control = Arc::clone(&self.control);
        spawn_blocking(move || control.join()).await?;
        // What still ran had to know where backends are, and how they are.
        discovery.abort();
        checks.abort();
        keys.abort();
        if let Some(exports) = self.exports {
            // Nobody is left who records: what is there is the last.
            timeout(FAREWELL, exports).await.ok().transpose()?;
        }
        admin.abort();
        Ok(())
    }
}

/// Has upstreams be where their Services are, for ever.
async fn follow(following: Option<(Arc<Discovery>, Access)>, control: Arc<Control>, metrics: Arc<Metrics>) {
    let Some((discovery, access)) = following else { return std::future::pending().await };
    let place = |known: &Known, service: Option<&Service>| match service {
        Some(service) => control.snapshot().place(service, known),
        None => control.snapshot().place_all(known, None),
    };
    discovery.follow(&access, &metrics, place).await;
}

/// Runs the gateway until SIGTERM or SIGINT.
pub async fn run(config: Config) -> Result<(), Error> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Error::Signal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Error::Signal)?;
    let gateway = Gateway::start(&config).await?;
    let snapshot = gateway.control.snapshot();
    let ports: Vec<u16> = snapshot.ports.keys().copied().collect();
    let datagrams: Vec<u16> = snapshot.datagrams.keys().copied().collect();
    drop(snapshot);
    tracing::info!(?ports, ?datagrams, admin = %config.admin, workers = config.workers(), "it runs");
    gateway
        .run_until(async {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: finishing what runs"),
                _ = interrupt.recv() => tracing::info!("SIGINT: finishing what runs"),
            }
        })
        .await
}
