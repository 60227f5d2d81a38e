//! What is done with something is at its own path: `POST /v1/orders/ID:cancel`. A route cannot tell that from the thing itself at
//! `/v1/orders/ID`, so methods are told apart here.

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};

use super::Problem;

/// A route of things that something is done with, and the methods of the things themselves.
pub type Things = (&'static str, &'static [Method]);

/// The method of whatever is done.
const OF_ACTIONS: &[Method] = &[Method::POST];

/// Refuses what only one of the two takes at the path of the other.
pub fn told_apart<S: Clone + Send + Sync + 'static>(
    router: Router<S>,
    things: &'static [Things],
) -> Router<S> {
    // What a router does with other methods is only around it when it is set before.
    let router = router.method_not_allowed_fallback(|| async { method_not_allowed() });
    router.layer(middleware::from_fn_with_state(things, tell_apart))
}

async fn tell_apart(State(things): State<&'static [Things]>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let Some((_, methods)) = things.iter().find(|(of, _)| route == Some(*of)) else {
        return next.run(request).await;
    };
    let last = request.uri().path().rsplit('/').next().unwrap_or_default();
    let is_action = last.contains(':') || last.contains("%3A") || last.contains("%3a");
    let allowed = if is_action { OF_ACTIONS } else { *methods };
    // Of things that have no path of their own, the handler says so.
    if allowed.is_empty() || allowed.contains(request.method()) {
        return next.run(request).await;
    }
    let names: Vec<_> = allowed.iter().map(Method::as_str).collect();
    let names = HeaderValue::from_str(&names.join(",")).unwrap_or(HeaderValue::from_static(""));
    method_not_allowed().header(header::ALLOW, names).into_response()
}

/// A path that does not take a method. Which it takes is said in `Allow`.
pub(super) fn method_not_allowed() -> Problem {
    let detail = "this path does not take this method; the header Allow says which it takes";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use tower::ServiceExt;

    use super::*;

    const THINGS: [Things; 2] =
        [("/orders/{id}", &[Method::GET, Method::HEAD]), ("/orders/{id}/payments/{payment}", &[])];

    async fn ask(method: Method, path: &str) -> (StatusCode, Option<String>) {
        let done = || async { "done" };
        let router = Router::new()
            .route("/orders/{id}", get(done).post(done))
            .route("/orders/{id}/payments/{payment}", axum::routing::post(done))
            .route("/others/{id}", get(done));
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        let router = told_apart(router, &THINGS).method_not_allowed_fallback(|| async { "of others" });
        let response = router.oneshot(request).await.unwrap();
        let allow = response.headers().get(header::ALLOW).map(|allow| allow.to_str().unwrap().to_owned());
        (response.status(), allow)
    }

    #[tokio::test]
    async fn a_thing_and_what_is_done_with_it_take_their_own_methods() {
        for (method, path) in [
            (Method::GET, "/orders/1"),
            (Method::HEAD, "/orders/1"),
            (Method::POST, "/orders/1:cancel"),
            (Method::POST, "/orders/1%3Acancel"),
            (Method::POST, "/orders/1/payments/2"),
            (Method::GET, "/others/1:cancel"),
        ] {
            assert_eq!(ask(method.clone(), path).await.0, StatusCode::OK, "{method} {path}");
        }
        let refused = |allow: &str| (StatusCode::METHOD_NOT_ALLOWED, Some(allow.to_owned()));
        assert_eq!(ask(Method::POST, "/orders/1").await, refused("GET,HEAD"));
        assert_eq!(ask(Method::OPTIONS, "/orders/1").await, refused("GET,HEAD"));
        assert_eq!(ask(Method::OPTIONS, "/orders/1:cancel").await, refused("POST"));
        for path in ["/orders/1:cancel", "/orders/1%3acancel", "/orders/1/payments/2:complete"] {
            assert_eq!(ask(Method::GET, path).await, refused("POST"), "{path}");
        }
    }
}
