//! What the description of the API says beside its routes.

use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, Response,
        path::{Operation, PathItem},
        response::ResponseBuilder,
        security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme},
    },
};

use super::failure::ProblemBody;

/// What may become of any request.
const ANY: [Outcome; 2] = [("500", "The service failed"), ("503", "It cannot be done now: see Retry-After")];

/// What may become of a request that says something.
const SAYING: [Outcome; 1] = [("400", "Something of the request cannot be taken")];

/// What may become of a request with a body.
const WITH_BODY: [Outcome; 4] = [
    ("408", "The body comes too slowly"),
    ("413", "The body is too large"),
    ("415", "The body is of another kind"),
    ("422", "A value of the body cannot be taken"),
];

/// What may become of a request about something.
const OF_SOMETHING: [Outcome; 1] = [("404", "There is no such thing")];

/// What may become of a request that says who makes it, and of one that has to.
const SIGNED: [Outcome; 1] = [("401", "The token is none, or has expired")];
const FOR_KEEPERS: [Outcome; 1] = [("403", "It is for those who keep the catalogue")];

/// What may become of a change.
const CHANGING: [Outcome; 2] = [("412", "Somebody has changed it"), ("428", "If-Match is missing")];

/// A status, and what it means.
type Outcome = (&'static str, &'static str);

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

/// Adds what may become of each request, by what it has: only what is special stands at the handlers.
pub(super) fn complete(mut openapi: utoipa::openapi::OpenApi) -> utoipa::openapi::OpenApi {
    for (path, item) in &mut openapi.paths.paths {
        for operation in operations(item) {
            let more: Vec<_> = outcomes(path, operation).collect();
            for (status, description) in more {
                let responses = &mut operation.responses.responses;
                responses.entry(status.to_owned()).or_insert_with(|| problem(description).into());
            }
        }
    }
    openapi
}

fn outcomes(path: &str, operation: &Operation) -> impl Iterator<Item = Outcome> + use<> {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let requirements = operation.security.as_deref().unwrap_or_default();
    let has_body = operation.request_body.is_some();
    let is_changing = parameters
        .iter()
        .any(|parameter| matches!(parameter, RefOr::T(parameter) if parameter.name == "If-Match"));
    // One that is empty lets in those who do not say who they are.
    let is_for_all = requirements.contains(&SecurityRequirement::default());
    [
        (true, ANY.as_slice()),
        (has_body || !parameters.is_empty(), &SAYING),
        (has_body, &WITH_BODY),
        (path.contains('{'), &OF_SOMETHING),
        (!requirements.is_empty(), &SIGNED),
        (!requirements.is_empty() && !is_for_all, &FOR_KEEPERS),
        (is_changing, &CHANGING),
    ]
    .into_iter()
    .filter_map(|(is_so, outcomes)| is_so.then_some(outcomes))
    .flatten()
    .copied()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

fn problem(description: &str) -> Response {
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    ResponseBuilder::new().description(description).content("application/problem+json", content).build()
}
