//! The REST API: one file for each resource. Its document is made of the same routes, so that it has all of them.

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
};
use flotilla_kit::http::{
    Problem,
    openapi::{Fault, complete},
};
use tokio::time::{Instant, sleep_until};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

/// An answer that must not tell whether there is somebody comes after a multiple of this: whatever else one of them takes to make
/// is a small part of it.
const FLOOR: Duration = Duration::from_millis(100);

/// What a handler answers.
type Answer = Result<Response, Problem>;

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::Description::openapi())
        .routes(routes!(jwks::get))
        .routes(routes!(register::register))
        .routes(routes!(email::verify))
        .routes(routes!(email::resend))
        .routes(routes!(login::login))
        .routes(routes!(refresh::refresh))
        .routes(routes!(refresh::logout))
        .routes(routes!(password::forgot))
        .routes(routes!(password::reset))
        .routes(routes!(second_factor::remove))
        .routes(routes!(second_factor::enroll))
        .routes(routes!(second_factor::confirm))
        .routes(routes!(second_factor::verify))
        .routes(routes!(second_factor::recover))
        .routes(routes!(me::get, me::patch, me::delete))
        .routes(routes!(password::change))
        .routes(routes!(email::change))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end))
        .routes(routes!(addresses::list, addresses::create))
        .routes(routes!(addresses::get, addresses::replace, addresses::delete))
        .routes(routes!(exports::request))
        .routes(routes!(exports::get))
        .routes(routes!(exports::content))
        .routes(routes!(audit::own))
        .routes(routes!(admin::list))
        .routes(routes!(admin::get, admin::patch))
        .routes(routes!(admin::set_roles))
        .routes(routes!(admin::lock))
        .routes(routes!(admin::unlock))
        .routes(routes!(audit::of))
}

/// All routes.
pub fn router(app: App) -> Router {
    routes().split_for_parts().0.with_state(app)
}

/// The document that describes them (`OpenAPI` 3.1), as it is committed.
pub fn document() -> Result<utoipa::openapi::OpenApi, Fault> {
    complete(routes().split_for_parts().1, &openapi::LINKS)
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
