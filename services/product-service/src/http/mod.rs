//! The REST API. Its description is made of the same routes, so that it has all of them: see `openapi.json`.

mod categories;
mod description;
mod facets;
pub(crate) mod failure;
mod filter;
mod images;
mod imports;
mod merge;
mod products;
mod search;
mod sent;
mod stock;
mod variants;

use axum::Router;
use flotilla_kit::http::openapi::{self, Fault};
use utoipa::OpenApi;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::app::App;

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(description::Description::openapi())
        .routes(routes!(products::list, products::create))
        .routes(routes!(products::read, products::replace, products::patch, products::delete))
        .routes(routes!(images::read, images::replace))
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
        .routes(routes!(facets::read))
}

/// All routes.
pub fn router(app: App) -> Router {
    routes().split_for_parts().0.with_state(app)
}

/// Their description.
pub fn openapi() -> Result<utoipa::openapi::OpenApi, Fault> {
    openapi::complete(routes().split_for_parts().1, &description::LINKS)
}
