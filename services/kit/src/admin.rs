//! `/livez`, `/readyz`, `/startupz`, `/status` and `/metrics`, on a port of their own.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{
    health::{Health, Status},
    metrics::Metrics,
};

/// The content type of the OpenMetrics text format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Clone)]
struct Admin {
    health: Arc<Health>,
    metrics: Arc<Metrics>,
}

/// The routes of the admin server.
pub fn router(health: Arc<Health>, metrics: Arc<Metrics>) -> Router {
    Router::new()
        // Asked of nobody: see `health`.
        .route("/livez", get(|| async { "ok" }))
        .route("/readyz", get(ready))
        .route("/startupz", get(started))
        .route("/status", get(status))
        .route("/metrics", get(show))
        .with_state(Admin { health, metrics })
}

async fn ready(State(admin): State<Admin>) -> Response {
    match admin.health.unready().await {
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")).into_response(),
        None => "ok".into_response(),
    }
}

async fn started(State(admin): State<Admin>) -> Response {
    if admin.health.has_started() {
        "ok".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "it is starting\n").into_response()
    }
}

async fn status(State(admin): State<Admin>) -> Json<Status> {
    Json(admin.health.status().await)
}

async fn show(State(admin): State<Admin>) -> Response {
    match admin.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("cannot write the metrics: {error}\n"))
            .into_response(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::drain::{Announcement, Phase};

    async fn ask(router: &Router, path: &str) -> (StatusCode, String) {
        let request = axum::extract::Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_service_without_its_database_lives_and_is_not_ready() {
        let announcement = Announcement::default();
        let bus = tokio::sync::watch::Sender::new(false);
        let health = Health::new(announcement.hear())
            .need("database", || async { false })
            .want("bus", bus.subscribe());
        let health = Arc::new(health);
        let router = router(Arc::clone(&health), Arc::new(Metrics::new("test-service", "0")));
        assert_eq!(ask(&router, "/startupz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        health.started();
        assert_eq!(ask(&router, "/startupz").await.0, StatusCode::OK);
        assert_eq!(ask(&router, "/livez").await, (StatusCode::OK, "ok".to_owned()));
        let (status, why) = ask(&router, "/readyz").await;
        assert_eq!((status, why.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "it has no database\n"));
        let (_, status) = ask(&router, "/status").await;
        assert_eq!(status, r#"{"unready":"it has no database","degraded":["bus"]}"#);
        assert!(ask(&router, "/metrics").await.1.contains("flotilla_shop_build_info"));
    }

    #[tokio::test]
    async fn nobody_else_is_asked_whether_a_service_lives() {
        let asked = Arc::new(AtomicU32::new(0));
        let pings = Arc::clone(&asked);
        // One that never answers.
        let health = Health::new(Announcement::default().hear()).need("database", move || {
            pings.fetch_add(1, Ordering::Relaxed);
            std::future::pending()
        });
        health.started();
        let router = router(Arc::new(health), Arc::new(Metrics::new("test-service", "0")));
        for path in ["/livez", "/startupz"] {
            assert_eq!(ask(&router, path).await.0, StatusCode::OK, "{path}");
        }
        assert_eq!(asked.load(Ordering::Relaxed), 0);
        assert_eq!(ask(&router, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_service_without_its_bus_is_ready_until_it_leaves() {
        let announcement = Announcement::default();
        let bus = tokio::sync::watch::Sender::new(false);
        let health = Arc::new(Health::new(announcement.hear()).want("bus", bus.subscribe()));
        health.started();
        let router = router(health, Arc::new(Metrics::new("test-service", "0")));
        assert_eq!(ask(&router, "/readyz").await.0, StatusCode::OK);
        assert_eq!(ask(&router, "/status").await.1, r#"{"degraded":["bus"]}"#);
        announcement.enter(Phase::Leaving);
        assert_eq!(ask(&router, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask(&router, "/livez").await.0, StatusCode::OK);
    }
}
