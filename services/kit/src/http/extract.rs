//! Extractors whose rejections are problems that name what is wrong. What a client sent is not repeated in them: it may be a
//! password of the wrong type.

use std::error::Error as _;

use axum::{
    extract::{
        FromRequest, FromRequestParts, Request,
        path::{ErrorKind, Path as AxumPath},
        rejection::PathRejection,
    },
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use http_body_util::BodyExt;
use serde::{
    Serialize,
    de::{DeserializeOwned, IgnoredAny},
};
use serde_path_to_error::Segment;

use super::{Problem, layer::BodyError};

/// Bytes of an answer for which there is room from the start, as most need no more: to move what is written already to where
/// there is more room, time and again, takes as long as to write it.
const USUAL: usize = 8 * 1024;

/// A body of JSON, or an answer in it.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

/// The parameters of a query.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

/// The parameters of a path.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

/// A body as it came, for what is signed.
#[derive(Clone, Debug)]
pub struct RawBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        match request.into_body().collect().await {
            Ok(body) => Ok(Self(body.to_bytes())),
            Err(error) => Err(body_problem(&error)),
        }
    }
}

fn body_problem(error: &axum::Error) -> Problem {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<BodyError>() {
            return error.into();
        }
        source = error.source();
    }
    Problem::new(StatusCode::BAD_REQUEST, "incomplete_body", "the body ended before it was whole")
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let detail = "send the body as application/json";
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail);
            return Err(problem.of_header("Content-Type", "must be application/json"));
        }
        let RawBody(body) = RawBody::from_request(request, state).await?;
        parse(&body).map(Self)
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        let mut text = Vec::with_capacity(USUAL);
        match serde_json::to_writer(&mut text, &self.0) {
            Ok(()) => ([(header::CONTENT_TYPE, "application/json")], text).into_response(),
            Err(error) => Problem::internal(&error).into_response(),
        }
    }
}

/// RFC 6839: `application/json`, or something that ends with `+json`.
fn is_json(headers: &HeaderMap) -> bool {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let suffix = essence.strip_prefix("application/").and_then(|subtype| subtype.strip_suffix("+json"));
    essence == "application/json" || suffix.is_some_and(|name| !name.is_empty())
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let pointer = pointer(error.path());
        let error = error.into_inner();
        if error.is_data() || is_well_formed(body) {
            let detail = "the body has a value that cannot be taken; errors says which";
            return Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", detail)
                .at(&pointer, reason(&error.to_string()));
        }
        malformed(&error).at(&pointer, "the JSON ends or breaks here")
    })?;
    json.end().map_err(|error| malformed(&error))?;
    Ok(value)
}

/// Of some values of another type, such as a number in place of an enumeration, the parser says that the JSON is none.
fn is_well_formed(body: &[u8]) -> bool {
    std::str::from_utf8(body).is_ok_and(|text| serde_json::from_str::<IgnoredAny>(text).is_ok())
}

fn malformed(error: &serde_json::Error) -> Problem {
    let detail = format!("the body is no JSON: see line {}, column {}", error.line(), error.column());
    Problem::new(StatusCode::BAD_REQUEST, "malformed_body", detail)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    let token = |segment: &Segment| match segment {
        Segment::Seq { index } => format!("/{index}"),
        Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Segment::Enum { variant } => format!("/{variant}"),
        Segment::Unknown => String::new(),
    };
    path.iter().map(token).collect()
}

/// What serde says, without where in the text that is, and without the value: `invalid type: string "x", expected u8`.
fn reason(message: &str) -> String {
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let is_of_value = ["invalid type: ", "invalid value: ", "invalid length "];
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if is_of_value.iter().any(|start| message.starts_with(start)) => {
            format!("expected {expected}")
        }
        _ => message.to_owned(),
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(pairs).map(Self).map_err(|error| {
            let name = pointer(error.path()).trim_start_matches('/').to_owned();
            let reason = reason(&error.into_inner().to_string());
            let detail = "a parameter of the query cannot be taken; errors says which";
            Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail).parameter(name, reason)
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let AxumPath(value) = AxumPath::from_request_parts(parts, state).await.map_err(path_problem)?;
        Ok(Self(value))
    }
}

