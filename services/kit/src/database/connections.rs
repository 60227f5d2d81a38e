//! The connections of a service, which are handed on from one use to the next.
//!
//! A pool of sqlx asks each connection that comes back whether it is there, which takes as long as most of what is asked in
//! between. One that has just answered everything that it was asked is: here it waits for the next use as it is. With any other
//! the pool of sqlx deals.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use sqlx_core::transaction::TransactionManager;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

/// How long somebody waits for a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection stays here. The pool of sqlx replaces those that are old, and sees them no more often than this.
const STAY: Duration = Duration::from_secs(60);

/// Connections that are left to those who know a pool of sqlx only, such as a relay of events.
const OTHERS: u32 = 2;

/// The connections of a service.
#[derive(Clone, Debug)]
pub struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: PgPool,
    places: Arc<Semaphore>,
    count: usize,
    waiting: Mutex<Waiting>,
    most: usize,
}

/// Connections that wait for a use, and how many uses wait for the pool of sqlx.
#[derive(Debug, Default)]
struct Waiting {
    kept: Vec<Kept>,
    hungry: usize,
}

impl Pool {
    /// The connections of a pool of sqlx.
    pub fn new(pool: PgPool) -> Self {
        let all = pool.options().get_max_connections();
        let count = usize::try_from(all.saturating_sub(OTHERS)).unwrap_or(usize::MAX);
        let count = count.clamp(1, Semaphore::MAX_PERMITS);
        // The only connection is kept from nobody.
        let most = if all > 1 { count } else { 0 };
        let places = Arc::new(Semaphore::new(count));
        Self(Arc::new(Inner { pool, places, count, waiting: Mutex::default(), most }))
    }

    /// The pool of sqlx, for whoever knows nothing else. There are few connections that are not handed on here.
    pub fn sqlx(&self) -> &PgPool {
        &self.0.pool
    }

    /// A connection.
    pub async fn acquire(&self) -> Result<Connection, sqlx::Error> {
        let place = timeout(PATIENCE, Arc::clone(&self.0.places).acquire_owned()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let kept = match self.0.next() {
            Ok(kept) => kept,
            Err(_hungry) => Kept { held: Held::new(self.0.pool.acquire().await?), since: Instant::now() },
        };
        Ok(Connection { kept, home: Arc::clone(&self.0), _place: place })
    }

    /// How many can be used at a time.
    pub(super) fn places(&self) -> usize {
        self.0.count
    }

    /// Connections that are open, and those of them that nobody uses.
    pub(super) fn sizes(&self) -> (usize, usize) {
        let kept = self.0.lock().kept.len();
        (usize::try_from(self.0.pool.size()).unwrap_or(usize::MAX), self.0.pool.num_idle() + kept)
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One of those that wait. Those that have stayed for too long go back to the pool of sqlx, where whoever gets none asks for
    /// one.
    fn next(&self) -> Result<Kept, Hungry<'_>> {
        let mut waiting = self.lock();
        let kept = std::iter::from_fn(|| waiting.kept.pop()).find(|kept| kept.since.elapsed() < STAY);
        kept.ok_or_else(|| {
            waiting.hungry += 1;
            Hungry(self)
        })
    }

    fn add(&self, new: Kept) {
        let mut waiting = self.lock();
        // Whoever waits for the pool of sqlx would not see it here.
        if waiting.hungry == 0 && waiting.kept.len() < self.most {
            waiting.kept.push(new);
        }
    }
}

/// Somebody who waits for the pool of sqlx.
struct Hungry<'a>(&'a Inner);

impl Drop for Hungry<'_> {
    fn drop(&mut self) {
        self.0.lock().hungry -= 1;
    }
}

#[derive(Debug)]
struct Kept {
    held: Held,
    since: Instant,
}

/// A connection of the pool of sqlx, which takes back what somebody has left half done.
#[derive(Debug)]
struct Held {
    connection: PoolConnection<Postgres>,
    is_in_transaction: bool,
}

impl Held {
    fn new(connection: PoolConnection<Postgres>) -> Self {
        Self { connection, is_in_transaction: false }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_in_transaction {
            Manager::start_rollback(&mut self.connection);
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
    /// Leaves it to the next use: everything that it was asked has its answer.
    pub fn done(self) {
        let Self { kept, home, _place } = self;
        home.add(kept);
    }

    /// From here on it is in a transaction, which ends with it, or is not any more.
    pub(super) fn set_in_transaction(&mut self, is_in_transaction: bool) {
        self.kept.held.is_in_transaction = is_in_transaction;
    }
}

impl Deref for Connection {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.kept.held.connection
    }
}

impl DerefMut for Connection {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.kept.held.connection
    }
}
