//! The gateway as a whole, from start to end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    task::{JoinError, spawn_blocking},
    time::sleep,
};

use crate::{
    access_log::AccessLog,
    admin,
    config::Config,
    control::Control,
    drain::Phase,
    metrics::Metrics,
    reload::{self, File},
};

/// Why the gateway ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] reload::Error),
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

/// A running gateway.
#[derive(Debug)]
pub struct Gateway {
    control: Arc<Control>,
    metrics: Arc<Metrics>,
    admin: TcpListener,
    file: File,
    leaving: Duration,
    can_explain: bool,
}

impl Gateway {
    /// Starts with the file of its configuration, which has to be good.
    pub async fn start(config: &Config) -> Result<Self, Error> {
        let metrics = Arc::new(Metrics::default());
        let log = AccessLog::start(config.access_log, Arc::clone(&metrics)).map_err(Error::Thread)?;
        let control =
            Control::start(config.bind, config.workers(), &config.settings(), &metrics, &Arc::new(log))
                .map_err(Error::Thread)?;
        let mut file = File::new(config.config.clone());
        file.take(&control)?;
        let admin = TcpListener::bind(config.admin)
            .await
            .map_err(|source| Error::Admin { address: config.admin, source })?;
        Ok(Self {
            control: Arc::new(control),
            metrics,
            admin,
            file,
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
        let mut reload = tokio::spawn(self.file.follow(Arc::clone(&self.control), self.metrics));
        tokio::select! {
            () = stop => {}
            _ended = &mut admin => return Err(Error::Ended("the admin server")),
            _ended = &mut reload => return Err(Error::Ended("the look at the configuration")),
        }
        reload.abort();
        self.control.enter(Phase::Leaving);
        sleep(self.leaving).await;
        self.control.enter(Phase::Ending);
        let control = Arc::clone(&self.control);
        spawn_blocking(move || control.join()).await?;
        admin.abort();
        Ok(())
    }
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
    tracing::info!(?ports, ?datagrams, admin = %config.admin, workers = config.workers(), "ready");
    gateway
        .run_until(async {
            tokio::select! {
                _ = terminate.recv() => tracing::info!("SIGTERM: finishing what runs"),
                _ = interrupt.recv() => tracing::info!("SIGINT: finishing what runs"),
            }
        })
        .await
}
