//! Traces (W3C Trace Context, OpenTelemetry): which requests are recorded, and as what. Off unless there is somebody to
//! send them to.

mod export;
mod span;

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::mpsc;

pub use self::{
    export::{Error, Exporter},
    span::Span,
};
use crate::metrics::Metrics;

/// What names the trace of a request, and its parent.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Spans that may wait to be sent. When there are more, they are counted and lost: a slow collector must not slow requests.
const WAITING: usize = 4_096;

/// The flag of a trace that somebody records (section 3.2.2.5).
const SAMPLED: u8 = 1;

/// Decides which requests are recorded, and takes them when they have ended.
#[derive(Debug)]
pub struct Traces {
    share: f64,
    spans: mpsc::Sender<Box<Span>>,
    metrics: Arc<Metrics>,
}

/// A request that is recorded.
#[derive(Debug)]
pub struct Started {
    pub(super) trace: u128,
    pub(super) id: u64,
    pub(super) parent: Option<u64>,
    traces: Arc<Traces>,
}

impl Traces {
    /// Records this share of the requests that are in no trace, and all that are in one that others record. What has ended
    /// comes out of the other end.
    pub fn new(share: f64, metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Box<Span>>) {
        let (spans, ended) = mpsc::channel(WAITING);
        (Self { share, spans, metrics }, ended)
    }

    /// Begins to record a request, when it is one of those. `parent` is its good `traceparent`; whoever gets the request
    /// finds this gateway in its place.
    pub(crate) fn begin(
        self: &Arc<Self>,
        headers: &mut HeaderMap,
        parent: Option<&HeaderValue>,
    ) -> Option<Started> {
        let sent = parent.and_then(|parent| parse(parent.as_bytes()));
        let (trace, parent) = match sent {
            Some((trace, parent, flags)) => (flags & SAMPLED != 0).then_some((trace, Some(parent)))?,
            None => (fastrand::f64() < self.share).then(|| (fastrand::u128(1..), None))?,
        };
        let started = Started { trace, id: fastrand::u64(1..), parent, traces: Arc::clone(self) };
        headers.insert(TRACEPARENT, started.header()?);
        Some(started)
    }
}

impl Started {
    /// What those who get the request are told.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&format!("00-{:032x}-{:016x}-{SAMPLED:02x}", self.trace, self.id)).ok()
    }

    /// It has ended, as what is described.
    pub(crate) fn end(self, describe: impl FnOnce(Self) -> Span) {
        let traces = Arc::clone(&self.traces);
        if traces.spans.try_send(Box::new(describe(self))).is_err() {
            traces.metrics.lost_spans.inc();
        }
    }
}

/// Trace, parent and flags of a `traceparent` that has been found good.
fn parse(value: &[u8]) -> Option<(u128, u64, u8)> {
    let text = std::str::from_utf8(value).ok()?;
    let trace = u128::from_str_radix(text.get(3..35)?, 16).ok()?;
    let parent = u64::from_str_radix(text.get(36..52)?, 16).ok()?;
    Some((trace, parent, u8::from_str_radix(text.get(53..55)?, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(share: f64, parent: Option<&'static str>) -> (Option<Started>, HeaderMap) {
        let (traces, _ended) = Traces::new(share, Arc::default());
        let parent = parent.map(HeaderValue::from_static);
        let mut headers = HeaderMap::new();
        if let Some(parent) = &parent {
            headers.insert(TRACEPARENT, parent.clone());
        }
        (Arc::new(traces).begin(&mut headers, parent.as_ref()), headers)
    }

    #[test]
    fn a_trace_goes_on_when_others_record_it() {
        let (started, headers) = begin(0.0, Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"));
        let started = started.unwrap();
        let expected = (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, Some(0x00f0_67aa_0ba9_02b7));
        assert_eq!((started.trace, started.parent), expected);
        let own = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{:016x}-01", started.id);
        assert_eq!(headers[TRACEPARENT], own);
        let unsampled = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
        let (started, headers) = begin(1.0, Some(unsampled));
        assert!(started.is_none());
        assert_eq!(headers[TRACEPARENT], unsampled);
    }

    #[test]
    fn a_share_of_the_others_begins_one() {
        let (started, headers) = begin(1.0, None);
        let started = started.unwrap();
        assert!(started.parent.is_none() && started.trace != 0 && started.id != 0);
        assert_eq!(headers[TRACEPARENT], format!("00-{:032x}-{:016x}-01", started.trace, started.id));
        let (started, headers) = begin(0.0, None);
        assert!(started.is_none() && headers.is_empty());
        let begun = (0..1_000).filter(|_| begin(0.3, None).0.is_some()).count();
        assert!((200..400).contains(&begun), "{begun}");
    }
}
