//! What is around every call: its correlation id, a span, and a line in the log.

use axum::{extract::Request, middleware::Next, response::Response};
use flotilla_kit::correlation::{self, CorrelationId};
use tokio::time::Instant;
use tracing::Instrument;

pub(super) async fn around(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = CorrelationId::of(request.headers());
    let method = request.uri().path().to_owned();
    let span = tracing::info_span!("call", otel.kind = "server", correlation_id = %id, rpc.method = method);
    let mut response = id.clone().scope(next.run(request).instrument(span.clone())).await;
    let status = response.headers().get("grpc-status").and_then(|status| status.to_str().ok()).unwrap_or("0");
    let _entered = span.enter();
    tracing::info!(method, status, duration_ms = began.elapsed().as_secs_f64() * 1_000.0, "answered");
    response.headers_mut().insert(correlation::HEADER, id.header());
    response
}
