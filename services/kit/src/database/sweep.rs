//! Forgets what nobody needs any more.

use std::time::Duration;

use tokio::time::sleep;

use super::{Pool, bounded};
use crate::{
    drain::{Drain, Phase},
    http::idempotency,
};

/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(600);

/// Rows that are removed at a time, so that no transaction is long.
const BATCH: i64 = 1_000;

/// Forgets old answers of requests with an Idempotency-Key, until the end of the service.
pub async fn sweep(pool: Pool, drain: Drain) {
    let forever = async {
        loop {
            match bounded(idempotency::forget(&pool, BATCH)).await {
                Ok(forgotten) if forgotten == BATCH.unsigned_abs() => continue,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "old answers cannot be forgotten now"),
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = drain.at_least(Phase::Ending) => {}
        () = forever => {}
    }
}
