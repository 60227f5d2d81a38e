//! The operator as a whole: its servers, its election and its controllers, from start to end.

use std::{io, net::SocketAddr, sync::Arc};

use futures::future;
use kube::Client;
use tokio::{net::TcpListener, signal::unix, sync::watch, task::JoinSet};

use crate::{
    admin,
    cluster::{capability::Capabilities, client, events::Events, writer::Writer},
    config::Config,
    gateway,
    leader::{Election, Identity, Leadership},
    metrics::Metrics,
    microservice::{
        controller::{self, Scope},
        dereference::Caches,
        reconcile::Context,
    },
};

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no way to the cluster.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// The admin server cannot listen.
    #[error("cannot listen on {address} (FLOTILLA_LISTEN)")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot wait for SIGTERM")]
    Signal(#[source] io::Error),
    /// Nobody knows any more who leads.
    #[error("the election died")]
    Election,
    /// A controller ended although nobody asked it to.
    #[error("a controller ended unexpectedly")]
    Controller,
    /// The admin server ended although nobody asked it to.
    #[error("the admin server ended unexpectedly")]
    Admin,
}

/// Runs the operator until SIGTERM or SIGINT.
pub async fn run(config: Config) -> Result<(), Error> {
    let metrics = Arc::new(Metrics::default());
    let client = client::connect(metrics.api.clone()).await?;
    let mut terminate = unix::signal(unix::SignalKind::terminate()).map_err(Error::Signal)?;
    let mut interrupt = unix::signal(unix::SignalKind::interrupt()).map_err(Error::Signal)?;
    let operator = Operator::start(&config, client, metrics).await?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => tracing::info!("SIGTERM: finishing what runs"),
            _ = interrupt.recv() => tracing::info!("SIGINT: finishing what runs"),
        }
    };
    operator.run_until(stop).await
}

/// A running operator.
#[derive(Debug)]
pub struct Operator {
    stop: watch::Sender<bool>,
    tasks: JoinSet<Error>,
    election: Option<Election>,
    address: SocketAddr,
}

impl Operator {
    /// Starts everything; nothing is written before leadership is won.
    pub async fn start(config: &Config, client: Client, metrics: Arc<Metrics>) -> Result<Self, Error> {
        let (stop, stopped) = watch::channel(false);
        let holder = identity(config);
        let election = config.leader_election.then(|| {
            let namespace = match config.lease_namespace.as_str() {
                "" => client.default_namespace().to_owned(),
                namespace => namespace.to_owned(),
            };
            let identity = Identity { namespace, lease: config.lease_name.clone(), holder: holder.clone() };
            Election::start(client.clone(), identity, metrics.leader.clone())
        });
        let leadership = election.as_ref().map_or_else(Leadership::alone, Election::leadership);
        let writer = Writer::new(client.clone(), leadership.clone(), metrics.writes.clone());
        metrics.reconcile.concurrency(config.concurrency);

        let mut tasks = JoinSet::new();
        let capabilities = Arc::new(Capabilities::default());
        if config.scopes() == [None] {
            let follow = Arc::clone(&capabilities).follow(client.clone());
            let stopped = stopped.clone();
            tasks.spawn(async move {
                tokio::select! {
                    () = follow => {}
                    () = wait(stopped) => {}
                }
                Error::Controller
            });
        } else {
            // Definitions belong to the cluster, and this operator has rights in its namespaces only.
            capabilities.discover(&client).await;
        }
        let mut all_caches = Vec::new();
        for namespace in config.scopes() {
            let mut caches =
                Caches::new(config.watch_references, namespace.is_none(), Arc::clone(&capabilities));
            caches.has_gateways = config.gateways().is_some();
            let caches = Arc::new(caches);
            let context = Context::new(
                client.clone(),
                Arc::clone(&caches),
                writer.clone(),
                metrics.reconcile.clone(),
                metrics.services.clone(),
                &holder,
            );
            all_caches.push(Arc::clone(&caches));
            let scope =
                Scope { namespace, caches, context: Arc::new(context), concurrency: config.concurrency };
            let (client, leadership, stopped) = (client.clone(), leadership.clone(), stopped.clone());
            tasks.spawn(async move {
                controller::run(scope, client, leadership, wait(stopped)).await;
                Error::Controller
            });
        }

        if let Some(settings) = config.gateways() {
            let capabilities = Arc::new(Capabilities::new(gateway::kind::Kind::OPTIONAL));
            let follow = Arc::clone(&capabilities).follow(client.clone());
            let context = gateway::controller::Context {
                capabilities,
                settings,
                writer: writer.clone(),
                events: Events::new(client.clone(), &holder),
                reconcile: metrics.gateway_reconcile.clone(),
                metrics: metrics.gateways.clone(),
            };
            let (client, leadership, stopped) = (client.clone(), leadership.clone(), stopped.clone());
            tasks.spawn(async move {
                let run = gateway::controller::run(client, context, leadership, wait(stopped.clone()));
                tokio::select! {
                    () = run => {}
                    () = follow => {}
                    () = wait(stopped) => {}
                }
                Error::Controller
            });
        }

        let listen = |source| Error::Listen { address: config.listen, source };
        let listener = TcpListener::bind(config.listen).await.map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let (shown, services) = (all_caches.clone(), metrics.services.clone());
        let refresh = move || {
            services.observe(shown.iter().flat_map(|caches| caches.microservices.all()));
        };
        let waiting =
            move || all_caches.iter().flat_map(|caches| caches.waiting()).map(str::to_owned).collect();
        let router = admin::router(metrics, Arc::new(waiting), Arc::new(refresh));
        tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, router).with_graceful_shutdown(wait(stopped)).await {
                tracing::error!(%error, "the admin server failed");
            }
            Error::Admin
        });
        tracing::info!(%address, version = env!("CARGO_PKG_VERSION"), "started");
        Ok(Self { stop, tasks, election, address })
    }

    /// Where `/metrics`, `/livez` and `/readyz` are.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits for `stop`, finishes what runs and gives the Lease back; or ends with an error when a part died.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let died = async {
            match &mut self.election {
                Some(election) => election.died().await,
                None => future::pending().await,
            }
        };
        let result = tokio::select! {
            () = stop => Ok(()),
            () = died => Err(Error::Election),
            Some(ended) = self.tasks.join_next() => Err(ended.unwrap_or(Error::Controller)),
        };
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        if let Some(election) = self.election.filter(|_| !matches!(result, Err(Error::Election))) {
            election.release().await;
        }
        tracing::info!("stopped");
        result
    }
}

async fn wait(mut stopped: watch::Receiver<bool>) {
    // A dropped sender ends the wait too: then the operator is gone.
    stopped.wait_for(|stopped| *stopped).await.ok();
}

/// The name of this replica: in a pod, the host name is the name of the pod.
fn identity(config: &Config) -> String {
    if !config.identity.is_empty() {
        return config.identity.clone();
    }
    match std::fs::read_to_string("/proc/sys/kernel/hostname") {
        Ok(name) if !name.trim().is_empty() => name.trim().to_owned(),
        _ => format!("flotilla-operator-{}", std::process::id()),
    }
}
