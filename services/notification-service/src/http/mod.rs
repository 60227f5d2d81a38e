//! The REST API, one file a resource.

mod dead_letters;
mod notifications;
mod preferences;
mod push_subscriptions;
mod suppressions;
mod templates;
mod unsubscribe;
mod webhook_endpoints;

use axum::{Router, extract::FromRef, http::Method, routing::post};
use flotilla_kit::{
    auth::Verifier,
    database::Pool,
    http::{
        actions::{Things, told_apart},
        cursor::Cursors,
        openapi::{Fault, Link, complete},
    },
};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{keys::Keys, send::guard::Guard, worker::Bell};

/// What requests need.
#[derive(Clone, Debug)]
pub struct App {
    /// The database.
    pub pool: Pool,
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

/// What something is done with.
const THINGS: [Things; 3] = [
    ("/v1/notifications/{id}", &[Method::GET, Method::HEAD]),
    ("/v1/templates/{name}", &[]),
    ("/v1/webhook-endpoints/{id}", &[Method::GET, Method::HEAD, Method::PUT, Method::DELETE]),
];

/// What is known of something by what it was made with.
const ID: &[(&str, &str)] = &[("id", "$response.body#/id")];
const NAME: &[(&str, &str)] = &[("name", "$response.body#/name")];
const AS_IT_IS: &[(&str, &str)] = &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")];

const fn of_endpoint(to: &'static str, parameters: &'static [(&'static str, &'static str)]) -> Link {
    Link { from: ("webhooks_add", "201"), to, parameters }
}

/// What follows from answers.
const LINKS: [Link; 12] = [
    Link { from: ("notifications_create", "202"), to: "notifications_get", parameters: ID },
    Link { from: ("notifications_create", "202"), to: "notifications_retry", parameters: ID },
    Link {
        from: ("preferences_get", "200"),
        to: "preferences_put",
        parameters: &[("If-Match", "$response.header.ETag")],
    },
    Link { from: ("templates_add", "201"), to: "templates_versions", parameters: NAME },
    Link { from: ("templates_add", "201"), to: "templates_write", parameters: NAME },
    Link { from: ("templates_add", "201"), to: "templates_preview", parameters: NAME },
    Link { from: ("push_add", "201"), to: "push_remove", parameters: ID },
    of_endpoint("webhooks_get", ID),
    of_endpoint("webhooks_put", AS_IT_IS),
    of_endpoint("webhooks_remove", ID),
    of_endpoint("webhooks_rotate", ID),
    of_endpoint("webhooks_test", ID),
];

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
    told_apart(all().split_for_parts().0.merge(actions), &THINGS).with_state(app)
}

/// The description of the routes, as it is committed.
pub fn openapi() -> Result<utoipa::openapi::OpenApi, Fault> {
    complete(all().split_for_parts().1, &LINKS)
}
