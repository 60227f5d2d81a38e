//! Transactions on the connections of a service.

use std::ops::{Deref, DerefMut};

use sqlx::{Connection as _, PgConnection};
use sqlx_core::transaction::TransactionManager;
use tracing::{Instrument, Span, instrument::WithSubscriber};

use super::{
    Pool,
    connections::{Connection, Manager},
};

/// A transaction. Dropped, nothing of it has been.
#[derive(Debug)]
pub struct Transaction<'c>(Source<'c>);

#[derive(Debug)]
enum Source<'c> {
    Own(Connection),
    Within(Within<'c>),
}

/// A transaction within another: a savepoint.
#[derive(Debug)]
struct Within<'c> {
    connection: &'c mut PgConnection,
    is_open: bool,
}

impl Drop for Within<'_> {
    fn drop(&mut self) {
        if self.is_open {
            Manager::start_rollback(self.connection);
        }
    }
}

impl Pool {
    /// Begins a transaction, in a task of its own: whoever asks may be dropped meanwhile.
    ///
    /// Dropped while it begins one, sqlx gives the connection back to the pool with a transaction that it does not know of. What
    /// others write with it is not committed until one of them commits, and gone if one of them rolls back.
    pub async fn begin(&self) -> Result<Transaction<'static>, sqlx::Error> {
        let pool = self.clone();
        let begun = async move {
            let mut connection = pool.acquire().await?;
            Manager::begin(&mut connection, None).await?;
            Ok(Transaction(Source::Own(connection)))
        };
        let begun = tokio::spawn(begun.instrument(Span::current()).with_current_subscriber());
        begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
    }
}

impl Transaction<'_> {
    /// Begins another within it, of which all can be taken back without what was before.
    pub async fn begin(&mut self) -> Result<Transaction<'_>, sqlx::Error> {
        let connection = &mut **self;
        Manager::begin(connection, None).await?;
        Ok(Transaction(Source::Within(Within { connection, is_open: true })))
    }

    /// Makes it so. It is an error when there is none any more, as after another within it that could not begin.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        if !self.is_in_transaction() {
            return Err(sqlx::Error::Protocol("the transaction has been rolled back already".to_owned()));
        }
        Manager::commit(&mut self).await?;
        self.end();
        Ok(())
    }

    /// Takes it back.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        Manager::rollback(&mut self).await?;
        self.end();
        Ok(())
    }

    fn end(self) {
        match self.0 {
            Source::Own(connection) => connection.done(),
            Source::Within(mut within) => within.is_open = false,
        }
    }
}

impl Deref for Transaction<'_> {
    type Target = PgConnection;

    fn deref(&self) -> &PgConnection {
        match &self.0 {
            Source::Own(connection) => connection,
            Source::Within(within) => within.connection,
        }
    }
}

impl DerefMut for Transaction<'_> {
    fn deref_mut(&mut self) -> &mut PgConnection {
        match &mut self.0 {
            Source::Own(connection) => connection,
            Source::Within(within) => within.connection,
        }
    }
}