fn path_problem(rejection: PathRejection) -> Problem {
    let PathRejection::FailedToDeserializePathParams(error) = rejection else {
        return Problem::internal(&rejection);
    };
    let (name, reason) = match error.into_kind() {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => (key, format!("expected {expected_type}")),
        ErrorKind::ParseErrorAtIndex { index, expected_type, .. } => {
            (index.to_string(), format!("expected {expected_type}"))
        }
        ErrorKind::ParseError { expected_type, .. } => (String::new(), format!("expected {expected_type}")),
        ErrorKind::DeserializeError { key, message, .. } => (key, reason(&message)),
        ErrorKind::InvalidUtf8InPathParam { key } => (key, "expected UTF-8".to_owned()),
        // The handler and its route do not agree.
        other => return Problem::internal(&std::io::Error::other(other.to_string())),
    };
    let detail = "a part of the path cannot be taken; errors says which";
    Problem::new(StatusCode::BAD_REQUEST, "invalid_parameter", detail).parameter(name, reason)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::Value;

    use super::*;
    use crate::Secret;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Order {
        lines: Vec<Line>,
        note: Option<Secret<String>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only read by serde")]
    struct Line {
        #[serde(rename = "a/b")]
        quantity: u8,
    }

    async fn problem(body: &[u8]) -> (u16, Value) {
        let problem = parse::<Order>(body).unwrap_err();
        let status = problem.status().as_u16();
        let bytes = problem.into_response().into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_taken_is_a_problem_with_a_pointer() {
        for (body, status, pointer, detail) in [
            (r#"{"lines":[{"a/b":1},{"a/b":"secret"}]}"#, 422, "#/lines/1/a~1b", "expected u8"),
            (r#"{"lines":[{"a/b":300}]}"#, 422, "#/lines/0/a~1b", "expected u8"),
            (r#"{"lines":[{"a/b":-1}]}"#, 422, "#/lines/0/a~1b", "expected u8"),
            (r#"{"lines":[{}]}"#, 422, "#/lines/0", "missing field `a/b`"),
            (
                r#"{"lines":[],"secret":1}"#,
                422,
                "#/secret",
                "unknown field `secret`, expected `lines` or `note`",
            ),
            (r#"{"lines":[],"note":["secret"]}"#, 422, "#/note", "expected a string"),
            ("[]", 422, "#", "expected struct Order with 2 elements"),
            (r#"{"lines":[{"a/b":1},"#, 400, "#/lines", "the JSON ends or breaks here"),
            ("", 400, "#", "the JSON ends or breaks here"),
            ("{\"lines\":[\u{1}]}", 400, "#/lines/0", "the JSON ends or breaks here"),
        ] {
            let (found, problem) = problem(body.as_bytes()).await;
            assert_eq!(found, status, "{body}: {problem}");
            let error = &problem["errors"][0];
            assert_eq!(
                (error["pointer"].as_str(), error["detail"].as_str()),
                (Some(pointer), Some(detail)),
                "{body}"
            );
        }
        assert_eq!(problem(br#"{"lines":[]} and more"#).await.0, 400);
        assert_eq!(problem(b"{\"lines\":[],\"note\":\"\xff\"}").await.0, 400);
    }

    #[test]
    fn something_else_in_place_of_an_enumeration_is_json_nevertheless() {
        #[derive(Debug, Deserialize)]
        enum Kind {
            A,
        }
        #[derive(Debug, Deserialize)]
        struct Sent {
            kind: Kind,
        }
        for (body, status) in [
            (r#"{"kind":{}}"#, 422),
            (r#"{"kind":7}"#, 422),
            (r#"{"kind":"B"}"#, 422),
            (r#"{"kind":7"#, 400),
            (r#"{"kind":A}"#, 400),
        ] {
            assert_eq!(parse::<Sent>(body.as_bytes()).unwrap_err().status().as_u16(), status, "{body}");
        }
        assert!(matches!(parse::<Sent>(br#"{"kind":"A"}"#), Ok(Sent { kind: Kind::A })));
    }

    #[test]
    fn json_is_told_by_its_content_type() {
        for (sent, is) in [
            ("application/json", true),
            ("Application/JSON; charset=utf-8", true),
            ("application/merge-patch+json", true),
            ("application/+json", false),
            ("text/json", false),
            ("application/jsonp", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, sent.parse().unwrap());
            assert_eq!(is_json(&headers), is, "{sent}");
        }
    }

    async fn of_query(query: &str) -> Result<u8, Problem> {
        #[derive(Deserialize)]
        struct Parameters {
            limit: u8,
        }
        let (mut parts, ()) = Request::builder().uri(format!("/?{query}")).body(()).unwrap().into_parts();
        Query::<Parameters>::from_request_parts(&mut parts, &())
            .await
            .map(|Query(parameters)| parameters.limit)
    }

    #[tokio::test]
    async fn a_query_that_cannot_be_taken_is_a_problem_with_the_name_of_the_parameter() {
        assert_eq!(of_query("limit=7&other=1").await.unwrap(), 7);
        for (query, name) in [("limit=x", "limit"), ("limit=-1", "limit"), ("limit=1&limit=2", ""), ("", "")]
        {
            let problem = of_query(query).await.unwrap_err();
            let bytes = problem.into_response().into_body().collect().await.unwrap().to_bytes();
            let problem: Value = serde_json::from_slice(&bytes).unwrap();
            assert_eq!(problem["errors"][0]["parameter"], name, "{query}: {problem}");
            assert_eq!(problem["status"], 400);
        }
    }
}
