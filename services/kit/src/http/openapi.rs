//! What the description of a REST API (`OpenAPI` 3.1) has beside what stands at its handlers: names of operations that differ,
//! who may ask, what may go wrong, and what follows from an answer.

use serde::Serialize;
use utoipa::{
    ToSchema,
    openapi::{
        ComponentsBuilder, Content, KnownFormat, ObjectBuilder, OpenApi, Ref, RefOr, Response, SchemaFormat,
        Type,
        link::LinkBuilder,
        path::{Operation, Parameter, PathItem},
        security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme},
    },
};

use super::{idempotency, page};

/// The scheme of tokens, as handlers name it.
const BEARER: &str = "bearer";

/// What may become of any request.
const ANY: [&str; 2] = ["500", "503"];

/// What may become of a request that says something.
const SAYING: [&str; 1] = ["400"];

/// What may become of a request with a body.
const WITH_BODY: [&str; 4] = ["408", "413", "415", "422"];

/// What may become of a request about something.
const OF_SOMETHING: [&str; 1] = ["404"];

/// What may become of a request that says who makes it, and of one that has to.
const SIGNED: [&str; 1] = ["401"];
const FOR_SOME: [&str; 1] = ["403"];

/// What may become of a change, and of what is done once.
const CHANGING: [&str; 2] = ["412", "428"];
const ONCE: [&str; 1] = ["409"];

/// A key without quotes, or with them; the first and the last of a header are no spaces.
const KEY: &str = r#"^(?:[!#-~](?:[ -~]*[!-~])?|"(?:[ !#-\[\]-~]|\\["\\])+")$"#;

/// Something between the commas.
const TAGS: &str = r"^[ -~]*[!-+\--~][ -~]*$";

/// An answer that has what another request needs.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// The operation that gives the answer, such as `carts_create`, and the status of that.
    pub from: (&'static str, &'static str),
    /// The operation that the request is for.
    pub to: &'static str,
    /// Its parameters, and where in the answer they are: `("id", "$response.body#/id")`.
    pub parameters: &'static [(&'static str, &'static str)],
}

/// Why a description cannot be gone by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Two operations have one name.
    #[error("two operations are named {0}: give one an operation_id of its own")]
    Twice(String),
    /// A link is of no answer.
    #[error("there is no answer {1} of {0}, which a link is of")]
    From(&'static str, &'static str),
    /// A link leads nowhere.
    #[error("there is no operation {0} with a parameter {1}, which a link leads to")]
    To(&'static str, &'static str),
}

/// Adds it to what was made of the routes. An operation is named after its tag and its handler, and what may go wrong follows
/// from what it has; handlers only say what else may.
pub fn complete(mut openapi: OpenApi, links: &[Link]) -> Result<OpenApi, Fault> {
    let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let components = ComponentsBuilder::from(openapi.components.take().unwrap_or_default())
        .schema_from::<ProblemBody>()
        .schema_from::<ProblemDetail>()
        .security_scheme(BEARER, SecurityScheme::Http(scheme));
    openapi.components = Some(components.build());
    let mut names = Vec::new();
    for (path, item) in &mut openapi.paths.paths {
        for operation in operations(item) {
            operation.parameters.iter_mut().flatten().for_each(restrict);
            let name = name(operation);
            if names.contains(&name) {
                return Err(Fault::Twice(name));
            }
            operation.operation_id = Some(name.clone());
            names.push(name);
            add_outcomes(path, operation);
        }
    }
    for link in links {
        add_link(&mut openapi, link)?;
    }
    Ok(openapi)
}

fn name(operation: &Operation) -> String {
    let tag = operation.tags.iter().flatten().next().map(|tag| tag.replace(' ', "_") + "_");
    tag.unwrap_or_default() + operation.operation_id.as_deref().unwrap_or_default()
}

