//! The beginning of a transaction.

use sqlx::{PgPool, PgTransaction};
use tracing::{Instrument, Span, instrument::WithSubscriber};

/// Begins a transaction, in a task of its own: whoever asks may be dropped meanwhile.
///
/// Dropped while it begins one, sqlx gives the connection back to the pool with a transaction that it does not know of. What
/// others write with it is not committed until one of them commits, and gone if one of them rolls back.
pub async fn begin(pool: &PgPool) -> Result<PgTransaction<'static>, sqlx::Error> {
    let pool = pool.clone();
    let begun = async move { pool.begin().await };
    let begun = tokio::spawn(begun.instrument(Span::current()).with_current_subscriber());
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}
