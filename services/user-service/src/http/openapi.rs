//! The document of the REST API (`OpenAPI` 3.1), made of the handlers.

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
    paths(
        super::jwks::get,
        super::register::register,
        super::email::verify,
        super::email::resend,
        super::email::change,
        super::login::login,
        super::refresh::refresh,
        super::refresh::logout,
        super::password::forgot,
        super::password::reset,
        super::password::change,
        super::second_factor::enroll,
        super::second_factor::confirm,
        super::second_factor::remove,
        super::second_factor::verify,
        super::second_factor::recover,
        super::me::get,
        super::me::patch,
        super::me::delete,
        super::sessions::list,
        super::sessions::end,
        super::sessions::end_others,
        super::addresses::list,
        super::addresses::create,
        super::addresses::get,
        super::addresses::replace,
        super::addresses::delete,
        super::exports::request,
        super::exports::get,
        super::exports::content,
        super::audit::own,
        super::audit::of,
        super::admin::list,
        super::admin::get,
        super::admin::patch,
        super::admin::set_roles,
        super::admin::lock,
        super::admin::unlock,
    ),
    components(schemas(Problem, Place)),
    modifiers(&Bearer),
)]
struct Api;

/// The document, as it is committed.
pub fn document() -> Result<String, serde_json::Error> {
    Api::openapi().to_pretty_json().map(|json| json + "\n")
}
