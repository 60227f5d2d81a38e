//! Conditional requests (RFC 9110, section 13): ETags of versions, `If-None-Match` for reads, `If-Match` for changes.

use axum::{
    extract::FromRequestParts,
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};

use super::Problem;

/// The strong ETag of a version of something: `"v7"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag(pub u64);

impl ETag {
    /// As the value of a header.
    pub fn header(self) -> HeaderValue {
        HeaderValue::from_str(&self.to_string()).unwrap_or(HeaderValue::from_static("\"v0\""))
    }

    fn parse(text: &str) -> Option<Self> {
        text.strip_prefix("\"v")?.strip_suffix('"')?.parse().ok().map(Self)
    }
}

impl std::fmt::Display for ETag {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "\"v{}\"", self.0)
    }
}

/// The ETags that a client has. It never rejects: what is none matches none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IfNoneMatch(Vec<ETag>);

impl<S: Send + Sync> FromRequestParts<S> for IfNoneMatch {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        // Compared weakly (section 13.1.2): a proxy that compresses makes weak ones of ours.
        let tags = list(&parts.headers, header::IF_NONE_MATCH.as_str());
        Ok(Self(tags.filter_map(|tag| ETag::parse(tag.trim_start_matches("W/"))).collect()))
    }
}

impl IfNoneMatch {
    /// An answer with its ETag, or 304 when the client has it.
    pub fn answer(&self, current: ETag, response: impl FnOnce() -> Response) -> Response {
        let mut response =
            if self.0.contains(&current) { StatusCode::NOT_MODIFIED.into_response() } else { response() };
        response.headers_mut().insert(header::ETAG, current.header());
        response
    }
}

/// The versions that a change may be made to. Without the header it rejects with 428 (RFC 6585).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// Whichever there is.
    Any,
    /// One of these.
    These(Vec<ETag>),
}

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let tags: Vec<_> = list(&parts.headers, header::IF_MATCH.as_str()).collect();
        match tags.as_slice() {
            [] => {
                let detail = "send the ETag of what you change as If-Match, so that no change is lost";
                let problem =
                    Problem::new(StatusCode::PRECONDITION_REQUIRED, "precondition_required", detail);
                Err(problem.of_header("If-Match", "is needed"))
            }
            ["*"] => Ok(Self::Any),
            // Compared strongly (section 13.1.1): weak ones match none.
            tags => Ok(Self::These(tags.iter().filter_map(|tag| ETag::parse(tag)).collect())),
        }
    }
}

impl IfMatch {
    /// Whether a change may be made to this version.
    pub fn check(&self, current: ETag) -> Result<(), Problem> {
        match self {
            Self::Any => Ok(()),
            Self::These(tags) if tags.contains(&current) => Ok(()),
            Self::These(_) => {
                let detail = "somebody has changed it; read it again and decide anew";
                let problem = Problem::new(StatusCode::PRECONDITION_FAILED, "stale", detail);
                Err(problem.header(header::ETAG, current.header()))
            }
        }
    }
}

fn list<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|tag| !tag.is_empty())
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, Request};

    use super::*;

    fn parts(name: HeaderName, values: &[&str]) -> Parts {
        let mut request = Request::builder();
        for value in values {
            request = request.header(&name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    async fn read(values: &[&str]) -> (StatusCode, HeaderValue) {
        let mut parts = parts(header::IF_NONE_MATCH, values);
        let known = IfNoneMatch::from_request_parts(&mut parts, &()).await.unwrap();
        let response = known.answer(ETag(7), || "body".into_response());
        (response.status(), response.headers()[header::ETAG].clone())
    }

    #[tokio::test]
    async fn what_a_client_has_is_not_sent_again() {
        for has in [&["\"v7\""][..], &["W/\"v7\""], &["\"v6\", \"v7\""], &["\"v6\"", "\"v7\""]] {
            assert_eq!(
                read(has).await,
                (StatusCode::NOT_MODIFIED, HeaderValue::from_static("\"v7\"")),
                "{has:?}"
            );
        }
        for has_not in [&[][..], &["\"v6\""], &["v7"], &["\"7\""], &["\"v-7\""]] {
            assert_eq!(read(has_not).await.0, StatusCode::OK, "{has_not:?}");
        }
    }

    async fn change(values: &[&str]) -> Result<(), StatusCode> {
        let mut parts = parts(header::IF_MATCH, values);
        let allowed =
            IfMatch::from_request_parts(&mut parts, &()).await.map_err(|problem| problem.status())?;
        allowed.check(ETag(7)).map_err(|problem| problem.status())
    }

    #[tokio::test]
    async fn a_change_needs_the_version_that_it_is_made_to() {
        assert_eq!(change(&["\"v7\""]).await, Ok(()));
        assert_eq!(change(&["*"]).await, Ok(()));
        assert_eq!(change(&["\"v6\", \"v7\""]).await, Ok(()));
        assert_eq!(change(&[]).await, Err(StatusCode::PRECONDITION_REQUIRED));
        for stale in ["\"v6\"", "W/\"v7\"", "nonsense"] {
            assert_eq!(change(&[stale]).await, Err(StatusCode::PRECONDITION_FAILED), "{stale}");
        }
    }
}
