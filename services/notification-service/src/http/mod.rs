//! The REST API, one file a resource.

mod dead_letters;
mod notifications;
mod preferences;
mod push_subscriptions;
mod suppressions;
mod templates;
mod unsubscribe;
mod webhook_endpoints;

use axum::{Router, extract::FromRef, routing::post};
use flotilla_kit::{auth::Verifier, http::cursor::Cursors};
use sqlx::PgPool;
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{keys::Keys, send::guard::Guard, worker::Bell};

/// What requests need.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub pool: PgPool,
    /// Of pages.
    pub cursors: Cursors,
    /// Who people are.
    pub verifier: Verifier,
    /// The keys of the service.
    pub keys: Keys,
    /// Where may be sent to.
    pub guard: Guard,
    /// What browsers need to subscribe. Nothing: nothing is pushed.
    pub push_key: Option<String>,
    /// The worker.
    pub bell: Bell,
}

impl FromRef<App> for Verifier {
    fn from_ref(app: &App) -> Self {
        app.verifier.clone()
    }
}

/// What the API is called.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "notification-service",
        description = "What people are told, how, and what became of it. Errors are application/problem+json (RFC 9457)."
    ),
    paths(notifications::retry, templates::preview, webhook_endpoints::rotate, webhook_endpoints::test)
)]
struct Api;

fn all() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Api::openapi())
        .routes(routes!(notifications::list, notifications::create))
        .routes(routes!(notifications::get))
        .routes(routes!(preferences::get, preferences::put))
        .routes(routes!(unsubscribe::show, unsubscribe::unsubscribe))
        .routes(routes!(templates::list, templates::add))
        .routes(routes!(templates::versions, templates::write))
        .routes(routes!(push_subscriptions::list, push_subscriptions::add))
        .routes(routes!(push_subscriptions::remove))
        .routes(routes!(webhook_endpoints::list, webhook_endpoints::add))
        .routes(routes!(webhook_endpoints::get, webhook_endpoints::put, webhook_endpoints::remove))
        .routes(routes!(dead_letters::list))
        .routes(routes!(dead_letters::replay))
        .routes(routes!(suppressions::find))
        .routes(routes!(suppressions::remove))
}

/// The routes. What is done with something is a verb behind its id, which no route can tell from the id.
pub fn router(app: App) -> Router {
    let actions = Router::new()
        .route("/v1/notifications/{id}", post(notifications::act))
        .route("/v1/templates/{name}", post(templates::act))
        .route("/v1/webhook-endpoints/{id}", post(webhook_endpoints::act));
    all().split_for_parts().0.merge(actions).with_state(app)
}

/// The description of the routes, as it is committed.
pub fn openapi() -> Result<String, serde_json::Error> {
    let mut text = all().split_for_parts().1.to_pretty_json()?;
    text.push('\n');
    Ok(text)
}
