//! Placing an order.

use axum::{extract::State, http::Uri};
use flotilla_kit::http::idempotency::IdempotencyKey;

use super::{Answer, body::Repeatable};
use crate::{
    actions::{Principal, once::Once, place},
    app::App,
    shape::{self, NewOrder},
};

/// Places an order. What becomes of it is to be seen at its Location.
#[utoipa::path(post, path = "/v1/orders", tag = "orders", request_body = NewOrder, security(("bearer" = [])), params(
    ("Idempotency-Key" = String, Header, description = "A new one for each order; the same one to repeat a request"),
), responses(
    (status = 202, description = "The order, as it is now", body = shape::Order, headers(("Location" = String), ("ETag" = String))),
))]
pub(super) async fn place(
    State(app): State<App>,
    principal: Principal,
    key: IdempotencyKey,
    uri: Uri,
    Repeatable { value: new, bytes }: Repeatable<NewOrder>,
) -> Answer {
    let once = Once { key: &key, path: uri.path(), body: &bytes };
    place::place(&app, &principal, &once, &new).await
}
