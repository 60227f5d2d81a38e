//! Forgets what nobody needs any more: carts that nobody has touched for long, and which webhooks had their effect long ago.

use std::time::Duration;

use flotilla_kit::{
    database::{Pool, bounded},
    drain::{Drain, Phase},
};
use tokio::time::sleep;

use crate::store::{self, carts, webhooks};

/// How often it is looked.
const PAUSE: Duration = Duration::from_secs(3_600);

/// Rows that are removed at a time, so that no transaction is long.
const BATCH: i64 = 1_000;

/// Days for which a cart is kept that nobody touches.
const CART_DAYS: i32 = 90;

/// Days for which it is known that a webhook had its effect. No provider sends one again after as many.
const WEBHOOK_DAYS: i32 = 90;

/// Forgets, until the end of the service.
pub async fn run(pool: Pool, drain: Drain) {
    let forever = async {
        loop {
            if let Err(error) = bounded(all(&pool)).await {
                tracing::warn!(%error, "what nobody needs any more cannot be forgotten now");
            }
            sleep(PAUSE).await;
        }
    };
    tokio::select! {
        () = drain.at_least(Phase::Ending) => {}
        () = forever => {}
    }
}

/// Forgets all that is old enough.
pub async fn all(pool: &Pool) -> Result<(), store::Error> {
    while carts::forget_old(pool, CART_DAYS, BATCH).await? == BATCH.unsigned_abs() {}
    while webhooks::forget_old(pool, WEBHOOK_DAYS, BATCH).await? == BATCH.unsigned_abs() {}
    Ok(())
}
