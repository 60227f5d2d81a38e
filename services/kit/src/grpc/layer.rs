//! What is around every call, from the outside in: correlation, a span, metrics and a line in the log, until the end of its
//! answer; who calls; a deadline; and a status in place of a panic.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::HeaderMap,
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use futures::FutureExt;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use tracing::Instrument;

use super::{caller::identify, code, methods::Methods, timeout as deadline};
use crate::{
    auth::Trust,
    correlation::{self, CorrelationId},
    http::layer::milliseconds,
    metrics::{Metrics, Running},
    trace,
};

/// The longest that a call may take until its answer begins.
const LONGEST: Duration = Duration::from_secs(30);

/// What the methods begin with that are for everybody: health and reflection.
const FOR_ALL: &str = "/grpc.";

/// What is known around all calls.
#[derive(Clone)]
pub(super) struct Around {
    pub(super) methods: Arc<Methods>,
    pub(super) trust: Trust,
    pub(super) metrics: Arc<Metrics>,
}

pub(super) async fn around(State(around): State<Around>, request: Request, next: Next) -> Response {
    let mut call = Call::begin(&around, &request);
    let (id, span) = (call.id.clone(), call.span.clone());
    let mut response = id.clone().scope(answer(around.trust, request, next).instrument(span)).await;
    response.headers_mut().insert(correlation::HEADER, id.header());
    match code::of(response.headers()) {
        Some(code) => {
            call.code = code;
            response
        }
        // Else it is only told at the end.
        None => response.map(|body| Body::new(Answer { body, call: Some(call) })),
    }
}

async fn answer(trust: Trust, mut request: Request, next: Next) -> Response {
    let deadline = match deadline::of(request.headers(), LONGEST) {
        Ok(deadline) => deadline,
        Err(status) => return status.into_http(),
    };
    if !request.uri().path().starts_with(FOR_ALL) {
        match identify(&trust, request.headers()) {
            Ok(identity) => drop(request.extensions_mut().insert(identity)),
            Err(status) => return status.into_http(),
        }
    }
    let run = AssertUnwindSafe(next.run(request)).catch_unwind();
    match timeout(deadline, run).await {
        Ok(Ok(response)) => response,
        Ok(Err(_panic)) => panicked().into_http(),
        Err(_late) => {
            Status::deadline_exceeded("it took too long; what was asked for may still have been done")
                .into_http()
        }
    }
}

fn panicked() -> Status {
    tracing::error!("a handler panicked");
    Status::internal("the service failed; tell its operators the correlation id")
}

/// A call until its end, which is when this goes.
struct Call {
    began: Instant,
    id: CorrelationId,
    method: String,
    span: tracing::Span,
    metrics: Arc<Metrics>,
    /// What became of it. Unless it is told, nobody waits for the answer any more.
    code: Code,
    _running: Running,
}

impl Call {
    fn begin(around: &Around, request: &Request) -> Self {
        let id = CorrelationId::of(request.headers());
        let method = around.methods.name(request.uri().path()).to_owned();
        let span = tracing::info_span!(
            "call",
            otel.name = method,
            otel.kind = "server",
            correlation_id = %id,
            rpc.system = "grpc",
            rpc.method = method,
            rpc.grpc.status_code = tracing::field::Empty,
        );
        trace::continue_from(&span, request.headers());
        let metrics = Arc::clone(&around.metrics);
        let running = Running::new(&metrics);
        Self { began: Instant::now(), id, method, span, metrics, code: Code::Cancelled, _running: running }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let (status, time) = (code::name(self.code), self.began.elapsed());
        self.span.record("rpc.grpc.status_code", i32::from(self.code));
        self.metrics.called(&self.method, status, time);
        let _entered = self.span.enter();
        tracing::info!(method = self.method, status, duration_ms = milliseconds(time), "answered");
    }
}

/// The body of an answer, which is made while it is sent: it belongs to the call as well.
struct Answer {
    body: Body,
    /// Gone with the end of the body.
    call: Option<Call>,
}

impl Answer {
    fn end(&mut self, code: Code) {
        if let Some(mut call) = self.call.take() {
            call.code = code;
        }
    }
}

impl HttpBody for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let Some(call) = &this.call else { return Pin::new(&mut this.body).poll_frame(context) };
        let body = &mut this.body;
        let polled = call.id.enter(|| {
            call.span.in_scope(|| {
                let poll = AssertUnwindSafe(|| Pin::new(body).poll_frame(context));
                catch_unwind(poll).map_err(|_panic| panicked())
            })
        });
        let frame = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(frame)) => frame,
            Err(status) => {
                this.body = Body::empty();
                let mut trailers = HeaderMap::new();
                let _written = status.add_header(&mut trailers).is_ok();
                Some(Ok(Frame::trailers(trailers)))
            }
        };
        match &frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_ref() {
                    this.end(code::of(trailers).unwrap_or(Code::Unknown));
                }
            }
            Some(Err(_)) | None => this.end(Code::Unknown),
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}
