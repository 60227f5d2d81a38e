//! A connection that is not looked into: bytes go both ways, between a client and an endpoint of a backend.

mod buffers;
mod copy;
mod open;
mod record;
mod table;

pub use self::{
    buffers::Buffers,
    record::{Record, StreamLine},
    table::{Stream, Streams},
};

use std::{io, net::SocketAddr, rc::Rc, sync::Arc, time::Duration};

use flotilla_gateway_config::ListenerProtocol;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{client, server};

use self::copy::copy;
use crate::{metrics::StreamFailure, upstream::Raw, worker::Worker};

/// How long streams may say nothing, and how many there are.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// For the next byte of a connection, in either direction.
    pub idle: Duration,
    /// For the next datagram between a client and its endpoint.
    pub datagram_idle: Duration,
    /// Clients of datagrams that one worker knows at most.
    pub sessions: usize,
}

/// A connection that can be cut off, so that the other side does not take it for one that has ended.
pub trait Cut: AsyncRead + AsyncWrite + Unpin {
    /// Has it end with a reset.
    fn cut(&self);
}

impl Cut for TcpStream {
    fn cut(&self) {
        if let Err(error) = self.set_zero_linger() {
            tracing::debug!(%error, "a connection cannot be cut off");
        }
    }
}

impl<T: Cut> Cut for server::TlsStream<T> {
    fn cut(&self) {
        self.get_ref().0.cut();
    }
}

impl<T: Cut> Cut for client::TlsStream<T> {
    fn cut(&self) {
        self.get_ref().0.cut();
    }
}

/// A client of a stream.
#[derive(Debug)]
pub struct Client {
    /// What it speaks.
    pub protocol: ListenerProtocol,
    /// The port that it knows.
    pub port: u16,
    /// The listener that took it.
    pub listener: Arc<str>,
    /// Its address.
    pub peer: SocketAddr,
    /// Where it connected to.
    pub destination: SocketAddr,
    /// The server name of TLS.
    pub server_name: Option<String>,
}

/// Why a stream ended before its time.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("it has no backend that may be used")]
    NoBackend,
    #[error("the backend has no endpoints")]
    NoEndpoint,
    #[error("no endpoint can be reached")]
    Unreachable,
    #[error("there is no socket to be had: {0}")]
    NoSocket(#[source] io::Error),
    #[error("its client broke off: {0}")]
    Client(#[source] io::Error),
    #[error("its backend broke off: {0}")]
    Backend(#[source] io::Error),
    #[error("nothing was said on it for too long")]
    Idle,
}

impl Failure {
    fn reason(&self) -> StreamFailure {
        match self {
            Self::NoBackend => StreamFailure::NoBackend,
            Self::NoEndpoint => StreamFailure::NoEndpoint,
            Self::Unreachable => StreamFailure::Unreachable,
            Self::NoSocket(_) => StreamFailure::NoSocket,
            Self::Client(_) => StreamFailure::Client,
            Self::Backend(_) => StreamFailure::Backend,
            Self::Idle => StreamFailure::Idle,
        }
    }
}

/// Whether an error says that this machine has no more of something, and nothing of an endpoint.
pub(crate) fn is_ours(error: &io::Error) -> bool {
    use nix::libc::{EADDRNOTAVAIL, EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM};
    let ours = [EADDRNOTAVAIL, EAGAIN, EMFILE, ENFILE, ENOBUFS, ENOMEM];
    error.raw_os_error().is_some_and(|code| ours.contains(&code))
}

/// Serves a connection to its end. Whatever ends it before its time is told to both sides by a reset.
pub async fn serve<S: Cut>(worker: Rc<Worker>, stream: Arc<Stream>, client: Client, mut io: S) {
    let record = Record::new(&stream, client, &worker.log);
    let served = run(&worker, &stream, &record, &mut io).await;
    match served {
        Ok(()) => record.ended(None),
        Err(failure) => {
            io.cut();
            tracing::debug!(stream = %stream.name, %failure, "a stream ended before its time");
            record.ended(Some(failure.reason()));
        }
    }
}

async fn run<S: Cut>(
    worker: &Worker,
    stream: &Stream,
    record: &Record,
    client: &mut S,
) -> Result<(), Failure> {
    let (backend, _in_flight) = open::open(worker, stream, record).await?;
    let idle = worker.settings.streams.idle;
    match backend {
        Raw::Plain(backend) => between(client, backend, worker, idle, record).await,
        Raw::Tls(backend) => between(client, *backend, worker, idle, record).await,
    }
}

async fn between<S: Cut, B: Cut>(
    client: &mut S,
    mut backend: B,
    worker: &Worker,
    idle: Duration,
    record: &Record,
) -> Result<(), Failure> {
    let copied = copy(client, &mut backend, &worker.buffers, idle, record).await;
    if copied.is_err() {
        backend.cut();
    }
    copied
}
