//! What the description of the API says beside its routes.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, Response,
        path::{Operation, PathItem},
        response::ResponseBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use super::failure::ProblemBody;

/// What may become of any request.
const ANY: [(&str, &str); 2] =
    [("500", "The service failed"), ("503", "It cannot be done now: see Retry-After")];

/// What may become of a request with a body.
const WITH_BODY: [(&str, &str); 3] = [
    ("408", "The body comes too slowly"),
    ("413", "The body is too large"),
    ("415", "The body is of another kind"),
];

/// What comes first.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Flotilla shop: product-service",
        description = "What the shop sells: catalogue, categories, search and stock. Errors are problem+json (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    components(schemas(ProblemBody)),
    modifiers(&Bearer),
)]
pub(super) struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// Adds what may become of any request.
pub(super) fn complete(mut openapi: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for operation in openapi.paths.paths.values_mut().flat_map(operations) {
        let with_body = operation.request_body.is_some();
        let more = ANY.iter().chain(WITH_BODY.iter().filter(|_| with_body));
        for (status, description) in more {
            let responses = &mut operation.responses.responses;
            responses.entry((*status).to_owned()).or_insert_with(|| problem(description).into());
        }
    }
    openapi
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