/// Says of a parameter that all services take in the same way what it may be.
fn restrict(parameter: &mut RefOr<Parameter>) {
    let RefOr::T(parameter) = parameter else { return };
    let text = ObjectBuilder::new().schema_type(Type::String);
    let schema = match parameter.name.as_str() {
        "limit" => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int32)))
            .minimum(Some(1))
            .maximum(Some(page::MAX)),
        "Idempotency-Key" => text.max_length(Some(idempotency::MAX)).pattern(Some(KEY)),
        "If-Match" => text.pattern(Some(TAGS)),
        _ => return,
    };
    parameter.schema = Some(RefOr::T(schema.build().into()));
}

fn add_outcomes(path: &str, operation: &mut Operation) {
    let statuses: Vec<_> = outcomes(path, operation).collect();
    let responses = &mut operation.responses.responses;
    for status in statuses {
        responses.entry(status.to_owned()).or_insert_with(|| RefOr::T(Response::default()));
    }
    for (status, response) in responses {
        if let RefOr::T(response) = response {
            explain(status, response);
        }
    }
}

/// What may become of an operation, by what it has.
fn outcomes(path: &str, operation: &Operation) -> impl Iterator<Item = &'static str> + use<> {
    let parameters = operation.parameters.as_deref().unwrap_or_default();
    let requirements = operation.security.as_deref().unwrap_or_default();
    let has_body = operation.request_body.is_some();
    let has = |name| parameters.iter().any(|one| matches!(one, RefOr::T(one) if one.name == name));
    // One that is empty lets in those who do not say who they are.
    let is_for_all = requirements.contains(&SecurityRequirement::default());
    [
        (true, ANY.as_slice()),
        (has_body || !parameters.is_empty(), &SAYING),
        (has_body, &WITH_BODY),
        (path.contains('{'), &OF_SOMETHING),
        (!requirements.is_empty(), &SIGNED),
        (!requirements.is_empty() && !is_for_all, &FOR_SOME),
        (has("If-Match"), &CHANGING),
        (has("Idempotency-Key"), &ONCE),
    ]
    .into_iter()
    .filter_map(|(is_so, statuses)| is_so.then_some(statuses))
    .flatten()
    .copied()
}

/// Says of an answer that is a problem that it is one.
fn explain(status: &str, response: &mut Response) {
    let meaning = match status {
        "400" => "Something of the request cannot be taken",
        "401" => "The token is missing, is none, or has expired",
        "403" => "It is not for whoever asks",
        "404" => "There is no such thing",
        "408" => "The body comes too slowly",
        "409" => "It cannot be so beside what is there",
        "412" => "Somebody has changed it",
        "413" => "The body is too large",
        "415" => "The body is of another kind",
        "422" => "A value of the body cannot be taken",
        "428" => "If-Match is missing",
        "429" => "There were too many of these: see Retry-After",
        "500" => "The service failed",
        "503" => "It cannot be done now: see Retry-After",
        _ => return,
    };
    if response.description.is_empty() {
        meaning.clone_into(&mut response.description);
    }
    if response.content.is_empty() {
        let content = Content::new(Some(Ref::from_schema_name("Problem")));
        response.content.insert("application/problem+json".to_owned(), RefOr::T(content));
    }
}

fn add_link(openapi: &mut OpenApi, link: &Link) -> Result<(), Fault> {
    let mut built = LinkBuilder::new().operation_id(link.to);
    for (parameter, place) in link.parameters {
        let has = |one: &RefOr<Parameter>| matches!(one, RefOr::T(one) if one.name == *parameter);
        let target = find(openapi, link.to).and_then(|operation| operation.parameters.as_ref());
        if !target.is_some_and(|parameters| parameters.iter().any(has)) {
            return Err(Fault::To(link.to, parameter));
        }
        built = built.parameter(*parameter, *place);
    }
    let (from, status) = link.from;
    let answer = find(openapi, from).and_then(|operation| operation.responses.responses.get_mut(status));
    let Some(RefOr::T(answer)) = answer else {
        return Err(Fault::From(from, status));
    };
    answer.links.insert(link.to.to_owned(), RefOr::T(built.build()));
    Ok(())
}

fn find<'a>(openapi: &'a mut OpenApi, id: &str) -> Option<&'a mut Operation> {
    let mut all = openapi.paths.paths.values_mut().flat_map(operations);
    all.find(|operation| operation.operation_id.as_deref() == Some(id))
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().flatten()
}

