//! `/livez`, `/readyz`, `/status`, `/metrics`, and what the gateway goes by: `/config`, and `/explain` for one request. Apart from the
//! workers.

mod explain;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{RawQuery, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use flotilla_gateway_config::{Affinity, GatewayConfig, SessionCookie, SessionHeader};

use crate::{
    control::{Control, Status},
    metrics::Metrics,
};

/// The content type of the OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What stands for a key.
const REDACTED: &str = "REDACTED";

#[derive(Clone)]
struct Admin {
    control: Arc<Control>,
    metrics: Arc<Metrics>,
}

/// The routes of the admin server. `can_explain` is whether it shows what the gateway goes by.
pub fn router(control: Arc<Control>, metrics: Arc<Metrics>, can_explain: bool) -> Router {
    let router = Router::new()
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/status", get(status))
        .route("/metrics", get(show));
    let router = if can_explain {
        router.route("/config", get(config)).route("/explain", get(explain))
    } else {
        router
    };
    router.with_state(Admin { control, metrics })
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.control.unready() {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
        None => "ok".into_response(),
    }
}

async fn status(State(admin): State<Admin>) -> Json<Status> {
    Json(admin.control.status())
}

async fn show(State(admin): State<Admin>) -> Response {
    let mut text = String::new();
    match prometheus_client::encoding::text::encode(&mut text, &admin.metrics.registry) {
        Ok(()) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write the metrics: {error}\n"))
            .into_response(),
    }
}

async fn config(State(admin): State<Admin>) -> Json<GatewayConfig> {
    let mut config = GatewayConfig::clone(&admin.control.snapshot().config);
    for certificate in config.certificates.values_mut() {
        REDACTED.clone_into(&mut certificate.key);
    }
    for backend in config.backends.values_mut() {
        if let Some(
            Affinity::Cookie(SessionCookie { key: Some(key), .. })
            | Affinity::SessionHeader(SessionHeader { key: Some(key), .. }),
        ) = &mut backend.affinity
        {
            REDACTED.clone_into(key);
        }
    }
    Json(config)
}

async fn explain(State(admin): State<Admin>, RawQuery(query): RawQuery) -> Response {
    match explain::explain(&admin.control.snapshot(), query.as_deref().unwrap_or_default()) {
        Ok(explained) => Json(explained).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error}\n")).into_response(),
    }
}
