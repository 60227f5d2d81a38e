//! How much a backend has at a time, and how much it may have (circuit breaking). Counted for all workers together.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use flotilla_gateway_config as config;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// Requests that may wait for a connection when nothing is said.
const PENDING: u32 = 1_024;

/// A backend has as much as it may have.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the backend has as many requests as it may have")]
pub struct Overloaded;

/// What is counted, and how much of it there may be.
#[derive(Debug)]
pub(super) struct Count {
    now: AtomicU32,
    most: u32,
}

impl Count {
    fn new(most: u32) -> Self {
        Self { now: AtomicU32::new(0), most }
    }

    /// One more, of so many more than there may be otherwise.
    fn enter(self: &Arc<Self>, more: u32) -> Result<Counted, Overloaded> {
        let counted = Counted(Arc::clone(self));
        let before = self.now.fetch_add(1, Ordering::Relaxed);
        if before < self.most.saturating_add(more) { Ok(counted) } else { Err(Overloaded) }
    }
}

/// Something that is counted until it goes.
#[derive(Debug)]
pub struct Counted(Arc<Count>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.now.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a backend has, and may have.
#[derive(Clone, Debug, Default)]
pub(super) struct Limits {
    requests: Option<Arc<Count>>,
    pub(super) connections: Option<Arc<Connections>>,
}

impl Limits {
    pub(super) fn new(written: &config::Limits) -> Self {
        let connections = |most: u32| {
            let slots = usize::try_from(most).unwrap_or(Semaphore::MAX_PERMITS).min(Semaphore::MAX_PERMITS);
            Arc::new(Connections {
                slots: Arc::new(Semaphore::new(slots)),
                waiting: Arc::new(Count::new(written.pending_requests.unwrap_or(PENDING))),
                unused: AtomicU32::new(most),
                workers: Mutex::default(),
            })
        };
        Self {
            requests: written.requests.map(|most| Arc::new(Count::new(most))),
            connections: written.connections.map(connections),
        }
    }

    /// Counts a request, if requests are counted.
    pub(super) fn admit(&self) -> Result<Option<Counted>, Overloaded> {
        self.requests.as_ref().map(|requests| requests.enter(0)).transpose()
    }
}

/// Tells a worker that one of its connections is wanted elsewhere.
pub(super) type Asks = mpsc::UnboundedSender<Arc<Connections>>;

/// Connections, and requests that wait for one.
#[derive(Debug)]
pub(super) struct Connections {
    slots: Arc<Semaphore>,
    waiting: Arc<Count>,
    /// Connections that nobody uses: those that rest, and those that may still be opened, also when their places have been
    /// given to requests that have not heard of it. Who waits gets them, so as many more may wait.
    unused: AtomicU32,
    /// The workers that may have such.
    workers: Mutex<Vec<Asks>>,
}

impl Connections {
    /// The place of another connection. `None` when there are as many as there may be.
    pub(super) fn take(self: &Arc<Self>) -> Option<Slot> {
        let permit = Arc::clone(&self.slots).try_acquire_owned().ok()?;
        Some(Slot::new(self, permit))
    }

    /// Waits for the place of another connection, in the order in which others wait.
    pub(super) async fn next(self: &Arc<Self>) -> Result<Slot, Overloaded> {
        // Nobody closes it.
        let permit = Arc::clone(&self.slots).acquire_owned().await.map_err(|_| Overloaded)?;
        Ok(Slot::new(self, permit))
    }

    /// Counts a request that waits.
    pub(super) fn wait(&self) -> Result<Counted, Overloaded> {
        self.waiting.enter(self.unused.load(Ordering::Relaxed))
    }

    /// Whether a request waits.
    pub(super) fn is_awaited(&self) -> bool {
        self.waiting.now.load(Ordering::Relaxed) > 0
    }

    /// From now on a worker may have connections.
    pub(super) fn know(&self, worker: &Asks) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        if !workers.iter().any(|known| known.same_channel(worker)) {
            workers.push(worker.clone());
        }
    }

    /// Asks all workers for a connection that rests.
    pub(super) fn ask(self: &Arc<Self>) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.retain(|worker| worker.send(Arc::clone(self)).is_ok());
    }
}

/// The place of a connection.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) of: Arc<Connections>,
    _permit: OwnedSemaphorePermit,
}

impl Slot {
    fn new(of: &Arc<Connections>, permit: OwnedSemaphorePermit) -> Self {
        of.unused.fetch_sub(1, Ordering::Relaxed);
        Self { of: Arc::clone(of), _permit: permit }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        // Before somebody else has its place.
        self.of.unused.fetch_add(1, Ordering::Relaxed);
    }
}

/// The place of a connection that nobody uses.
#[derive(Debug)]
pub(super) struct Resting {
    slot: Slot,
    _counted: Unused,
}

#[derive(Debug)]
struct Unused(Arc<Connections>);

impl Drop for Unused {
    fn drop(&mut self) {
        self.0.unused.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Resting {
    pub(super) fn new(slot: Slot) -> Self {
        slot.of.unused.fetch_add(1, Ordering::Relaxed);
        Self { _counted: Unused(Arc::clone(&slot.of)), slot }
    }

    pub(super) fn is_of(&self, connections: &Arc<Connections>) -> bool {
        Arc::ptr_eq(&self.slot.of, connections)
    }

    /// Somebody uses it again.
    pub(super) fn end(self) -> Slot {
        self.slot
    }
}

#[cfg(test)]
mod tests {
    use std::task::{Context, Waker};

    use super::*;

    #[test]
    fn what_goes_makes_room() {
        let written = config::Limits { requests: Some(2), connections: Some(1), pending_requests: Some(1) };
        let limits = Limits::new(&written);
        let (first, _second) = (limits.admit().unwrap().unwrap(), limits.admit().unwrap());
        assert!(limits.admit().is_err() && limits.admit().is_err());
        drop(first);
        assert!(limits.admit().is_ok());
        let connections = limits.connections.unwrap();
        let slot = connections.take().unwrap();
        assert!(connections.take().is_none());
        let waiting = connections.wait().unwrap();
        assert!(connections.wait().is_err() && connections.is_awaited());
        // Who waits will have the one that rests.
        let resting = Resting::new(slot);
        let next = connections.wait().unwrap();
        assert!(connections.wait().is_err() && resting.is_of(&connections));
        drop((resting.end(), waiting, next));
        assert!(connections.take().is_some() && !connections.is_awaited());
    }

    /// The next to come finds neither a place nor one that waits in vain.
    #[test]
    fn who_has_a_place_and_has_not_heard_of_it_waits_no_longer() {
        let written = config::Limits { requests: None, connections: Some(1), pending_requests: Some(1) };
        let connections = Limits::new(&written).connections.unwrap();
        let resting = Resting::new(connections.take().unwrap());
        let waiting = connections.wait().unwrap();
        let mut next = Box::pin(connections.next());
        assert!(next.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        drop(resting);
        assert!(connections.take().is_none(), "its place is given");
        let other = connections.wait().unwrap();
        assert!(connections.wait().is_err());
        drop((next, waiting, other));
        assert!(connections.take().is_some());
    }

    #[test]
    fn what_is_not_limited_is_not_counted() {
        let limits = Limits::new(&config::Limits::default());
        assert!(limits.admit().unwrap().is_none() && limits.connections.is_none());
    }
}
