//! A client's connection: what is spoken on it, and how long it may take with what.

mod activity;
mod hello;
mod lines;
mod linger;
mod preface;
mod prefixed;
mod seldom;
mod tls;
mod watched;

pub use self::activity::{Activity, Patience};

use std::{cell::OnceCell, future::poll_fn, net::SocketAddr, pin::pin, rc::Rc, sync::Arc};

use flotilla_gateway_config::ListenerProtocol;
use hyper::{
    rt::{Read, Write},
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};

use self::{preface::Spoken, seldom::Seldom, tls::Accepted, watched::Watched};
use crate::{
    drain::Phase,
    gather::gather,
    local::LocalExecutor,
    proxy,
    proxy_protocol::{self, Addresses},
    snapshot::Takes,
    stream,
    worker::Worker,
};

/// Streams of HTTP/2 that a client may have open at a time.
const MOST_STREAMS: u32 = 100;

/// Streams that a client may have reset before it is taken for an attack (CVE-2023-44487, CVE-2025-8671).
const MOST_RESETS: usize = 20;

/// Bytes that a client may send on a stream, and on a connection, before they are read.
const WINDOWS: (u32, u32) = (256 * 1024, 1024 * 1024);

/// Bytes of an answer that wait for a client of HTTP/2, for each stream.
const SEND_BUFFER: usize = 256 * 1024;

/// Why a connection is closed that no stream takes.
pub(crate) const NO_STREAM: &str = "no-stream";

/// Where a connection came in, and from whom.
#[derive(Debug)]
pub struct Connection {
    /// The port of the listener.
    pub port: u16,
    /// The other end.
    pub peer: SocketAddr,
    /// Whether it is in TLS.
    pub is_secure: bool,
    /// The listener that the server name of TLS belongs to: requests for another are misdirected (RFC 9110 section 15.5.20).
    pub listener: Option<Arc<str>>,
    /// What happens on it.
    pub activity: Arc<Activity>,
    /// What backends are told of it, written once and for its first request.
    pub told: OnceCell<proxy::Told>,
}

impl Connection {
    /// At a port. In TLS it is for one listener.
    fn new(port: u16, peer: SocketAddr, listener: Option<Arc<str>>) -> Rc<Self> {
        let is_secure = listener.is_some();
        Rc::new(Self { port, peer, is_secure, listener, activity: Arc::default(), told: OnceCell::new() })
    }
}

/// Serves a connection to its end.
pub async fn serve(worker: Rc<Worker>, port: u16, mut stream: TcpStream, peer: SocketAddr) {
    let (Ok(()), Ok(local)) = (stream.set_nodelay(true), stream.local_addr()) else {
        tracing::debug!(%peer, "a client has gone");
        return;
    };
    let snapshot = worker.snapshot();
    let Some(listening) = snapshot.ports.get(&port) else { return };
    // Clients know the port of the listener, whatever its socket has.
    let destination = SocketAddr::new(local.ip(), port);
    let mut ends = Addresses { source: peer, destination };
    if listening.has_proxy_header {
        match proxied(&worker, &mut stream, peer).await {
            Ok(named) => ends = named.unwrap_or(ends),
            Err(reason) => return worker.metrics.refused(reason),
        }
    }
    match &listening.takes {
        Takes::Requests => {
            drop(snapshot);
            let Some(spoken) = preface::detect(&stream, worker.settings.patience).await else { return };
            let connection = Connection::new(port, ends.source, None);
            run(&worker, connection, stream, spoken).await;
        }
        Takes::Streams(bare) => {
            let Some(stream_of) = bare.streams.find(None).map(Arc::clone) else {
                return worker.metrics.refused(NO_STREAM);
            };
            let listener = Arc::clone(&bare.listener);
            drop(snapshot);
            let client = client(ListenerProtocol::Tcp, port, listener, ends, None);
            stream::serve(worker, stream_of, client, stream).await;
        }
        Takes::Secure(secure) => {
            let accepted = match tls::accept(secure, stream, worker.settings.patience.head).await {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::debug!(%peer, %error, "no TLS with a client");
                    return worker.metrics.refused(error.reason());
                }
            };
            drop(snapshot);
            serve_secure(worker, port, ends, accepted).await;
        }
    }
}

async fn serve_secure(worker: Rc<Worker>, port: u16, ends: Addresses, accepted: Accepted) {
    match accepted {
        Accepted::Requests { stream, listener, spoken } => {
            let connection = Connection::new(port, ends.source, Some(listener));
            run(&worker, connection, stream, spoken).await;
        }
        Accepted::Ended { io, listener, name, stream } => {
            let client = client(ListenerProtocol::Tls, port, listener, ends, name);
            stream::serve(worker, stream, client, io).await;
        }
        Accepted::Passed { io, listener, name, stream } => {
            let client = client(ListenerProtocol::Tls, port, listener, ends, name);
            stream::serve(worker, stream, client, io).await;
        }
    }
}

