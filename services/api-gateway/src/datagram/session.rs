//! A client of datagrams with its endpoint, and all of them of one worker.

use std::{
    cell::{OnceCell, RefCell},
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, SockRef, Type};
use tokio::{
    net::{UdpSocket, lookup_host},
    task::AbortHandle,
    time::timeout,
};

use super::{BURST, Socket, recent::Recent, socket::Local};
use crate::{
    metrics::{Metrics, StreamFailure},
    snapshot::Snapshot,
    stream::Record,
    upstream::{Endpoint, InFlight},
    worker::Worker,
};

/// Datagrams that wait while the name of an endpoint is looked up. More are lost.
const WAITING: usize = 16;

/// How long looking up a name may take.
const LOOK_UP: Duration = Duration::from_secs(5);

/// Whose datagrams they are: those of one client to one address of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) port: u16,
    pub(super) client: SocketAddr,
    pub(super) local: Local,
}

/// The way to an endpoint.
#[derive(Debug)]
pub(super) struct Towards {
    endpoint: Arc<Endpoint>,
    /// Connected, so that what others send is not taken for its answers. Not there while its name is looked up.
    socket: OnceCell<UdpSocket>,
    waiting: RefCell<Vec<Box<[u8]>>>,
    record: Rc<Record>,
    _in_flight: InFlight,
}

/// A client with its endpoint.
#[derive(Debug)]
pub(super) struct Session {
    backend: Arc<str>,
    towards: Rc<Towards>,
    answers: AbortHandle,
}

/// The clients of one worker.
#[derive(Debug)]
pub struct Sessions(RefCell<Recent<Key, Rc<Session>>>);