/// An error (RFC 9457), as it is described.
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
struct ProblemBody {
    /// What kind it is, as an address
    #[serde(rename = "type")]
    kind: String,
    /// The status in words
    title: String,
    /// The status
    status: u16,
    /// What kind it is, for programs
    code: String,
    /// What to do
    detail: String,
    /// The id of the request in all logs
    #[serde(rename = "correlationId", skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    /// What is wrong, one by one
    #[serde(skip_serializing_if = "Option::is_none")]
    errors: Option<Vec<ProblemDetail>>,
}

/// One thing that is wrong: in the body (`pointer`), in the path or query (`parameter`), or in the headers (`header`).
#[derive(Serialize, ToSchema)]
struct ProblemDetail {
    /// A fragment with a JSON pointer (RFC 6901)
    pointer: Option<String>,
    /// A name
    parameter: Option<String>,
    /// A name
    header: Option<String>,
    /// What to write
    detail: String,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::OpenApi as _;

    use super::*;

    #[utoipa::path(post, path = "/carts", tag = "carts", request_body = String, security(("bearer" = [])),
        responses((status = 201), (status = 409, description = "There are too many")))]
    #[expect(dead_code, reason = "only its description is of use")]
    fn create() {}

    #[utoipa::path(put, path = "/carts/{id}", tag = "carts",
        params(("id" = String, Path), ("If-Match" = String, Header)), responses((status = 200)))]
    #[expect(dead_code, reason = "only its description is of use")]
    fn put() {}

    #[utoipa::path(get, path = "/free", tag = "carts", operation_id = "create", responses((status = 200)))]
    #[expect(dead_code, reason = "only its description is of use")]
    fn again() {}

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(create, put))]
    struct Api;

    #[derive(utoipa::OpenApi)]
    #[openapi(paths(create, again))]
    struct Twice;

    const LINK: Link = Link {
        from: ("carts_create", "201"),
        to: "carts_put",
        parameters: &[("id", "$response.body#/id"), ("If-Match", "$response.header.ETag")],
    };

    fn statuses(document: &Value, pointer: &str) -> Vec<String> {
        let responses = document.pointer(pointer).and_then(|operation| operation["responses"].as_object());
        responses.unwrap().keys().cloned().collect()
    }

    #[test]
    fn what_may_go_wrong_follows_from_what_an_operation_has() {
        let document = serde_json::to_value(complete(Api::openapi(), &[LINK]).unwrap()).unwrap();
        let of_create = ["201", "400", "401", "403", "408", "409", "413", "415", "422", "500", "503"];
        assert_eq!(statuses(&document, "/paths/~1carts/post"), of_create);
        let of_put = ["200", "400", "404", "412", "428", "500", "503"];
        assert_eq!(statuses(&document, "/paths/~1carts~1{id}/put"), of_put);
        let answers = &document["paths"]["/carts"]["post"]["responses"];
        assert_eq!(answers["409"]["description"], "There are too many");
        for status in ["409", "401"] {
            let content = &answers[status]["content"]["application/problem+json"];
            assert_eq!(content["schema"]["$ref"], "#/components/schemas/Problem", "{status}");
        }
        assert_eq!(answers["201"].get("content"), None);
        let parameters = json!({ "id": "$response.body#/id", "If-Match": "$response.header.ETag" });
        let link = json!({ "operationId": "carts_put", "parameters": parameters });
        assert_eq!(answers["201"]["links"]["carts_put"], link);
        assert_eq!(document["components"]["schemas"]["Problem"]["required"][0], "type");
    }

    #[test]
    fn what_cannot_be_gone_by_is_told() {
        assert_eq!(complete(Twice::openapi(), &[]).err(), Some(Fault::Twice("carts_create".to_owned())));
        let to = |to| Link { to, ..LINK };
        assert_eq!(
            complete(Api::openapi(), &[to("carts_create")]).err(),
            Some(Fault::To("carts_create", "id"))
        );
        let from = |status| Link { from: ("carts_create", status), ..LINK };
        assert_eq!(complete(Api::openapi(), &[from("200")]).err(), Some(Fault::From("carts_create", "200")));
    }
}