/// Who a trusted proxy says that the client is; `None` when it speaks for itself. Otherwise why it is not heard.
async fn proxied(
    worker: &Worker,
    stream: &mut TcpStream,
    peer: SocketAddr,
) -> Result<Option<Addresses>, &'static str> {
    if !worker.settings.trusts(peer) {
        tracing::debug!(%peer, "no proxy that is trusted");
        return Err("untrusted-proxy");
    }
    proxy_protocol::accept(stream, worker.settings.patience.head).await.map_err(|error| {
        tracing::debug!(%peer, %error, "a proxy does not say whose connection it is");
        "proxy-header"
    })
}

fn client(
    protocol: ListenerProtocol,
    port: u16,
    listener: Arc<str>,
    ends: Addresses,
    server_name: Option<String>,
) -> stream::Client {
    let Addresses { source: peer, destination } = ends;
    stream::Client { protocol, port, listener, peer, destination, server_name }
}

async fn run<T>(worker: &Rc<Worker>, connection: Rc<Connection>, stream: T, spoken: Spoken)
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let stream = Watched::new(stream, Arc::clone(&connection.activity), spoken);
    match spoken {
        Spoken::Http1 => run_http1(worker, connection, TokioIo::new(stream)).await,
        Spoken::Http2 => run_http2(worker, connection, stream).await,
    }
}

async fn run_http1<T>(worker: &Rc<Worker>, connection: Rc<Connection>, io: T)
where
    T: Read + Write + Unpin + Send + 'static,
{
    let limits = worker.settings.limits;
    let activity = Arc::clone(&connection.activity);
    let service = service_fn(|request| proxy::answer(Rc::clone(worker), Rc::clone(&connection), request));
    let mut served = pin!(
        http1::Builder::new()
            .max_headers(limits.headers)
            .max_buf_size(limits.header_bytes + limits.uri)
            .half_close(false)
            .serve_connection(io, service)
            .with_upgrades()
    );
    let (expired, drain) =
        (pin!(activity.expired(worker.settings.patience)), pin!(worker.drain.at_least(Phase::Ending)));
    let (mut expired, mut drain) = (Seldom::new(expired), Seldom::new(drain));
    let mut is_draining = false;
    loop {
        tokio::select! {
            biased;
            result = served.as_mut() => return ended(&connection, Some(result)),
            () = &mut expired => return worker.metrics.refused("slow-client"),
            () = &mut drain, if !is_draining => {
                is_draining = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

async fn run_http2<T>(worker: &Rc<Worker>, connection: Rc<Connection>, stream: T)
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (stream, gatherer) = gather(stream);
    let settings = &worker.settings;
    let activity = Arc::clone(&connection.activity);
    // hyper moves each on its way to a task of its own.
    let service =
        service_fn(|request| Box::pin(proxy::answer(Rc::clone(worker), Rc::clone(&connection), request)));
    let header_bytes = u32::try_from(settings.limits.header_bytes).unwrap_or(u32::MAX);
    let mut served = pin!(
        http2::Builder::new(LocalExecutor)
            .timer(TokioTimer::new())
            .max_concurrent_streams(MOST_STREAMS)
            // RFC 8441: a WebSocket is one of them.
            .enable_connect_protocol()
            .max_pending_accept_reset_streams(MOST_RESETS)
            .max_local_error_reset_streams(MOST_RESETS)
            .initial_stream_window_size(WINDOWS.0)
            .initial_connection_window_size(WINDOWS.1)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(header_bytes)
            .keep_alive_interval(settings.patience.idle)
            .keep_alive_timeout(settings.patience.head)
            .serve_connection(TokioIo::new(stream), service)
    );
    let expired = pin!(activity.expired(settings.patience));
    // GOAWAY says which requests are still taken, so nothing is lost when it is sent early.
    let drain = pin!(worker.drain.at_least(Phase::Leaving));
    let (mut expired, mut drain) = (Seldom::new(expired), Seldom::new(drain));
    let mut is_draining = false;
    loop {
        tokio::select! {
            biased;
            result = poll_fn(|context| gatherer.poll(served.as_mut(), context)) => {
                return ended(&connection, result);
            }
            () = &mut expired => {
                served.as_mut().graceful_shutdown();
                // Nothing runs; a client that has not even begun does not hear the goodbye.
                let rest = poll_fn(|context| gatherer.poll(served.as_mut(), context));
                match timeout(settings.patience.head, rest).await {
                    Ok(result) => return ended(&connection, result),
                    Err(_) => return worker.metrics.refused("slow-client"),
                }
            }
            () = &mut drain, if !is_draining => {
                is_draining = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

fn ended(connection: &Connection, result: Option<Result<(), hyper::Error>>) {
    if let Some(Err(error)) = result {
        tracing::debug!(peer = %connection.peer, %error, "a connection of a client ended");
    }
}
