//! What the REST API is, for others: `openapi.json`.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::{
    IntoResponses, OpenApi, ToSchema,
    openapi::{
        ContentBuilder, Ref, RefOr, Response, ResponseBuilder,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};

use super::{actions::described, carts, orders, payments, place, refunds, stream, webhooks};

/// What went wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    /// A name of the kind of problem
    r#type: String,
    title: String,
    status: u16,
    /// What programs decide by
    code: String,
    /// What to do
    detail: String,
    #[serde(rename = "correlationId")]
    correlation_id: Option<String>,
    errors: Option<Vec<Place>>,
}

/// One thing that is wrong, and where: one of pointer, parameter and header.
#[derive(Serialize, ToSchema)]
pub(super) struct Place {
    /// In the body (RFC 6901, as a fragment)
    pointer: Option<String>,
    /// In the path or the query
    parameter: Option<String>,
    /// In the headers
    header: Option<String>,
    detail: String,
}

/// Everything that is no success.
pub(super) struct Problems;

impl IntoResponses for Problems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description("What is wrong, and what to do")
            .content("application/problem+json", content)
            .build();
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "order-service", description = "Carts, orders and payments of the shop"),
    paths(
        carts::create,
        carts::get,
        carts::delete,
        carts::put,
        carts::remove,
        place::place,
        orders::list,
        orders::get,
        orders::events,
        stream::stream,
        described::cancel,
        described::ship,
        described::complete,
        payments::list,
        payments::create,
        payments::complete,
        refunds::list,
        refunds::create,
        webhooks::take,
    ),
    components(schemas(Problem, Place))
)]
struct Document;

/// The document.
pub fn document() -> utoipa::openapi::OpenApi {
    let mut document = Document::openapi();
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    document
}
