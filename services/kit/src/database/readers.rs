//! Connections that only read. There is a place for one in two, so that whoever writes has the other half.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use sqlx::PgConnection;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use super::{
    Pool,
    connections::{Connection, PATIENCE, place},
};

/// A half of the connections of a service, for reads. The only one is everybody's.
#[derive(Clone, Debug)]
pub struct Readers {
    pool: Pool,
    places: Arc<Semaphore>,
}

impl Readers {
    /// The readers of a service.
    pub fn new(pool: &Pool) -> Self {
        let places = Semaphore::new((pool.places() / 2).max(1));
        Self { pool: pool.clone(), places: Arc::new(places) }
    }

    /// A connection to read with.
    pub async fn get(&self) -> Result<Reader, sqlx::Error> {
        let deadline = Instant::now() + PATIENCE;
        let place = timeout_at(deadline, place(&self.places)).await;
        let place = place.unwrap_or(Err(sqlx::Error::PoolTimedOut))?;
        Ok(Reader { connection: self.pool.acquire_until(deadline).await?, _place: place })
    }
}

/// A connection to read with.
#[derive(Debug)]
pub struct Reader {
    connection: Connection,
    _place: OwnedSemaphorePermit,
}

impl Reader {
    /// Leaves it to the next use: everything that it was asked has its answer.
    pub fn done(self) {
        self.connection.done();
    }
}

impl Deref for Reader {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        &self.connection
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.connection
    }
}
