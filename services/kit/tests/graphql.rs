//! What a service answers over GraphQL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::unused_async,
    missing_docs,
    reason = "tests"
)]

use async_graphql::{
    Context, EmptyMutation, EmptySubscription, ID, Object, Schema, SchemaBuilder, SimpleObject,
    dataloader::DataLoader,
};
use axum::{
    body::Body,
    extract::FromRequestParts,
    http::{HeaderMap, StatusCode, request::Parts},
};
use flotilla_kit::{
    auth::Refused,
    graphql::{self, Asker},
    http::Problem,
};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

/// Somebody whose token is their name.
#[derive(Clone, Debug)]
struct Somebody(String);

impl<S: Send + Sync> FromRequestParts<S> for Somebody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let name = parts.headers["authorization"].to_str().unwrap().to_owned();
        if name == "eve" { Err(Refused::Expired.into()) } else { Ok(Self(name)) }
    }
}

#[derive(SimpleObject)]
struct User {
    id: ID,
}

/// The state of a service.
#[derive(Clone)]
struct Shelf(&'static str);

/// What its loader reads.
struct Books(String);

struct Query;

#[Object]
impl Query {
    async fn me(&self, context: &Context<'_>) -> Result<User, Problem> {
        Ok(User { id: Asker::<Somebody>::of(context)?.0.as_str().into() })
    }

    async fn broken(&self) -> Result<Option<User>, Problem> {
        Err(std::io::Error::other("the password of the database")).map_err(|error| Problem::internal(&error))
    }

    async fn wrong(&self) -> Option<Result<User, Problem>> {
        let detail = "there are too many";
        Some(Err(Problem::new(StatusCode::CONFLICT, "too_many", detail).at("/lines/0", "is one too many")))
    }

    #[graphql(complexity = "limit as usize * child_complexity")]
    async fn users(&self, limit: u32) -> Vec<User> {
        (0..limit).map(|id| User { id: id.into() }).collect()
    }

    async fn shelf(&self, context: &Context<'_>) -> Vec<String> {
        let shelf = context.data_unchecked::<Shelf>().0.to_owned();
        vec![shelf, context.data_unchecked::<DataLoader<Books>>().loader().0.clone()]
    }

    #[graphql(entity)]
    async fn user(&self, id: ID) -> User {
        User { id }
    }
}

fn builder() -> SchemaBuilder<Query, EmptyMutation, EmptySubscription> {
    Schema::build(Query, EmptyMutation, EmptySubscription)
}

async fn ask(headers: &[(&str, &str)], body: &Value) -> (StatusCode, HeaderMap, Value) {
    let router = graphql::router::<Asker<Somebody>, _, _>(Shelf("poems"), builder(), |shelf| {
        Books(format!("books of {}", shelf.0))
    });
    let mut request = axum::http::Request::post("/graphql").header("content-type", "application/json");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = router.oneshot(request.body(Body::from(body.to_string())).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap())
}

async fn query(text: &str) -> Value {
    let (status, headers, body) = ask(&[], &json!({ "query": text })).await;
    assert_eq!((status, &headers["content-type"]), (StatusCode::OK, &"application/json".parse().unwrap()));
    assert_eq!(headers["cache-control"], "no-store");
    body
}

#[tokio::test]
async fn resolvers_have_the_state_of_the_service_and_a_loader_made_of_it() {
    let body = query("{ shelf }").await;
    assert_eq!(body["data"]["shelf"], json!(["poems", "books of poems"]), "{body}");
}

#[tokio::test]
async fn whoever_asks_is_known_to_resolvers() {
    let me = json!({ "query": "{ me { id } }", "variables": null });
    let (_, _, body) = ask(&[("authorization", "ann")], &me).await;
    assert_eq!(body, json!({ "data": { "me": { "id": "ann" } } }));
    let body = query("{ me { id } }").await;
    assert_eq!(
        (&body["data"], &body["errors"][0]["extensions"]["code"]),
        (&Value::Null, &json!("token_missing"))
    );
    // Who is not to be believed is nobody.
    let (status, headers, body) = ask(&[("authorization", "eve")], &me).await;
    assert_eq!((status, body["code"].as_str()), (StatusCode::UNAUTHORIZED, Some("token_expired")));
    assert_eq!(headers["content-type"], "application/problem+json");
}

#[tokio::test]
async fn what_goes_wrong_is_told_as_rest_tells_it() {
    let body = query("{ wrong { id } }").await;
    assert_eq!(body["data"], json!({ "wrong": null }));
    let error = &body["errors"][0];
    assert_eq!((error["message"].as_str(), &error["path"]), (Some("there are too many"), &json!(["wrong"])));
    let extensions = json!({
        "code": "too_many", "status": 409, "errors": [{ "pointer": "#/lines/0", "detail": "is one too many" }],
    });
    assert_eq!(error["extensions"], extensions);
    let text = query("{ broken { id } }").await.to_string();
    assert!(text.contains("\"internal\"") && !text.contains("password"), "{text}");
}

#[tokio::test]
async fn a_query_that_costs_too_much_or_is_none_does_nothing() {
    let deep = format!("{{ __schema {{ types {}{} }} }}", "{ fields { type ".repeat(9), "}".repeat(18));
    for (text, message) in [
        ("{ me { ", "expected"),
        ("", "expected"),
        ("{ nothing }", "Unknown field"),
        (&deep, "nested too deep"),
        ("{ users(limit: 2001) { id } }", "too complex"),
        ("{ users(limit: 1001) { id a: id } }", "too complex"),
        (&"{".repeat(100_000), "brackets"),
        (&format!("{{ me {{ id {} }} }}", "@skip(if: false)".repeat(9)), "directives"),
        ("{ ...a } fragment a on Query { ...a ...a }", "within each other"),
    ] {
        let body = query(text).await;
        let error = &body["errors"][0];
        assert!(error["message"].as_str().unwrap().contains(message), "{text}: {body}");
        assert_eq!((&body["data"], &error["extensions"]["code"]), (&Value::Null, &json!("invalid_query")));
    }
    let accepts = [("accept", "application/graphql-response+json, application/json;q=0.9")];
    let (status, headers, _) = ask(&accepts, &json!({ "query": "{ nothing }" })).await;
    assert_eq!(
        (status, headers["content-type"].to_str().unwrap()),
        (StatusCode::BAD_REQUEST, accepts[0].1.split(',').next().unwrap())
    );
    // It was one, and nobody may have the answer.
    assert_eq!(ask(&accepts, &json!({ "query": "{ me { id } }" })).await.0, StatusCode::OK);
    for bad in [json!({ "query": 5 }), json!([{ "query": "{ me { id } }" }])] {
        let (status, _, body) = ask(&[], &bad).await;
        assert_eq!(
            (status, body["code"].as_str()),
            (StatusCode::UNPROCESSABLE_ENTITY, Some("invalid_body")),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn tools_may_ask_for_the_schema_and_others_for_entities() {
    // As graphql-js writes it.
    let introspection = "query IntrospectionQuery { __schema {
        queryType { name } mutationType { name } subscriptionType { name } types { ...FullType }
        directives { name description locations args { ...InputValue } } } }
        fragment FullType on __Type { kind name description
            fields(includeDeprecated: true) { name description args { ...InputValue } type { ...TypeRef } isDeprecated deprecationReason }
            inputFields { ...InputValue } interfaces { ...TypeRef }
            enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } }
        fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue }
        fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name
            ofType { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } } } } } } } }";
    let body = query(introspection).await;
    assert!(
        body.get("errors").is_none() && body["data"]["__schema"]["queryType"]["name"] == "Query",
        "{body}"
    );
    let body =
        query("{ _entities(representations: [{ __typename: \"User\", id: \"7\" }]) { ... on User { id } } }")
            .await;
    assert_eq!(body["data"]["_entities"][0]["id"], "7");
    let body = query("{ _service { sdl } }").await;
    let sdl = graphql::sdl(builder());
    assert!(sdl.contains("type User @key(fields: \"id\")") && sdl.ends_with(")\n"), "{sdl}");
    assert!(body["data"]["_service"]["sdl"].as_str().unwrap().contains("@key(fields: \"id\")"));
}
