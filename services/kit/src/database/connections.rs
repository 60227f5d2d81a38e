//! The connections of a service, which are handed on from one use to the next.
//!
//! A pool of sqlx asks each connection that comes back whether it is there, which takes as long as most of what is asked in
//! between. One that has just answered everything that it was asked is: here it waits for the next use as it is. With any other
//! the pool of sqlx deals.

use std::{
    collections::VecDeque,
    future::pending,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use sqlx::{Connection as _, PgConnection, PgPool, Postgres, pool::PoolConnection};
use sqlx_core::transaction::TransactionManager;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot},
    time::{Instant, timeout_at},
};

/// How long somebody waits for a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection is handed on.
const STAY: Duration = Duration::from_secs(60);

/// Connections that are left to those who know a pool of sqlx only: the relay of events, which uses one at a time.
const OTHERS: u32 = 1;

/// The connections of a service.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    /// For whoever uses one.
    places: Arc<Semaphore>,
    /// For each that is here, in use, or being opened.
    slots: Arc<Semaphore>,
    count: usize,
    stay: Duration,
    /// The only connection is kept from nobody.
    keeps: bool,
    /// Those that wait for a use. The last is the next.
    kept: Mutex<VecDeque<Kept>>,
    /// There is one more that waits.
    added: Notify,
}

impl Pool {
    /// The connections of a pool of sqlx.
    pub fn new(pool: PgPool) -> Self {
        Self::handed_on_for(STAY, pool)
    }

    /// The connections of a pool of sqlx, each of which is handed on for some time. Then it goes back there, to be replaced when it
    /// is old and closed when nobody needs it.
    pub fn handed_on_for(stay: Duration, pool: PgPool) -> Self {
        let all = pool.options().get_max_connections();
        let count = usize::try_from(all.saturating_sub(OTHERS)).unwrap_or(usize::MAX);
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        let [places, slots] = [count; 2].map(|count| Arc::new(Semaphore::new(count)));
        let (kept, added) = (Mutex::default(), Notify::new());
        let keeps = all > OTHERS;
        Self(Arc::new(Inner { pool, places, slots, count, stay, keeps, kept, added }))
    }

    /// The pool of sqlx, for whoever knows nothing else. There are few connections that are not handed on here.
    pub fn sqlx(&self) -> &PgPool {
        &self.0.pool
    }

    /// A connection.
    pub async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        self.acquire_until(Instant::now() + PATIENCE).await
    }

    /// A connection, if there is one in time.
    pub(super) async fn acquire_until(&self, deadline: Instant) -> Result<Connection, sqlx::Error> {
        let acquired = async {
            let place = place(&self.0.places).await?;
            Ok(Connection { kept: self.0.get().await?, home: Arc::clone(&self.0), _place: place })
        };
        timeout_at(deadline, acquired).await.unwrap_or(Err(sqlx::Error::PoolTimedOut))
    }

    /// How many can be used at a time.
    pub(super) fn places(&self) -> usize {
        self.0.count
    }

    /// Connections that are open, and those of them that nobody uses.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let kept = self.0.lock().len();
        (usize::try_from(self.0.pool.size()).unwrap_or(usize::MAX), self.0.pool.num_idle() + kept)
    }
}

/// A place, when there is one.
pub(super) async fn place(places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, sqlx::Error> {
    Arc::clone(places).acquire_owned().await.map_err(|_closed| sqlx::Error::PoolClosed)
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that waits, or a new one, whichever is there first.
    async fn get(self: &Arc<Self>) -> Result<Kept, sqlx::Error> {
        let mut opening: Option<oneshot::Receiver<_>> = None;
        loop {
            if let Some(kept) = self.next() {
                return Ok(kept);
            }
            let is_opening = opening.is_some();
            let opened = async {
                match &mut opening {
                    Some(opening) => opening.await.unwrap_or(Err(sqlx::Error::WorkerCrashed)),
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = self.added.notified() => {}
                opened = opened => return opened,
                slot = place(&self.slots), if !is_opening => opening = Some(self.open(slot?)),
            }
        }
    }

    /// Has the pool of sqlx make one, also when whoever wants it gets another meanwhile: what connecting takes is then not lost.
    fn open(self: &Arc<Self>, slot: OwnedSemaphorePermit) -> oneshot::Receiver<Result<Kept, sqlx::Error>> {
        let (opened, answer) = oneshot::channel();
        let home = Arc::clone(self);
        tokio::spawn(async move {
            let made = home.pool.acquire().await;
            let made = made.map(|connection| Kept {
                held: Held(connection),
                until: Instant::now() + home.stay,
                _slot: slot,
            });
            if let Err(Ok(unwanted)) = opened.send(made) {
                home.add(unwanted);
            }
        });
        answer
    }

    /// One of those that wait, and that have not been here for too long.
    fn next(&self) -> Option<Kept> {
        let mut kept = self.lock();
        let mut old = Vec::new();
        let next = loop {
            match kept.pop_back() {
                Some(last) if last.is_old() => old.push(last),
                last => break last,
            }
        };
        // A bell that rings twice before anybody hears it rings once.
        if !kept.is_empty() {
            self.added.notify_one();
        }
        drop(kept);
        next
    }

    fn add(&self, new: Kept) {
        if !self.keeps {
            return;
        }
        let mut kept = self.lock();
        kept.push_back(new);
        // Those that are not needed stay at the front, and would never be looked at.
        let old = kept.pop_front_if(|first| first.is_old());
        drop(kept);
        drop(old);
        self.added.notify_one();
    }
}

#[derive(Debug)]
struct Kept {
    held: Held,
    until: Instant,
    _slot: OwnedSemaphorePermit,
}

impl Kept {
    fn is_old(&self) -> bool {
        Instant::now() >= self.until
    }
}

/// A connection of the pool of sqlx, which takes back what somebody has left half done.
#[derive(Debug)]
struct Held(PoolConnection<Postgres>);

impl Drop for Held {
    fn drop(&mut self) {
        while self.0.is_in_transaction() {
            Manager::start_rollback(&mut self.0);
        }
    }
}

pub(super) type Manager = <Postgres as sqlx::Database>::TransactionManager;

/// A connection. Dropped, it goes back to the pool of sqlx, as it must when it was not asked everything to the end.
#[derive(Debug)]
pub struct Connection {
    kept: Kept,
    home: Arc<Inner>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// Leaves it to the next use: everything that it was asked has its answer. One of which that is plainly not so, as it is in a
    /// transaction or has something to send yet, goes back to the pool of sqlx.
    pub fn done(self) {
        let Self { kept, home, _place } = self;
        if !kept.held.0.is_in_transaction() && !kept.held.0.should_flush() {
            home.add(kept);
        }
    }
}

impl Deref for Connection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.kept.held.0
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.kept.held.0
    }
}
