//! What is around every handler, from the outside in: correlation, a span, metrics and a line in the log; a problem in place of
//! a panic; a deadline; and a body that is neither too large nor too slow.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, Method, StatusCode},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::FutureExt;
use http_body::{Body as HttpBody, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tracing::Instrument;

use super::{Problem, actions::method_not_allowed, unread};
use crate::{
    correlation::{self, CorrelationId},
    metrics::{Metrics, Running},
    to_the_end::{Unended, to_the_end},
    trace,
};

/// What a request may have and take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of its body.
    pub body_bytes: u64,
    /// Time for the next piece of its body.
    pub body_patience: Duration,
    /// Time until its answer.
    pub deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            body_patience: Duration::from_secs(10),
            deadline: Duration::from_secs(30),
        }
    }
}

#[derive(Clone)]
struct Around {
    limits: Limits,
    metrics: Arc<Metrics>,
}

/// Puts all of it around routes. What no route takes is a problem as well.
pub fn wrap(router: Router, limits: Limits, metrics: Arc<Metrics>) -> Router {
    router
        .fallback(|| async { Problem::not_found("there is nothing at this path") })
        .method_not_allowed_fallback(|| async { method_not_allowed() })
        .layer(middleware::from_fn_with_state(Around { limits, metrics }, around))
}

async fn around(State(around): State<Around>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = CorrelationId::of(request.headers());
    let method = known(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map(MatchedPath::as_str).unwrap_or_default();
    // The path itself may have what should not be kept, such as tokens; its pattern has not.
    let span = tracing::info_span!(
        "request",
        otel.name = %format_args!("{method} {route}"),
        otel.kind = "server",
        correlation_id = %id,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    );
    trace::continue_from(&span, request.headers());
    let _running = Running::new(&around.metrics);
    let answer = answer(around.limits, request, next);
    let mut response = id.clone().scope(answer.instrument(span.clone())).await;
    let (status, time) = (response.status().as_u16(), began.elapsed());
    span.record("http.response.status_code", status);
    around.metrics.answered(method, route, status, time);
    let _entered = span.enter();
    tracing::info!(method, route, status, duration_ms = milliseconds(time), "answered");
    response.headers_mut().insert(correlation::HEADER, id.header());
    response
}

/// A time for a line. Microseconds are fine enough, and write short numbers.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

async fn answer(limits: Limits, request: Request, next: Next) -> Response {
    let declared = HttpBody::size_hint(request.body()).lower();
    let comes_anyway = unread::comes_anyway(&request);
    let request = request.map(|body| Body::new(Limited::new(body, limits, comes_anyway)));
    if declared > limits.body_bytes {
        return Problem::from(&BodyError::TooLarge(limits.body_bytes)).into_response();
    }
    let is_safe = request.method().is_safe();
    let run = next.run(request);
    let answered = async move {
        // What only reads leaves nothing half done.
        if is_safe {
            AssertUnwindSafe(run).catch_unwind().await.map_err(|_| Unended::Panicked)
        } else {
            to_the_end(run).await
        }
    };
    let answered = timeout(limits.deadline, answered).await.unwrap_or(Err(Unended::TooLong));
    answered.unwrap_or_else(|error| Problem::from(&error).into_response())
}

impl From<&Unended> for Problem {
    fn from(error: &Unended) -> Self {
        match error {
            Unended::Panicked => Self::internal(error),
            Unended::TooLong => Self::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", error.to_string())
                .retry_after(Duration::from_secs(1)),
        }
    }
}

/// Methods are whatever clients send, and labels are few.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "_OTHER",
    }
}

/// The content of a header, when there is exactly one that is text.
pub(crate) fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

/// What is wrong with a body.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body has more than the {0} bytes that it may have")]
    TooLarge(u64),
    #[error("the next piece of the body did not come in time")]
    Slow,
}

impl From<&BodyError> for Problem {
    fn from(error: &BodyError) -> Self {
        let (status, code) = match error {
            BodyError::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
            BodyError::Slow => (StatusCode::REQUEST_TIMEOUT, "body_too_slow"),
        };
        Self::new(status, code, error.to_string())
    }
}

/// A body that breaks when it is too large or too slow.
struct Limited {
    body: Body,
    limits: Limits,
    left: u64,
    patience: Option<Pin<Box<Sleep>>>,
    /// Whether more may come although nobody reads it.
    comes_anyway: bool,
}

impl Limited {
    fn new(body: Body, limits: Limits, comes_anyway: bool) -> Self {
        Self { body, limits, left: limits.body_bytes, patience: None, comes_anyway }
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        if self.comes_anyway {
            unread::throw_away(std::mem::take(&mut self.body));
        }
    }
}

impl HttpBody for Limited {
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = &mut *self;
        let frame = match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(frame) => frame,
            Poll::Pending => {
                let wait = this.limits.body_patience;
                let patience = this.patience.get_or_insert_with(|| Box::pin(sleep(wait)));
                return patience.as_mut().poll(context).map(|()| {
                    this.comes_anyway = false;
                    Some(Err(BodyError::Slow.into()))
                });
            }
        };
        this.patience = None;
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
                match this.left.checked_sub(bytes) {
                    Some(left) => {
                        this.left = left;
                        Some(Ok(frame))
                    }
                    None => Some(Err(BodyError::TooLarge(this.limits.body_bytes).into())),
                }
            }
            Some(Err(error)) => {
                this.comes_anyway = false;
                Some(Err(error.into()))
            }
            None => {
                this.comes_anyway = false;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        HttpBody::size_hint(&self.body)
    }
}
