//! Connections that only read, and are handed on from one reader to the next.
//!
//! A pool of sqlx asks each connection that comes back whether it is there, which takes as long as most reads. One that has just
//! answered everything that it was asked is: here it waits for the next reader as it is. With any other the pool deals.

use std::{
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{PgConnection, PgPool, Postgres, pool::PoolConnection};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout},
};

use super::pool::PATIENCE;

/// How long a connection stays with readers. The pool replaces those that are old, and sees them no more often than this.
const STAY: Duration = Duration::from_secs(60);

/// A half of a pool, for reads.
#[derive(Clone, Debug)]
pub struct Readers {
    pool: PgPool,
    places: Arc<Semaphore>,
    waiting: Arc<Waiting>,
}

/// Connections that wait for readers.
#[derive(Debug)]
struct Waiting {
    kept: Mutex<Vec<Kept>>,
    most: usize,
}

#[derive(Debug)]
struct Kept {
    connection: PoolConnection<Postgres>,
    since: Instant,
}

impl Readers {
    /// The readers of a pool. Whoever writes has the other half to themselves.
    pub fn new(pool: &PgPool) -> Self {
        let half = usize::try_from(pool.options().get_max_connections() / 2).unwrap_or(usize::MAX);
        // The only connection of a pool is kept from nobody.
        let places = half.clamp(1, Semaphore::MAX_PERMITS);
        let waiting = Waiting { kept: Mutex::default(), most: half };
        Self { pool: pool.clone(), places: Arc::new(Semaphore::new(places)), waiting: Arc::new(waiting) }
    }

    /// A connection to read with.
    pub async fn get(&self) -> Result<Reader, sqlx::Error> {
        let place = timeout(PATIENCE, Arc::clone(&self.places).acquire_owned()).await;
        let place = place.map_err(|_| sqlx::Error::PoolTimedOut)?.map_err(|_| sqlx::Error::PoolClosed)?;
        let kept = match self.waiting.next() {
            Some(kept) => kept,
            None => Kept { connection: self.pool.acquire().await?, since: Instant::now() },
        };
        Ok(Reader { kept, waiting: Arc::clone(&self.waiting), _place: place })
    }
}

impl Waiting {
    /// One of them. Those that have stayed for too long go back to the pool.
    fn next(&self) -> Option<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        std::iter::from_fn(|| kept.pop()).find(|kept| kept.since.elapsed() < STAY)
    }

    fn add(&self, new: Kept) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < self.most {
            kept.push(new);
        }
    }
}

/// A connection to read with. Dropped, it goes back to the pool, as it must when it was not asked everything to the end.
#[derive(Debug)]
pub struct Reader {
    kept: Kept,
    waiting: Arc<Waiting>,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// Leaves it to the next reader: everything that it was asked has its answer.
    pub fn done(self) {
        let Self { kept, waiting, _place } = self;
        waiting.add(kept);
    }
}

impl Deref for Reader {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.kept.connection
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.kept.connection
    }
}
