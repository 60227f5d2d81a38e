//! What the document of the REST API says beside its routes.

use std::collections::BTreeMap;

use serde::Serialize;
use utoipa::{
    IntoResponses, Modify, OpenApi, ToSchema,
    openapi::{
        Components, ContentBuilder, OpenApi as Document, Ref, RefOr, Response, ResponseBuilder,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

/// What went wrong (RFC 9457).
#[derive(Serialize, ToSchema)]
pub(super) struct Problem {
    /// What kind it is, for programs that have seen others.
    r#type: String,
    title: String,
    status: u16,
    /// What kind it is, in a word.
    code: String,
    /// What to do.
    detail: String,
    #[serde(rename = "correlationId")]
    correlation_id: Option<String>,
    /// Where it is.
    errors: Option<Vec<Place>>,
}

/// Where something is wrong: in the body, in a parameter, or in a header.
#[derive(Serialize, ToSchema)]
pub(super) struct Place {
    /// A fragment with a JSON pointer.
    pointer: Option<String>,
    parameter: Option<String>,
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

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, document: &mut Document) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_with(Components::new).add_security_scheme("bearer", scheme);
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "user-service", description = "Who people are: accounts, sessions, roles and addresses of the shop."),
    components(schemas(Problem, Place)),
    modifiers(&Bearer),
)]
struct Description;

/// What it says beside its routes.
pub(super) fn description() -> Document {
    Description::openapi()
}
