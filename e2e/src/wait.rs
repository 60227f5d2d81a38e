//! Waiting for what a cluster does in its own time.

use std::{fmt::Debug, time::Duration};

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// How long things may take: long enough for a loaded machine, since a test that passes does not wait for it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(200);

/// Looks until `look` finds something. An error ends the wait; what the last look saw is in the message when
/// time is up.
pub async fn eventually<T, S, F>(what: &str, look: impl FnMut() -> F) -> Result<T>
where
    S: Debug,
    F: Future<Output = Result<Result<T, S>>>,
{
    eventually_within(PATIENCE, what, look).await
}

/// The same with another patience.
pub async fn eventually_within<T, S, F>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> F,
) -> Result<T>
where
    S: Debug,
    F: Future<Output = Result<Result<T, S>>>,
{
    let began = Instant::now();
    loop {
        match look().await? {
            Ok(found) => return Ok(found),
            Err(seen) if began.elapsed() > patience => {
                bail!("{what}: not within {patience:?}; last seen: {seen:#?}")
            }
            Err(_) => sleep(PERIOD).await,
        }
    }
}

/// Looks for as long as `time`, and fails as soon as `look` does.
pub async fn stays<F>(time: Duration, mut look: impl FnMut() -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let began = Instant::now();
    while began.elapsed() < time {
        look().await?;
        sleep(PERIOD).await;
    }
    Ok(())
}
