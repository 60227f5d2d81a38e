//! Says of routes that they will go: `Deprecation` (RFC 9745) and `Sunset` (RFC 8594).

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
};
use jiff::Timestamp;

const DEPRECATION: HeaderName = HeaderName::from_static("deprecation");
const SUNSET: HeaderName = HeaderName::from_static("sunset");

/// That something will go.
#[derive(Clone, Debug)]
pub struct Deprecation {
    /// Since when it is not to be used any more.
    pub since: Timestamp,
    /// When it goes.
    pub sunset: Option<Timestamp>,
    /// Where it says what to use in its place.
    pub link: &'static str,
}

impl Deprecation {
    /// Has every answer of these routes say so.
    pub fn of(self, router: Router) -> Router {
        let headers = self.headers();
        router.layer(middleware::from_fn(move |request: Request, next: Next| {
            let headers = headers.clone();
            async move {
                let mut response = next.run(request).await;
                for (name, value) in headers {
                    response.headers_mut().append(name, value);
                }
                response
            }
        }))
    }

    /// One is a date of Structured Fields, the other one of HTTP.
    fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let link = |rel: &str| format!("<{}>; rel=\"{rel}\"", self.link);
        let mut headers =
            vec![(DEPRECATION, format!("@{}", self.since.as_second())), (header::LINK, link("deprecation"))];
        if let Some(sunset) = self.sunset {
            headers.push((SUNSET, sunset.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()));
            headers.push((header::LINK, link("sunset")));
        }
        let value = |text: String| HeaderValue::from_str(&text).ok();
        headers.into_iter().filter_map(|(name, text)| Some((name, value(text)?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn routes_say_since_when_and_until_when() {
        let deprecation = Deprecation {
            since: "2026-01-01T00:00:00Z".parse().unwrap(),
            sunset: Some("2026-07-01T12:30:00Z".parse().unwrap()),
            link: "https://flotilla.dev/docs/v2",
        };
        let router = deprecation.of(Router::new().route("/v1/old", get(|| async { "old" })));
        let request = Request::get("/v1/old").body(Body::empty()).unwrap();
        let response = router.oneshot(request).await.unwrap();
        let headers = response.headers();
        assert_eq!(headers["deprecation"], "@1767225600");
        assert_eq!(headers["sunset"], "Wed, 01 Jul 2026 12:30:00 GMT");
        let links: Vec<_> = headers.get_all("link").iter().collect();
        assert_eq!(
            links,
            [
                "<https://flotilla.dev/docs/v2>; rel=\"deprecation\"",
                "<https://flotilla.dev/docs/v2>; rel=\"sunset\"",
            ]
        );
    }
}
