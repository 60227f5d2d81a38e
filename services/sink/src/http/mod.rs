//! What it takes over HTTP, and how it shows what it has.

mod api;
mod inbox;
mod receive;

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};

use crate::Sink;

/// Deliveries that are given at a time.
const MAX: usize = 1_000;

/// All of it. What is of no route is for the one that wraps it.
pub fn router(sink: Arc<Sink>) -> Router {
    Router::new()
        .route("/", get(inbox::list))
        .route("/mail/{id}", get(inbox::one))
        .route("/mail/{id}/html", get(inbox::html))
        .route("/api/deliveries", get(api::list).delete(api::clear))
        .route("/api/deliveries/{id}", get(api::one))
        .route("/api/deliveries/{id}/raw", get(api::raw))
        .route("/api/failures", get(api::failures).post(api::fail).delete(api::heal))
        .route("/api/push-subscriptions", post(api::subscribe))
        .route("/api/push-subscriptions/{id}", axum::routing::delete(api::give_up))
        .route("/push/{id}", post(receive::push))
        .route("/webhooks/{name}", post(receive::webhook))
        .with_state(sink)
}
