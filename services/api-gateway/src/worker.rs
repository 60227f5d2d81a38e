//! One thread that serves connections from beginning to end. Workers share nothing that a request has to wait for.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    io,
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
    task::spawn_local,
    time::{sleep, timeout},
};

use crate::{
    access_log::AccessLog,
    connection::{self, Patience},
    drain::{Drain, Phase},
    edge::Limits,
    metrics::Metrics,
    snapshot::Snapshot,
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
    /// Proxies whose `X-Forwarded-*` headers are believed.
    pub trusted: Arc<[IpNet]>,
    /// How long what runs has to end, once no connection is taken any more.
    pub ending: Duration,
}

/// What a worker is told to do.
#[derive(Debug)]
pub enum Order {
    /// Take connections.
    Listen {
        /// At this port.
        port: u16,
        /// On this socket.
        socket: std::net::TcpListener,
    },
    /// Take no more connections at a port.
    Close(u16),
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
        is_leaving: Cell::new(false),
        settings,
        metrics,
        log,
        traces,
        drain,
    });
    spawn_local(Rc::clone(&worker.pools).sweep());
    let mut listening: HashMap<u16, oneshot::Sender<()>> = HashMap::new();
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
                Order::Listen { port, socket } => match TcpListener::from_std(socket) {
                    Ok(socket) => {
                        let (stop, stopped) = oneshot::channel();
                        listening.insert(port, stop);
                        spawn_local(accept(Rc::clone(&worker), port, socket, stopped));
                    }
                    Err(error) => tracing::error!(port, %error, "a socket cannot be used"),
                },
                Order::Close(port) => drop(listening.remove(&port)),
            },
            () = leaving.as_mut(), if !worker.is_leaving.get() => worker.is_leaving.set(true),
            () = ending.as_mut() => break,
        }
    }
    listening.clear();
    let all = u32::try_from(connections).unwrap_or(u32::MAX);
    // What does not end in time is cut off with the process.
    if timeout(worker.settings.ending, worker.room.acquire_many(all)).await.is_err() {
        let left = connections - worker.room.available_permits();
        tracing::warn!(connections = left, "cut off what did not end in time");
    }
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
