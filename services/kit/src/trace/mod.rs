//! Traces (W3C Trace Context, OpenTelemetry). Off unless there is somebody to send them to.

mod export;

use std::{sync::Arc, time::Duration};

use ::http::HeaderMap;
use opentelemetry::{
    SpanId, TraceFlags, TraceId,
    trace::{SpanContext, TraceContextExt, TraceState, TracerProvider},
};
use opentelemetry_sdk::{
    error::OTelSdkResult,
    trace::{Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanProcessor},
};
use tokio::sync::{mpsc, oneshot};
use tracing_opentelemetry::OpenTelemetrySpanExt;

pub use self::export::{Error, Exporter};
use crate::{http::layer::only, metrics::Metrics};

/// Spans that may wait to be sent. When there are more, they are counted and lost: a slow collector must not slow requests.
const WAITING: usize = 4_096;

/// What comes out at the other end.
#[derive(Debug)]
pub enum Message {
    /// A span that has ended.
    Span(Box<SpanData>),
    /// Somebody waits until what came before has been sent.
    Flush(oneshot::Sender<()>),
}

/// Records spans, and hands them to whoever sends them.
#[derive(Clone, Debug)]
pub struct Traces {
    tracer: SdkTracer,
    messages: mpsc::Sender<Message>,
}

impl Traces {
    /// Records this share of the requests that are in no trace, and all that are in one that others record. What has ended
    /// comes out of the other end.
    pub fn new(service: &'static str, share: f64, metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<Message>) {
        let (messages, ended) = mpsc::channel(WAITING);
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share.clamp(0.0, 1.0))));
        let provider = SdkTracerProvider::builder()
            .with_sampler(sampler)
            .with_span_processor(Queue { messages: messages.clone(), metrics })
            .build();
        (Self { tracer: provider.tracer(service), messages }, ended)
    }

    /// What records, for the log's subscriber.
    pub fn tracer(&self) -> SdkTracer {
        self.tracer.clone()
    }

    /// Waits until what has ended has been sent, but not for longer than this.
    pub async fn flush(&self, patience: Duration) {
        let (done, sent) = oneshot::channel();
        let flushed = async {
            if self.messages.send(Message::Flush(done)).await.is_ok() {
                let _sent = sent.await.is_ok();
            }
        };
        if tokio::time::timeout(patience, flushed).await.is_err() {
            tracing::warn!("the last traces could not be sent in time");
        }
    }
}

#[derive(Debug)]
struct Queue {
    messages: mpsc::Sender<Message>,
    metrics: Arc<Metrics>,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _span: &mut Span, _context: &opentelemetry::Context) {}

    fn on_end(&self, span: SpanData) {
        if self.messages.try_send(Message::Span(Box::new(span))).is_err() {
            self.metrics.lost_spans.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Puts a span into the trace that a request is in.
pub(crate) fn continue_from(span: &tracing::Span, headers: &HeaderMap) {
    if let Some(parent) = only(headers, "traceparent").and_then(parse) {
        let context = opentelemetry::Context::new().with_remote_span_context(parent);
        // It fails only where nothing is recorded.
        let _recorded = span.set_parent(context).is_ok();
    }
}

/// The `traceparent` for what is sent to others from here.
pub fn traceparent() -> Option<String> {
    let context = tracing::Span::current().context();
    let span = context.span();
    let span = span.span_context();
    span.is_valid()
        .then(|| format!("00-{}-{}-{:02x}", span.trace_id(), span.span_id(), span.trace_flags().to_u8()))
}

/// W3C Trace Context, section 3.2.2: `00-` trace id `-` parent id `-` flags. Later versions may have more behind it.
fn parse(text: &str) -> Option<SpanContext> {
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_good = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && (version != "00" || parts.next().is_none());
    if !is_good {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let context = SpanContext::new(
        TraceId::from_hex(trace).ok()?,
        SpanId::from_hex(parent).ok()?,
        flags,
        true,
        TraceState::NONE,
    );
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn ended(share: f64, parent: Option<&str>) -> Option<SpanData> {
        let (traces, mut ended) =
            Traces::new("test-service", share, Arc::new(Metrics::new("test-service", "0")));
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer());
        let mut headers = HeaderMap::new();
        if let Some(parent) = parent {
            headers.insert("traceparent", parent.parse().unwrap());
        }
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
            let span = tracing::info_span!("request");
            continue_from(&span, &headers);
            let _entered = span.enter();
            if let Some(sent) = traceparent() {
                assert_eq!(sent.len(), PARENT.len());
            }
        });
        match ended.try_recv() {
            Ok(Message::Span(span)) => Some(*span),
            _ => None,
        }
    }

    #[test]
    fn a_trace_goes_on_when_others_record_it() {
        let span = ended(0.0, Some(PARENT)).unwrap();
        assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
        let unsampled = PARENT.replace("-01", "-00");
        assert!(ended(1.0, Some(&unsampled)).is_none());
    }

    #[test]
    fn a_share_of_the_others_begins_one() {
        assert!(ended(1.0, None).is_some());
        assert!(ended(0.0, None).is_none());
    }

    #[test]
    fn what_is_no_traceparent_begins_another() {
        assert!(parse(PARENT).is_some());
        assert!(parse("01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more").is_some());
        for bad in [
            "",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
