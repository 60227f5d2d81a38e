//! The REST API. Its description is made of the same routes, so that it has all of them: see `openapi.json`.

mod categories;
mod failure;
mod imports;
mod merge;
mod products;
mod search;
mod sent;
mod stock;
mod variants;
mod visitor;

use axum::Router;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{Http, HttpAuthScheme, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

/// What every description says first.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flotilla shop: product-service",
        description = "What the shop sells: catalogue, categories, search and stock. Errors are problem+json (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(failure::ProblemBody)),
    modifiers(&Bearer),
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Description::openapi())
        .routes(routes!(products::list, products::create))
        .routes(routes!(products::read, products::replace, products::patch, products::delete))
        .routes(routes!(variants::list, variants::add))
        .routes(routes!(variants::replace, variants::delete))
        .routes(routes!(categories::tree, categories::create))
        .routes(routes!(categories::read, categories::replace, categories::delete))
        .routes(routes!(stock::read))
        .routes(routes!(stock::adjust))
        .routes(routes!(stock::lay_out))
        .routes(routes!(stock::movements))
        .routes(routes!(imports::create))
        .routes(routes!(imports::read))
        .routes(routes!(imports::errors))
        .routes(routes!(search::suggest))
}

/// All routes.
pub fn router(app: App) -> Router {
    routes().split_for_parts().0.with_state(app)
}

/// Their description.
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().split_for_parts().1
}
