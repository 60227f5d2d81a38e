//! The servers of a service, from start to a quiet end.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use futures::future::BoxFuture;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto, graceful::GracefulShutdown},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::Semaphore,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    admin, config,
    drain::{Announcement, Drain, Phase},
    health::Health,
    metrics::Metrics,
};

/// Time for the head of a request, and until the next one on a connection: longer than those who keep connections keep them.
const HEAD: Duration = Duration::from_secs(100);

/// Connections that a server has at most.
const CONNECTIONS: usize = 4_096;

/// How long to wait when no connection can be taken, for want of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a service ended, or never began.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A server cannot listen.
    #[error("cannot listen on {address} ({variable})")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What says so.
        variable: &'static str,
        /// Why.
        source: io::Error,
    },
    /// Something that runs for ever has ended.
    #[error("{0} ended unexpectedly")]
    Ended(&'static str),
}

/// Something that runs beside the servers until the end: a relay, a consumer. It hears of the end by the [`Drain`].
pub type Background = (&'static str, BoxFuture<'static, ()>);

/// What a service is made of.
pub struct Service {
    /// The REST API.
    pub http: Router,
    /// The gRPC API, when there is one.
    pub grpc: Option<Router>,
    /// Its health.
    pub health: Arc<Health>,
    /// Its metrics.
    pub metrics: Arc<Metrics>,
    /// Whom it tells of its end.
    pub announcement: Announcement,
    /// What runs beside.
    pub background: Vec<Background>,
}

impl Service {
    /// Serves until `stop`, then ends in two steps (see [`Phase`]).
    pub async fn run(self, listen: &config::Listen, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let drain = self.announcement.hear();
        let http = bind(listen.http, "SHOP_HTTP").await?;
        let admin = bind(listen.admin, "SHOP_ADMIN").await?;
        let grpc = match self.grpc {
            Some(router) => Some((bind(listen.grpc, "SHOP_GRPC").await?, router)),
            None => None,
        };
        let admin_router = admin::router(Arc::clone(&self.health), self.metrics);
        // Its end is after that of all others: somebody may ask until then.
        let end = Announcement::default();
        let admin = tokio::spawn(serve(admin, admin_router, end.hear()));
        let mut running = JoinSet::new();
        let (at_http, drain_http) = (self.http, drain.clone());
        running.spawn(async move {
            serve(http, at_http, drain_http).await;
            "the HTTP server"
        });
        if let Some((listener, router)) = grpc {
            let drain = drain.clone();
            running.spawn(async move {
                serve(listener, router, drain).await;
                "the gRPC server"
            });
        }
        for (name, future) in self.background {
            running.spawn(async move {
                future.await;
                name
            });
        }
        self.health.started();
        tracing::info!(http = %listen.http, admin = %listen.admin, "it runs");
        tokio::select! {
            () = stop => {}
            ended = running.join_next() => {
                let name = ended.and_then(Result::ok).unwrap_or("something");
                return Err(Error::Ended(name));
            }
        }
        self.announcement.enter(Phase::Leaving);
        sleep(Duration::from_secs(listen.leaving_seconds.into())).await;
        self.announcement.enter(Phase::Ending);
        let ending = Duration::from_secs(listen.ending_seconds.into());
        let all = async { while running.join_next().await.is_some() {} };
        if timeout(ending, all).await.is_err() {
            tracing::warn!("not everything ended in time");
        }
        end.enter(Phase::Ending);
        // A scrape that hangs holds up nobody.
        let _ended = timeout(PAUSE, admin).await.is_ok();
        Ok(())
    }
}

async fn bind(address: SocketAddr, variable: &'static str) -> Result<TcpListener, Error> {
    TcpListener::bind(address).await.map_err(|source| Error::Listen { address, variable, source })
}

/// Serves HTTP/1.1 and HTTP/2 until the drain is at its end, and then until what runs has ended.
pub async fn serve(listener: TcpListener, router: Router, drain: Drain) {
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(256);
    let builder = Arc::new(builder);
    let mut ending = std::pin::pin!(drain.at_least(Phase::Ending));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = tokio::select! {
            () = &mut ending => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _peer)) => stream,
                Err(error) => {
                    tracing::debug!(%error, "a connection could not be taken");
                    sleep(PAUSE).await;
                    continue;
                }
            },
        };
        // Answers are written whole: waiting for more to send only costs time.
        let _set = stream.set_nodelay(true).is_ok();
        let service = TowerToHyperService::new(router.clone());
        let builder = Arc::clone(&builder);
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            let connection = builder.serve_connection(TokioIo::new(stream), service);
            if let Err(error) = watcher.watch(connection).await {
                tracing::debug!(error, "a connection broke");
            }
            drop(place);
        });
    }
    drop(listener);
    graceful.shutdown().await;
}
