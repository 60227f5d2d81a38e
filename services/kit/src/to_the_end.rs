//! What runs to its end, whether or not somebody still waits for it.
//!
//! A handler whose client goes, or whose time is over, would else be dropped wherever it waits: with half of what it does done, and
//! the rest left to whoever repairs what broke off.

use std::time::Duration;

use tokio::{task::JoinHandle, time::timeout};
use tracing::{Instrument, Span, instrument::WithSubscriber};

use crate::correlation::CorrelationId;

/// After so long it is dropped nevertheless. Nobody waits for a database for as long.
const LONGEST: Duration = Duration::from_secs(120);

/// Has it run beside whoever waits for it, as a part of the same request. Nothing: it did not end.
pub(crate) fn to_the_end<F>(run: F) -> JoinHandle<Option<F::Output>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let id = CorrelationId::current().unwrap_or_default();
    let run = async { timeout(LONGEST, run).await.ok() };
    tokio::spawn(id.scope(run.instrument(Span::current())).with_current_subscriber())
}
