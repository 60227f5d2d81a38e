//! The REST API: one file for each resource.

mod addresses;
mod admin;
mod audit;
mod email;
mod exports;
mod jwks;
mod login;
mod me;
mod openapi;
mod password;
mod problems;
mod refresh;
mod register;
mod second_factor;
mod sessions;
mod shape;
mod tokens;

use std::time::Duration;

use axum::{
    Router,
    http::{HeaderValue, header},
    response::Response,
    routing::{delete, get, post, put},
};
use flotilla_kit::http::Problem;
use tokio::time::{Instant, sleep_until};

pub use self::openapi::document;
use crate::app::App;

/// An answer that must not tell whether there is somebody comes after a multiple of this: whatever else one of them takes to make
/// is a small part of it.
const FLOOR: Duration = Duration::from_millis(100);

/// What a handler answers.
type Answer = Result<Response, Problem>;

/// All routes.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/.well-known/jwks.json", get(jwks::get))
        .route("/v1/auth/register", post(register::register))
        .route("/v1/auth/verify-email", post(email::verify))
        .route("/v1/auth/resend-verification", post(email::resend))
        .route("/v1/auth/login", post(login::login))
        .route("/v1/auth/refresh", post(refresh::refresh))
        .route("/v1/auth/logout", post(refresh::logout))
        .route("/v1/auth/forgot-password", post(password::forgot))
        .route("/v1/auth/reset-password", post(password::reset))
        .route("/v1/auth/mfa/totp", delete(second_factor::remove))
        .route("/v1/auth/mfa/totp/enroll", post(second_factor::enroll))
        .route("/v1/auth/mfa/totp/confirm", post(second_factor::confirm))
        .route("/v1/auth/mfa/totp/verify", post(second_factor::verify))
        .route("/v1/auth/mfa/recovery", post(second_factor::recover))
        .route("/v1/users/me", get(me::get).patch(me::patch).delete(me::delete))
        .route("/v1/users/me/password", post(password::change))
        .route("/v1/users/me/email", post(email::change))
        .route("/v1/users/me/sessions", get(sessions::list).delete(sessions::end_others))
        .route("/v1/users/me/sessions/{id}", delete(sessions::end))
        .route("/v1/users/me/addresses", get(addresses::list).post(addresses::create))
        .route(
            "/v1/users/me/addresses/{id}",
            get(addresses::get).put(addresses::replace).delete(addresses::delete),
        )
        .route("/v1/users/me/export", post(exports::request))
        .route("/v1/users/me/export/{id}", get(exports::get))
        .route("/v1/users/me/export/{id}/content", get(exports::content))
        .route("/v1/users/me/audit", get(audit::own))
        .route("/v1/users", get(admin::list))
        .route("/v1/users/{id}", get(admin::get).patch(admin::patch))
        .route("/v1/users/{id}/roles", put(admin::set_roles))
        .route("/v1/users/{id}/lock", post(admin::lock))
        .route("/v1/users/{id}/unlock", post(admin::unlock))
        .route("/v1/users/{id}/audit", get(audit::of))
        .with_state(app)
}

/// An answer that nobody keeps.
fn private(mut response: Response) -> Response {
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Waits until an answer that began then tells nothing by its time.
async fn floor(began: Instant) {
    let floors = began.elapsed().as_millis() / FLOOR.as_millis() + 1;
    sleep_until(began + FLOOR * u32::try_from(floors).unwrap_or(u32::MAX)).await;
}
