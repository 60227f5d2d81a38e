//! Errors as RFC 9457 has them, with the pointers of what is wrong in a body (RFC 6901) and the names of parameters.

use std::{borrow::Cow, sync::Arc, time::Duration};

use axum::{
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;

use crate::correlation::CorrelationId;

/// What `type` begins with. It is a name; that there is something to read at it as well is for later.
const TYPES: &str = "https://flotilla.dev/problems/";

const CONTENT_TYPE: HeaderValue = HeaderValue::from_static("application/problem+json");

/// What went wrong with a request, for whoever made it.
#[derive(Clone, Debug)]
pub struct Problem(Box<Parts>);

#[derive(Clone, Debug)]
struct Parts {
    status: StatusCode,
    code: &'static str,
    detail: Cow<'static, str>,
    errors: Vec<Detail>,
    headers: HeaderMap,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Detail {
    #[serde(flatten)]
    place: Place,
    detail: String,
}

/// Where it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Place {
    /// In the body, as a fragment with a JSON pointer.
    Pointer(String),
    /// In the path or the query.
    Parameter(String),
    /// In the headers.
    Header(String),
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    code: &'a str,
    detail: &'a str,
    #[serde(rename = "correlationId", skip_serializing_if = "Option::is_none")]
    correlation_id: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [Detail],
}

impl Problem {
    /// A problem. `code` names its kind for programs, and `detail` says what to do.
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let (errors, headers) = (Vec::new(), HeaderMap::new());
        Self(Box::new(Parts { status, code, detail: detail.into(), errors, headers }))
    }

    /// Something of the service failed. The cause is logged and not told.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = cause.to_string();
        let mut source = cause.source();
        while let Some(error) = source {
            causes.push_str(": ");
            causes.push_str(&error.to_string());
            source = error.source();
        }
        tracing::error!(error = causes, "a request failed");
        let detail = "the service failed; tell its operators the correlation id";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    /// The service cannot do it now, and may be able to after this time.
    pub fn unavailable(after: Duration, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(after)
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// A value of the body is wrong. The pointer has no `#`: `/lines/0/quantity`.
    #[must_use]
    pub fn at(mut self, pointer: &str, detail: impl Into<String>) -> Self {
        let place = Place::Pointer(fragment(pointer));
        self.0.errors.push(Detail { place, detail: detail.into() });
        self
    }

    /// A parameter of the path or the query is wrong.
    #[must_use]
    pub fn parameter(mut self, name: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(Detail { place: Place::Parameter(name.into()), detail: detail.into() });
        self
    }

    /// A header is wrong.
    #[must_use]
    pub fn of_header(mut self, name: impl Into<String>, detail: impl Into<String>) -> Self {
        self.0.errors.push(Detail { place: Place::Header(name.into()), detail: detail.into() });
        self
    }

    /// The answer has this header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// It is worth trying after this time.
    #[must_use]
    pub fn retry_after(self, after: Duration) -> Self {
        self.header(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)))
    }

    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        self.0.status
    }

    /// What kind it is.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// What to do.
    pub(crate) fn detail(&self) -> &str {
        &self.0.detail
    }

    /// The places that are wrong, each with what is.
    pub(crate) fn errors(&self) -> &[impl Serialize + use<>] {
        &self.0.errors
    }
}

/// RFC 6901, section 6.
fn fragment(pointer: &str) -> String {
    let mut fragment = "#".to_owned();
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/!$&'()*+,;=:@?".contains(&byte) {
            fragment.push(char::from(byte));
        } else {
            fragment.extend(["%", &format!("{byte:02X}")]);
        }
    }
    fragment
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Parts { status, code, detail, errors, headers } = *self.0;
        let body = Body {
            kind: format!("{TYPES}{code}"),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: &detail,
            correlation_id: CorrelationId::current().map(|id| id.to_string()),
            errors: &errors,
        };
        let text = serde_json::to_vec(&body).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, CONTENT_TYPE)], text).into_response();
        // A problem is of one moment.
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response.headers_mut().extend(headers);
        response
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::from(&error)
    }
}

/// An error that others are told as well.
impl From<Arc<sqlx::Error>> for Problem {
    fn from(error: Arc<sqlx::Error>) -> Self {
        Self::from(&*error)
    }
}

impl From<&sqlx::Error> for Problem {
    /// What may do better the next time is no fault of the service.
    fn from(error: &sqlx::Error) -> Self {
        if is_of_the_moment(error) {
            tracing::warn!(%error, "the database cannot do it now");
            return Self::unavailable(Duration::from_secs(1), "the service cannot do this now; try again");
        }
        Self::internal(error)
    }
}

/// Whether the database is away, or others were in the way.
fn is_of_the_moment(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_) => true,
        sqlx::Error::Database(error) => {
            let code = error.code().unwrap_or_default();
            // Rolled back (deadlocks), resources, a lock not had in time, cancelled, and the server's end.
            ["40", "53", "55P03", "57"].iter().any(|begin| code.starts_with(begin))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::{Value, json};

    use super::*;

    async fn body(problem: Problem) -> Value {
        let bytes = problem.into_response().into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[tokio::test]
    async fn it_says_what_is_wrong_and_where() {
        let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_body", "fix the body")
            .at("/lines/0/a b~1c", "must be positive")
            .parameter("limit", "at most 100");
        let id = CorrelationId::parse("c-1").unwrap();
        let body = id.scope(body(problem)).await;
        let expected = json!({
            "type": "https://flotilla.dev/problems/invalid_body",
            "title": "Unprocessable Entity",
            "status": 422,
            "code": "invalid_body",
            "detail": "fix the body",
            "correlationId": "c-1",
            "errors": [
                { "pointer": "#/lines/0/a%20b~1c", "detail": "must be positive" },
                { "parameter": "limit", "detail": "at most 100" },
            ],
        });
        assert_eq!(body, expected);
    }

    #[tokio::test]
    async fn what_failed_within_is_not_told() {
        let error = std::io::Error::other("password of the database");
        let text = body(Problem::internal(&error)).await.to_string();
        assert!(!text.contains("password"), "{text}");
    }

    #[test]
    fn a_database_that_is_away_is_worth_another_try() {
        let response = Problem::from(sqlx::Error::PoolTimedOut).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(Problem::from(sqlx::Error::RowNotFound).status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
