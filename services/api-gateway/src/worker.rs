//! One thread that serves connections from beginning to end. Workers share nothing that a request has to wait for.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    thread,
    time::Duration,
};

use ipnet::IpNet;
use tokio::{
    net::TcpListener,
    runtime::{Builder, LocalOptions},
    sync::{Semaphore, mpsc, oneshot, watch},
    task::{JoinError, JoinSet, spawn_local},
    time::{sleep, timeout},
};

use crate::{
    access_log::AccessLog,
    connection::{self, Patience},
    datagram::{self, Sessions, Socket},
    drain::{Drain, Phase},
    edge::Limits,
    listen::{Listening, Place, Transport},
    metrics::Metrics,
    snapshot::Snapshot,
    stream::{self, Buffers},
    trace::Traces,
    upstream::Pools,
};

/// How long accepting waits after it failed, as when there are no more files.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// What holds for every request.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How large heads may be.
    pub limits: Limits,
    /// Bytes that the body of a request may have.
    pub body_bytes: u64,
    /// How long clients are waited for.
    pub patience: Patience,
    /// Connections of clients that one worker has at most.
    pub connections: usize,
    /// Proxies whose `X-Forwarded-*` and PROXY headers are believed.
    pub trusted: Arc<[IpNet]>,
    /// How long what runs has to end, once no connection is taken any more.
    pub ending: Duration,
    /// What holds for streams.
    pub streams: stream::Limits,
}

impl Settings {
    /// Whether an address is that of a proxy which is believed.
    pub fn trusts(&self, peer: SocketAddr) -> bool {
        let peer = peer.ip().to_canonical();
        self.trusted.iter().any(|network| network.contains(&peer))
    }
}

/// What a worker is told to do.
#[derive(Debug)]
pub enum Order {
    /// Take connections, or datagrams.
    Listen {
        /// Here.
        place: Place,
        /// On this socket.
        socket: Listening,
    },
    /// Take no more of them there.
    Close(Place),
}

/// What all workers have, of which each has its own handle.
#[derive(Clone, Debug)]
pub struct Common {
    /// What holds for every request.
    pub settings: Settings,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// The access log.
    pub log: Arc<AccessLog>,
    /// What is recorded, when something is.
    pub traces: Option<Arc<Traces>>,
}

/// What a worker is told by others.
#[derive(Clone, Debug)]
pub struct Shared {
    /// What all have.
    pub common: Common,
    /// How near the end is.
    pub drain: Drain,
    /// What to go by.
    pub snapshots: watch::Receiver<Arc<Snapshot>>,
}

/// A worker.
#[derive(Debug)]
pub struct Worker {
    /// What holds for every request.
    pub settings: Settings,
    /// What is measured.
    pub metrics: Arc<Metrics>,
    /// The access log.
    pub log: Arc<AccessLog>,
    /// What is recorded, when something is.
    pub traces: Option<Arc<Traces>>,
    /// How near the end is.
    pub drain: Drain,
    /// Connections to backends.
    pub pools: Rc<Pools>,
    /// Memory for what streams carry.
    pub buffers: Buffers,
    /// Clients of datagrams.
    pub sessions: Sessions,
    is_leaving: Cell<bool>,
    #[expect(clippy::redundant_allocation, reason = "a request counts it without asking the other cores")]
    snapshot: RefCell<Rc<Arc<Snapshot>>>,
    room: Arc<Semaphore>,
}

impl Worker {
    /// What to go by now.
    pub fn snapshot(&self) -> Rc<Arc<Snapshot>> {
        Rc::clone(&self.snapshot.borrow())
    }

    /// Whether clients should make other connections.
    pub fn is_leaving(&self) -> bool {
        self.is_leaving.get()
    }
}

/// Starts a worker, which ends when everything that it serves has ended after [`Phase::Ending`].
pub fn start(
    name: String,
    shared: Shared,
    orders: mpsc::UnboundedReceiver<Order>,
) -> io::Result<thread::JoinHandle<io::Result<()>>> {
    thread::Builder::new().name(name).spawn(move || {
        let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
        runtime.block_on(run(shared, orders));
        Ok(())
    })
}

