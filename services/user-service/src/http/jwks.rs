//! The keys that others check tokens with.

use axum::{
    extract::State,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::Json;

use crate::app::App;

/// The keys, the next one with them (RFC 7517).
#[utoipa::path(get, path = "/.well-known/jwks.json", tag = "keys", responses(
    (status = 200, description = "The keys that tokens are signed with, the next one with them", body = serde_json::Value),
))]
pub(super) async fn get(State(app): State<App>) -> Response {
    let mut response = Json(app.keyring.jwks()).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    response
}
