//! Forgets what is old, so that the log of deliveries does not grow for ever.

use std::time::Duration;

use flotilla_kit::{
    database::{Pool, bounded},
    drain::{Drain, Phase},
};
use tokio::time::sleep;

use crate::store::notifications;

/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(600);

/// Notifications that are forgotten at a time, so that no transaction is long.
const BATCH: i64 = 1_000;

/// Forgets notifications that are older than this, until the end of the service.
pub(crate) async fn run(pool: Pool, age: Duration, drain: Drain) {
    let forever = async {
        loop {
            match bounded(notifications::forget(&pool, age, BATCH)).await {
                Ok(forgotten) if forgotten == BATCH.unsigned_abs() => continue,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "old notifications cannot be forgotten now"),
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = drain.at_least(Phase::Ending) => {}
        () = forever => {}
    }
}
