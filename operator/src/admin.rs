//! `/livez`, `/readyz` and `/metrics`, apart from everything else.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::metrics::Metrics;

/// The content type of the OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Says what the operator still waits for; empty when it is ready.
pub type Waiting = Arc<dyn Fn() -> Vec<String> + Send + Sync>;

/// Brings gauges up to date before they are shown.
pub type Refresh = Arc<dyn Fn() + Send + Sync>;

#[derive(Clone)]
struct Admin {
    metrics: Arc<Metrics>,
    waiting: Waiting,
    refresh: Refresh,
}

/// The routes of the admin server.
pub fn router(metrics: Arc<Metrics>, waiting: Waiting, refresh: Refresh) -> Router {
    Router::new()
        // Alive means that the runtime answers; a broken API server must not restart the operator.
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(show))
        .with_state(Admin { metrics, waiting, refresh })
}

async fn ready(State(admin): State<Admin>) -> Response {
    let waiting = (admin.waiting)();
    if waiting.is_empty() {
        "ok".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("waiting for {}\n", waiting.join(", "))).into_response()
    }
}

async fn show(State(admin): State<Admin>) -> Response {
    (admin.refresh)();
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.metrics.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write the metrics: {error}\n"))
            .into_response(),
    }
}
