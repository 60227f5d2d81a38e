//! What runs to its end, whether or not somebody still waits for it.
//!
//! A handler whose client goes, or whose time is over, would else be dropped wherever it waits: with half of what it does done, and
//! the rest left to whoever repairs what broke off.

use std::time::Duration;

use tokio::time::timeout;
use tracing::{Instrument, Span, instrument::WithSubscriber};

use crate::correlation::CorrelationId;

/// After so long it is dropped nevertheless. Nobody waits for a database for as long.
const LONGEST: Duration = Duration::from_secs(120);

/// Why something has not come to its end.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum Unended {
    #[error("a handler panicked")]
    Panicked,
    #[error("the service took too long; what was asked for may still have been done")]
    TooLong,
}

/// Has it run beside whoever waits for it, as a part of the same request.
pub(crate) async fn to_the_end<F>(run: F) -> Result<F::Output, Unended>
where
    F: Future<Output: Send> + Send + 'static,
{
    let id = CorrelationId::current().unwrap_or_default();
    let run = async { timeout(LONGEST, run).await.map_err(|_| Unended::TooLong) };
    let run = tokio::spawn(id.scope(run.instrument(Span::current())).with_current_subscriber());
    run.await.unwrap_or(Err(Unended::Panicked))
}
