//! Connections in HTTP/2: many requests at a time, on as many connections as they need.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{
    connect::{Stream, keep},
    limits::Slot,
};
use crate::{
    body::RequestBody,
    gather::{Executor, gather},
};

/// Requests on one connection before another is opened. Servers allow at least as many (RFC 9113 section 6.5.2).
const MOST_STREAMS: usize = 100;

/// How long a connection without requests is kept.
const REST: Duration = Duration::from_secs(60);

/// When the peer is asked whether it is still there, and how long it may take to answer.
const KEEP_ALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// Bytes that may be under way on a stream and on a connection.
const WINDOWS: (u32, u32) = (1 << 20, 4 << 20);

pub(super) type Sender = SendRequest<RequestBody>;

/// A connection that is in use or rests.
#[derive(Clone)]
pub(super) struct Shared {
    pub(super) sender: Sender,
    streams: Rc<Cell<usize>>,
    used: Rc<Cell<Instant>>,
    slot: Option<Rc<Slot>>,
}

/// A request on a connection.
#[derive(Debug)]
pub(super) struct Counted {
    streams: Rc<Cell<usize>>,
    used: Rc<Cell<Instant>>,
    _slot: Option<Rc<Slot>>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.streams.set(self.streams.get() - 1);
        self.used.set(Instant::now());
    }
}

impl Shared {
    pub(super) fn begin(&self) -> Counted {
        self.streams.set(self.streams.get() + 1);
        Counted { streams: Rc::clone(&self.streams), used: Rc::clone(&self.used), _slot: self.slot.clone() }
    }
}

/// All connections to one endpoint.
#[derive(Default)]
pub(super) struct Connections(Vec<Shared>);

impl Connections {
    /// The first with room, so that those that are not needed come to rest.
    pub(super) fn take(&mut self) -> Option<Shared> {
        self.0.retain(|shared| !shared.sender.is_closed());
        self.0.iter().find(|shared| shared.streams.get() < MOST_STREAMS).cloned()
    }

    /// The one with the fewest requests, also when it has more than it should.
    pub(super) fn take_any(&self) -> Option<Shared> {
        self.0.iter().min_by_key(|shared| shared.streams.get()).cloned()
    }

    pub(super) fn put(&mut self, sender: Sender, slot: Option<Slot>) -> Shared {
        let used = Rc::new(Cell::new(Instant::now()));
        let shared = Shared { sender, streams: Rc::default(), used, slot: slot.map(Rc::new) };
        self.0.push(shared.clone());
        shared
    }

    /// No request goes to it any more, as its peer has said so.
    pub(super) fn remove(&mut self, gone: &Shared) {
        self.0.retain(|shared| !Rc::ptr_eq(&shared.streams, &gone.streams));
    }

    /// Lets go of what has rested too long; returns whether nothing is left.
    pub(super) fn sweep(&mut self, now: Instant) -> bool {
        self.0.retain(|shared| {
            let rests = shared.streams.get() == 0 && now.duration_since(shared.used.get()) >= REST;
            !rests && !shared.sender.is_closed()
        });
        self.0.is_empty()
    }
}

pub(super) async fn open(stream: Stream) -> Result<Sender, hyper::Error> {
    match stream {
        Stream::Plain(io) => run(io.into_inner()).await,
        Stream::Tls(io) => run(io.into_inner()).await,
    }
}

async fn run<T>(stream: T) -> Result<Sender, hyper::Error>
where
    T: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let (stream, gatherer) = gather(stream);
    let (sender, connection) = Builder::new(Executor::new(gatherer))
        .timer(TokioTimer::new())
        .initial_stream_window_size(WINDOWS.0)
        .initial_connection_window_size(WINDOWS.1)
        .keep_alive_interval(KEEP_ALIVE.0)
        .keep_alive_timeout(KEEP_ALIVE.1)
        .handshake(TokioIo::new(stream))
        .await?;
    keep(connection);
    Ok(sender)
}
