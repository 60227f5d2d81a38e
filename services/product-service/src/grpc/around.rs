//! What is around every call: its correlation id, a span, and a line in the log.

use axum::{extract::Request, middleware::Next, response::Response};
use flotilla_kit::correlation::{self, CorrelationId};
use tokio::time::Instant;
use tracing::Instrument;

pub(super) async fn around(request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = CorrelationId::of(request.headers());
    let method = known(request.uri().path());
    let span = tracing::info_span!("call", otel.kind = "server", correlation_id = %id, rpc.method = method);
    let mut response = id.clone().scope(next.run(request).instrument(span.clone())).await;
    response.headers_mut().insert(correlation::HEADER, id.header());
    let status = response.headers().get("grpc-status").and_then(|status| status.to_str().ok()).unwrap_or("0");
    let _entered = span.enter();
    tracing::info!(method, status, duration_ms = began.elapsed().as_secs_f64() * 1_000.0, "answered");
    response
}

/// The path of a call. What is none may be anything, and is not to be in logs.
fn known(path: &str) -> String {
    let is_known = ["/shop.product.v1.Products/", "/grpc."].iter().any(|begin| path.starts_with(begin));
    let is_plain =
        path.len() <= 128 && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"./".contains(&byte));
    if is_known && is_plain { path.to_owned() } else { "unknown".to_owned() }
}
