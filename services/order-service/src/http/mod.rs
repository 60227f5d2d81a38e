//! The REST API: one file for each resource.

mod actions;
mod body;
mod carts;
mod openapi;
mod orders;
mod payments;
mod place;
mod refunds;
mod stream;
mod webhooks;

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
    routing::{get, post, put},
};
use flotilla_kit::{
    http::{
        Problem,
        actions::{Things, told_apart},
        layer::{Limits, wrap},
    },
    metrics::Metrics,
};
use uuid::Uuid;

pub use self::openapi::document;
use crate::{app::App, graphql, settle, stock};

/// Bytes of a body. The longest is an order of a hundred lines.
const BODY: u64 = 256 * 1024;

/// What something is done with.
const THINGS: [Things; 2] =
    [("/v1/orders/{id}", &[Method::GET, Method::HEAD]), ("/v1/orders/{id}/payments/{payment}", &[])];

/// What a handler answers.
type Answer = Result<Response, Problem>;

/// All routes.
pub fn router(app: App, metrics: Arc<Metrics>) -> Router {
    let router = Router::new()
        .route("/v1/carts", post(carts::create))
        .route("/v1/carts/{id}", get(carts::get).delete(carts::delete))
        .route("/v1/carts/{id}/items/{sku}", put(carts::put).delete(carts::remove))
        .route("/v1/orders", get(orders::list).post(place::place))
        .route("/v1/orders/{id}", get(orders::get).post(actions::act))
        .route("/v1/orders/{id}/events", get(orders::events))
        .route("/v1/orders/{id}/stream", get(stream::stream))
        .route("/v1/orders/{id}/payments", get(payments::list).post(payments::create))
        .route("/v1/orders/{id}/payments/{payment}", post(payments::complete))
        .route("/v1/orders/{id}/refunds", get(refunds::list).post(refunds::create))
        .route("/v1/webhooks/psp/{provider}", post(webhooks::take))
        .with_state(app.clone())
        .merge(graphql::router(app));
    let router = told_apart(router, &THINGS);
    wrap(router, Limits { body_bytes: BODY, ..Limits::default() }, metrics)
}

/// An answer that nobody else may keep.
fn private(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// The id and the verb of a path such as `/v1/orders/ID:cancel`.
fn action(text: &str) -> Option<(Uuid, &str)> {
    let (id, verb) = text.split_once(':')?;
    Some((Uuid::try_parse(id).ok()?, verb))
}

impl From<stock::Error> for Problem {
    fn from(error: stock::Error) -> Self {
        let refused = |code, error: &stock::Error| {
            Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, error.to_string())
                .at("/lines", error.to_string())
        };
        match &error {
            stock::Error::Missing(_) => refused("not_sold", &error),
            stock::Error::Refused(_) => refused("out_of_stock", &error),
            stock::Error::Invalid(_) => refused("invalid_body", &error),
            stock::Error::Unavailable(reason) => {
                tracing::warn!(reason, "the product-service cannot be asked");
                let detail = "prices cannot be had now; try again";
                Self::unavailable(std::time::Duration::from_secs(1), detail)
            }
        }
    }
}

impl From<settle::Error> for Problem {
    fn from(error: settle::Error) -> Self {
        match error {
            settle::Error::Store(error) => error.into(),
            settle::Error::Stray(error) => Self::internal(&error),
            settle::Error::Provider(error) => {
                tracing::warn!(%error, "the provider cannot be asked");
                let detail = "the payment provider cannot be asked now; try again";
                Self::unavailable(std::time::Duration::from_secs(1), detail)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_is_an_id_and_a_verb() {
        let id = Uuid::now_v7();
        assert_eq!(action(&format!("{id}:cancel")), Some((id, "cancel")));
        for none in ["", ":", "x:cancel", &id.to_string()] {
            assert_eq!(action(none), None);
        }
    }
}
