//! A client's connection: what is spoken on it, and how long it may take with what.

mod activity;
mod lines;
mod preface;
mod seldom;
mod tls;
mod watched;

pub use self::activity::{Activity, Patience};

use std::{cell::OnceCell, future::poll_fn, net::SocketAddr, pin::pin, rc::Rc, sync::Arc};

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

use self::{preface::Spoken, seldom::Seldom, watched::Watched};
use crate::{drain::Phase, gather::gather, local::LocalExecutor, proxy, worker::Worker};

/// Streams of HTTP/2 that a client may have open at a time.
const MOST_STREAMS: u32 = 100;

/// Streams that a client may have reset before it is taken for an attack (CVE-2023-44487, CVE-2025-8671).
const MOST_RESETS: usize = 20;

/// Bytes that a client may send on a stream, and on a connection, before they are read.
const WINDOWS: (u32, u32) = (256 * 1024, 1024 * 1024);

/// Bytes of an answer that wait for a client of HTTP/2, for each stream.
const SEND_BUFFER: usize = 256 * 1024;

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

/// Serves a connection to its end.
pub async fn serve(worker: Rc<Worker>, port: u16, stream: TcpStream, peer: SocketAddr) {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a client has gone");
        return;
    }
    let snapshot = worker.snapshot();
    let Some(listening) = snapshot.ports.get(&port) else { return };
    let activity = Arc::new(Activity::default());
    let connection = |listener, is_secure| {
        let activity = Arc::clone(&activity);
        Rc::new(Connection { port, peer, is_secure, listener, activity, told: OnceCell::new() })
    };
    if let Some(tls) = &listening.tls {
        match tls::accept(tls, stream, worker.settings.patience.head).await {
            Ok(accepted) => {
                let connection = connection(Some(accepted.listener), true);
                drop(snapshot);
                run(&worker, connection, accepted.stream, accepted.spoken).await;
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "no TLS with a client");
                worker.metrics.refused("tls");
            }
        }
    } else {
        drop(snapshot);
        let Some(spoken) = preface::detect(&stream, worker.settings.patience).await else { return };
        run(&worker, connection(None, false), stream, spoken).await;
    }
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