async fn run(shared: Shared, mut orders: mpsc::UnboundedReceiver<Order>) {
    let Shared { common: Common { settings, metrics, log, traces }, drain, mut snapshots } = shared;
    let snapshot = Rc::new(Arc::clone(&snapshots.borrow_and_update()));
    let connections = settings.connections;
    let worker = Rc::new(Worker {
        room: Arc::new(Semaphore::new(connections)),
        snapshot: RefCell::new(snapshot),
        pools: Rc::default(),
        buffers: Buffers::default(),
        sessions: Sessions::new(settings.streams.sessions),
        is_leaving: Cell::new(false),
        settings,
        metrics,
        log,
        traces,
        drain,
    });
    spawn_local(Rc::clone(&worker.pools).sweep());
    let mut listening: HashMap<Place, oneshot::Sender<()>> = HashMap::new();
    let mut datagrams = JoinSet::new();
    let (leaving, ending) = (worker.drain.at_least(Phase::Leaving), worker.drain.at_least(Phase::Ending));
    tokio::pin!(leaving, ending);
    loop {
        tokio::select! {
            changed = snapshots.changed() => {
                if changed.is_err() {
                    break;
                }
                let snapshot = Rc::new(Arc::clone(&snapshots.borrow_and_update()));
                worker.snapshot.replace(snapshot);
            }
            Some(order) = orders.recv() => match order {
                Order::Listen { place, socket } => match listen(&worker, place, socket, &mut datagrams) {
                    Ok(stop) => drop(listening.insert(place, stop)),
                    Err(error) => tracing::error!(port = place.port, %error, "a socket cannot be used"),
                },
                Order::Close(place) => drop(listening.remove(&place)),
            },
            Some(ended) = datagrams.join_next() => said(ended),
            () = leaving.as_mut(), if !worker.is_leaving.get() => worker.is_leaving.set(true),
            () = ending.as_mut() => break,
        }
    }
    // Clients of datagrams are told nothing, and served until they say no more.
    listening.retain(|place, _| place.transport == Transport::Udp);
    let all = u32::try_from(connections).unwrap_or(u32::MAX);
    let ended = async {
        while let Some(ended) = datagrams.join_next().await {
            said(ended);
        }
        worker.room.acquire_many(all).await
    };
    // What does not end in time is cut off with the process.
    if timeout(worker.settings.ending, ended).await.is_err() {
        let left = connections - worker.room.available_permits();
        let sessions = worker.sessions.count();
        tracing::warn!(connections = left, sessions, "cut off what did not end in time");
    }
}

/// A port of datagrams has ended, which it does not do by itself.
fn said(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "datagrams are taken no more at a port");
    }
}

/// Takes what comes on a socket, until what is returned goes.
fn listen(
    worker: &Rc<Worker>,
    place: Place,
    socket: Listening,
    datagrams: &mut JoinSet<()>,
) -> io::Result<oneshot::Sender<()>> {
    let (stop, stopped) = oneshot::channel();
    let worker = Rc::clone(worker);
    match socket {
        Listening::Tcp(socket) => {
            let socket = TcpListener::from_std(socket)?;
            spawn_local(accept(worker, place.port, socket, stopped));
        }
        Listening::Udp(socket) => {
            let socket = Socket::new(socket)?;
            datagrams.spawn_local(datagram::serve(worker, place.port, socket, stopped));
        }
    }
    Ok(stop)
}

/// Takes connections until it is told to stop.
async fn accept(worker: Rc<Worker>, port: u16, socket: TcpListener, mut stopped: oneshot::Receiver<()>) {
    let open = worker.metrics.connections(port);
    loop {
        // Without room, clients wait in the kernel's queue.
        let Ok(place) = Arc::clone(&worker.room).acquire_owned().await else { return };
        let accepted = tokio::select! {
            biased;
            accepted = socket.accept() => accepted,
            // What is in the queue has been accepted before.
            _gone = &mut stopped => return,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (worker, open) = (Rc::clone(&worker), open.clone());
                spawn_local(async move {
                    open.inc();
                    connection::serve(worker, port, stream, peer).await;
                    open.dec();
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(port, %error, "cannot take a connection");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}