impl Towards {
    /// Sends a first datagram, or has it wait until the endpoint's name has been looked up.
    pub(super) fn new(endpoint: &Arc<Endpoint>, first: &[u8], record: &Rc<Record>) -> io::Result<Self> {
        let towards = Self {
            endpoint: Arc::clone(endpoint),
            socket: OnceCell::new(),
            waiting: RefCell::default(),
            record: Rc::clone(record),
            _in_flight: endpoint.begin(),
        };
        if let Some(address) = endpoint.address {
            let socket = connected(address)?;
            towards.socket.get_or_init(|| socket);
        }
        towards.send(first)?;
        Ok(towards)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<()> {
        let Some(socket) = self.socket.get() else {
            let mut waiting = self.waiting.borrow_mut();
            if waiting.len() < WAITING {
                waiting.push(bytes.into());
            }
            return Ok(());
        };
        // Not by way of the runtime, which has not yet heard that a new socket can be written to.
        match SockRef::from(socket).send(bytes) {
            Ok(sent) => {
                self.record.received(sent);
                Ok(())
            }
            // No room for it, or no way: it is lost, as datagrams are.
            Err(error) if is_of_one(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The socket, once there is one.
    async fn open(&self) -> io::Result<&UdpSocket> {
        if self.socket.get().is_none() {
            let written = &self.endpoint.written;
            let found = timeout(LOOK_UP, lookup_host((written.host.as_str(), written.port))).await??.next();
            let address = found.ok_or(io::ErrorKind::NotFound)?;
            let socket = connected(address)?;
            self.socket.get_or_init(|| socket);
            for bytes in self.waiting.take() {
                self.send(&bytes)?;
            }
        }
        self.socket.get().ok_or_else(|| io::ErrorKind::NotConnected.into())
    }
}

/// Whether an error says something of one datagram, not of its endpoint.
fn is_of_one(error: &io::Error) -> bool {
    const TOO_LONG: i32 = nix::libc::EMSGSIZE;
    const NO_ROOM: i32 = nix::libc::ENOBUFS;
    error.kind() == io::ErrorKind::WouldBlock || matches!(error.raw_os_error(), Some(TOO_LONG | NO_ROOM))
}

fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    socket.connect(&address.into())?;
    UdpSocket::from_std(socket.into())
}

impl Session {
    pub(super) fn new(backend: &Arc<str>, towards: Rc<Towards>, answers: AbortHandle) -> Self {
        Self { backend: Arc::clone(backend), towards, answers }
    }

    pub(super) fn send(&self, bytes: &[u8]) -> io::Result<()> {
        self.towards.send(bytes)
    }

    /// The id of its endpoint.
    pub(super) fn endpoint(&self) -> u64 {
        self.towards.endpoint.id
    }

    fn ended(&self, failure: Option<StreamFailure>) {
        self.towards.record.ended(failure);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.answers.abort();
    }
}

/// Sends answers back to a client, until its session ends.
pub(super) async fn answers(worker: Rc<Worker>, socket: Rc<Socket>, key: Key, towards: Rc<Towards>) {
    if let Err(error) = carry(&worker, &socket, key, &towards).await {
        worker.sessions.fail(&key, &error, &worker.metrics);
    }
}

async fn carry(worker: &Worker, socket: &Socket, key: Key, towards: &Towards) -> io::Result<()> {
    let endpoint = towards.open().await?;
    loop {
        endpoint.readable().await?;
        let mut buffer = worker.buffers.take();
        for _ in 0..BURST {
            let length = match endpoint.try_recv(&mut buffer) {
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            };
            towards.endpoint.health.succeeded();
            worker.sessions.take_up(&key, Instant::now());
            match socket.send(buffer.get(..length).unwrap_or_default(), key.client, key.local).await {
                Ok(()) => towards.record.sent(length),
                // That a client cannot be reached says nothing of the endpoint.
                Err(error) => tracing::debug!(client = %key.client, %error, "a datagram is lost"),
            }
        }
        worker.buffers.put(buffer);
    }
}

impl Sessions {
    /// At most so many.
    pub fn new(most: usize) -> Self {
        Self(RefCell::new(Recent::new(most)))
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// The session of a client, to which something has been said now.
    pub(super) fn take_up(&self, key: &Key, now: Instant) -> Option<Rc<Session>> {
        self.0.borrow_mut().take_up(key, now).cloned()
    }

    pub(super) fn put(&self, key: Key, session: Session, now: Instant) {
        let evicted = self.0.borrow_mut().put(key, Rc::new(session), now);
        if let Some(evicted) = evicted {
            evicted.ended(Some(StreamFailure::Evicted));
        }
    }

    /// Ends a session whose endpoint has failed.
    pub(super) fn fail(&self, key: &Key, error: &io::Error, metrics: &Metrics) {
        let failed = self.0.borrow_mut().remove(key);
        let Some(session) = failed else { return };
        tracing::debug!(backend = %session.backend, %error, "an endpoint takes no datagrams");
        session.towards.endpoint.health.failed(Instant::now());
        metrics.backend_failed(&session.backend, "unreachable");
        session.ended(Some(StreamFailure::Unreachable));
    }

    /// Ends sessions that have said nothing for as long as `idle`, and those whose endpoint is no longer one: the next
    /// datagram of their client goes to another.
    pub(super) fn sweep(&self, snapshot: &Snapshot, now: Instant, idle: Duration) {
        while let Some(session) = self.remove_idle(now, idle) {
            session.ended(None);
        }
        let has_endpoint = |_: &Key, session: &Rc<Session>| {
            snapshot.upstreams.get(&session.backend).is_some_and(|upstream| {
                upstream.endpoints().iter().any(|endpoint| endpoint.id == session.endpoint())
            })
        };
        let gone = self.0.borrow_mut().retain(has_endpoint);
        for session in gone {
            session.ended(None);
        }
    }

    fn remove_idle(&self, now: Instant, idle: Duration) -> Option<Rc<Session>> {
        self.0.borrow_mut().remove_idle(now, idle)
    }

    /// Whether nobody is known at a port.
    pub(super) fn has_none_at(&self, port: u16) -> bool {
        !self.0.borrow().any(|key| key.port == port)
    }

    /// Ends all sessions of a port.
    pub(super) fn close(&self, port: u16) {
        drop(self.0.borrow_mut().retain(|key, _| key.port != port));
    }
}
