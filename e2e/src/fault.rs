//! Faults between a client and the API server: one chosen request or watch event goes wrong.

mod layer;
mod proxy;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

pub use layer::Faulty;
pub use proxy::Proxy;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the write leaves it.
    CrashBeforeWrite,
    /// The process dies when the write has happened and before it knows.
    CrashAfterWrite,
    /// The process dies after the write, and the next one is shown lists from before it, and then the events since then,
    /// late: what a lagging replica of the API server does.
    StaleLists,
    /// The API server answers a write with this status and does nothing.
    Status(u16),
    /// The write happens, and the API server answers 504: it has not waited for the end.
    Timeout,
    /// The connection ends before the write is sent.
    ConnectionLost,
    /// The write happens, and the answer never comes.
    AnswerLost,
    /// The connection of a watch ends just before this event.
    WatchCut,
    /// The history that a watch needs is gone just before this event.
    WatchExpired,
    /// The event is never sent. The events after it are, until the watch has to begin anew.
    EventDropped,
}

impl Fault {
    /// Every fault of a write.
    pub const OF_WRITES: [Self; 10] = [
        Self::CrashBeforeWrite,
        Self::CrashAfterWrite,
        Self::StaleLists,
        Self::Status(409),
        Self::Status(429),
        Self::Status(500),
        Self::Status(503),
        Self::Timeout,
        Self::ConnectionLost,
        Self::AnswerLost,
    ];
    /// Every fault of a watch.
    pub const OF_WATCHES: [Self; 3] = [Self::WatchCut, Self::WatchExpired, Self::EventDropped];

    fn is_of_watches(self) -> bool {
        Self::OF_WATCHES.contains(&self)
    }
}

/// Counts what a client does, and lets one fault happen at one of its writes or watch events.
#[derive(Clone, Debug, Default)]
pub struct Faults(Arc<State>);

#[derive(Debug, Default)]
struct State {
    planned: Option<(Fault, usize)>,
    writes: AtomicUsize,
    events: AtomicUsize,
    crash: Notify,
    happened: Mutex<Option<String>>,
    past: Mutex<Past>,
}

/// How many writes back the lists of [`Fault::StaleLists`] are.
const STALE_BY: usize = 4;

/// How long they are stale.
const STALE_FOR: Duration = Duration::from_secs(5);

/// The resource versions that a client has been told, by which it can be shown the past.
#[derive(Debug, Default)]
struct Past {
    /// Of the first list, and then of each write.
    versions: Vec<String>,
    /// What lists are as of, and since when.
    shown: Option<(String, Instant)>,
}

impl Faults {
    /// This fault, at the write or event with this number, from 0.
    pub fn plan(fault: Fault, at: usize) -> Self {
        Self(Arc::new(State { planned: Some((fault, at)), ..State::default() }))
    }

    /// How many writes there have been.
    pub fn writes(&self) -> usize {
        self.0.writes.load(Ordering::SeqCst)
    }

    /// How many watch events there have been.
    pub fn events(&self) -> usize {
        self.0.events.load(Ordering::SeqCst)
    }

    /// Where the fault happened; `None` when it has not.
    pub fn happened(&self) -> Option<String> {
        held(&self.0.happened).clone()
    }

    /// Waits until the process shall die.
    pub async fn crashed(&self) {
        self.0.crash.notified().await;
    }

    fn at_write(&self, place: &str) -> Option<Fault> {
        let index = self.0.writes.fetch_add(1, Ordering::SeqCst);
        self.hit(index, false, place)
    }

    fn at_event(&self, place: &str) -> Option<Fault> {
        let index = self.0.events.fetch_add(1, Ordering::SeqCst);
        self.hit(index, true, place)
    }

    fn hit(&self, index: usize, of_watches: bool, place: &str) -> Option<Fault> {
        let (fault, at) = self.0.planned?;
        if fault.is_of_watches() != of_watches || at != index {
            return None;
        }
        *held(&self.0.happened) = Some(place.to_owned());
        Some(fault)
    }

    /// Remembers a resource version that the client has been told.
    fn told(&self, version: &str) {
        held(&self.0.past).versions.push(version.to_owned());
    }

    /// From now on, lists are old.
    fn turn_back(&self) {
        let mut past = held(&self.0.past);
        let back = past.versions.len().saturating_sub(STALE_BY + 1);
        past.shown = past.versions.get(back).map(|version| (version.clone(), Instant::now()));
    }

    /// The resource version that lists shall have; `None` when they are true.
    fn shown(&self) -> Option<String> {
        let past = held(&self.0.past);
        let (version, since) = past.shown.as_ref()?;
        (since.elapsed() < STALE_FOR).then(|| version.clone())
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
