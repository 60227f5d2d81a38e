use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use super::*;

fn filters(written: Value) -> Filters {
    let written: Vec<config::Filter> = serde_json::from_value(written).unwrap();
    Filters::compile(&written)
}

fn parts(method: Method, headers: &[(&str, &str)]) -> Parts {
    let mut builder = Request::builder().method(method).uri("/");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn all(headers: &HeaderMap) -> Vec<String> {
    let mut all: Vec<_> =
        headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    all.sort();
    all
}

#[test]
fn headers_go_change_and_come() {
    let filters = filters(json!([
        {"requestHeaderModifier": {"remove": ["x-gone"], "set": [{"name": "X-Set", "value": "new"}], "add": [{"name": "x-add", "value": "2"}]}},
        {"responseHeaderModifier": {"set": [{"name": "server", "value": "us"}]}},
    ]));
    let mut headers =
        parts(Method::GET, &[("x-gone", "1"), ("x-gone", "2"), ("x-set", "old"), ("x-add", "1")]).headers;
    let mut outgoing = Outgoing { host: None, path_and_query: PathAndQuery::from_static("/") };
    filters.on_request(&mut headers, 0, &mut outgoing).unwrap();
    assert_eq!(all(&headers), ["x-add: 1", "x-add: 2", "x-set: new"]);
    let mut headers = parts(Method::GET, &[("server", "them")]).headers;
    filters.on_response(None, &mut headers);
    assert_eq!(all(&headers), ["server: us"]);
}

fn rewritten(modifier: Value, path: &str, prefix: usize) -> String {
    let filters = filters(json!([{"urlRewrite": {"hostname": "inner.example", "path": modifier}}]));
    let mut outgoing = Outgoing { host: None, path_and_query: path.parse().unwrap() };
    filters.on_request(&mut HeaderMap::new(), prefix, &mut outgoing).unwrap();
    assert_eq!(outgoing.host.unwrap(), "inner.example");
    outgoing.path_and_query.to_string()
}

/// The table of the Gateway API's `HTTPPathModifier`.
#[test]
fn a_prefix_is_replaced() {
    for (path, prefix, replacement, expected) in [
        ("/foo/bar", "/foo", "/xyz", "/xyz/bar"),
        ("/foo/bar", "/foo", "/xyz/", "/xyz/bar"),
        ("/foo", "/foo", "/xyz", "/xyz"),
        ("/foo/", "/foo", "/xyz", "/xyz/"),
        ("/foo/bar", "/foo", "/", "/bar"),
        ("/foo/", "/foo", "/", "/"),
        ("/foo", "/foo", "/", "/"),
        ("/foo/bar?a=/foo", "/foo", "/xyz", "/xyz/bar?a=/foo"),
        ("/foo/bar", "", "/xyz", "/xyz/foo/bar"),
    ] {
        let found = rewritten(json!({"replacePrefixMatch": replacement}), path, prefix.len());
        assert_eq!(found, expected, "{path} {prefix} {replacement}");
    }
    assert_eq!(rewritten(json!({"replaceFullPath": "/one"}), "/foo/bar?q=1", 4), "/one?q=1");
}

#[test]
fn a_redirect_has_the_ports_of_the_gateway_api() {
    for (redirect, is_secure, port, expected) in [
        (json!({}), false, 80, "302 http://shop.example.com/foo/bar?q=1"),
        (json!({}), false, 8080, "302 http://shop.example.com:8080/foo/bar?q=1"),
        (json!({}), true, 443, "302 https://shop.example.com/foo/bar?q=1"),
        (json!({}), true, 8443, "302 https://shop.example.com:8443/foo/bar?q=1"),
        (json!({"scheme": "https"}), false, 8080, "302 https://shop.example.com/foo/bar?q=1"),
        (json!({"scheme": "http"}), true, 8443, "302 http://shop.example.com/foo/bar?q=1"),
        (
            json!({"scheme": "https", "port": 8443}),
            false,
            80,
            "302 https://shop.example.com:8443/foo/bar?q=1",
        ),
        (json!({"port": 80}), false, 8080, "302 http://shop.example.com/foo/bar?q=1"),
        (json!({"hostname": "new.example"}), false, 80, "302 http://new.example/foo/bar?q=1"),
        (json!({"statusCode": 308}), false, 80, "308 http://shop.example.com/foo/bar?q=1"),
        (json!({"path": {"replaceFullPath": "/all"}}), false, 80, "302 http://shop.example.com/all?q=1"),
        (
            json!({"path": {"replacePrefixMatch": "/new"}}),
            false,
            80,
            "302 http://shop.example.com/new/bar?q=1",
        ),
    ] {
        let incoming = Incoming { is_secure, port, host: "shop.example.com", prefix: 4 };
        let target = PathAndQuery::from_static("/foo/bar?q=1");
        let answer = filters(json!([{"requestRedirect": redirect}]))
            .answer(&parts(Method::GET, &[]), incoming, &target)
            .unwrap()
            .unwrap();
        let location = answer.headers()[header::LOCATION].to_str().unwrap();
        assert_eq!(format!("{} {location}", answer.status().as_u16()), expected);
    }
}

#[test]
fn a_copy_goes_for_a_part_of_the_requests() {
    let filters = filters(json!([
        {"requestMirror": {"backend": "all"}},
        {"requestMirror": {"backend": "half", "fraction": {"numerator": 1, "denominator": 2}}},
        {"requestMirror": {"backend": "none", "fraction": {"numerator": 0, "denominator": 2}}},
    ]));
    let chosen = |random| filters.mirrors(random).map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(chosen(0), ["all", "half"]);
    assert_eq!(chosen(u32::MAX / 2), ["all", "half"]);
    assert_eq!(chosen(u32::MAX / 2 + 1), ["all"]);
    assert_eq!(chosen(u32::MAX), ["all"]);
}

fn preflight(policy: Value, origin: &str) -> (StatusCode, Vec<String>) {
    let asks = [
        ("origin", origin),
        ("access-control-request-method", "PUT"),
        ("access-control-request-headers", "x-own"),
    ];
    let incoming = Incoming { is_secure: false, port: 80, host: "a", prefix: 0 };
    let target = PathAndQuery::from_static("/");
    let answer = filters(json!([{"cors": policy}]))
        .answer(&parts(Method::OPTIONS, &asks), incoming, &target)
        .unwrap()
        .unwrap();
    (answer.status(), all(answer.headers()))
}

#[test]
fn a_page_that_asks_is_answered() {
    let policy = json!({"allowOrigins": ["https://shop.example.com", "https://*.trusted.example"],
        "allowMethods": ["GET", "PUT"], "allowHeaders": ["x-own"], "maxAge": 60});
    let (status, headers) = preflight(policy.clone(), "https://shop.example.com");
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert_eq!(
        headers,
        [
            "access-control-allow-headers: x-own",
            "access-control-allow-methods: GET, PUT",
            "access-control-allow-origin: https://shop.example.com",
            "access-control-max-age: 60",
            "vary: Origin",
        ]
    );
    for (origin, is_allowed) in [
        ("https://a.trusted.example", true),
        ("https://a.b.trusted.example", true),
        ("https://trusted.example", false),
        ("https://.trusted.example", false),
        ("http://a.trusted.example", false),
        ("https://evil.example/.trusted.example", false),
        ("https://evil.example", false),
        ("null", false),
    ] {
        let (_, headers) = preflight(policy.clone(), origin);
        assert_eq!(headers.len() > 1, is_allowed, "{origin} {headers:?}");
    }
}

#[test]
fn a_star_means_nothing_to_requests_with_credentials() {
    let open = json!({"allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"]});
    let (_, headers) = preflight(open, "https://a.example");
    assert_eq!(
        headers,
        [
            "access-control-allow-headers: *",
            "access-control-allow-methods: *",
            "access-control-allow-origin: *",
            "access-control-max-age: 5",
        ]
    );
    let with = json!({"allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"], "allowCredentials": true});
    let (_, headers) = preflight(with, "https://a.example");
    assert_eq!(
        headers,
        [
            "access-control-allow-credentials: true",
            "access-control-allow-headers: x-own",
            "access-control-allow-methods: PUT",
            "access-control-allow-origin: https://a.example",
            "access-control-max-age: 5",
            "vary: Origin",
        ]
    );
}

#[test]
fn an_answer_says_who_may_read_it() {
    let filters =
        filters(json!([{"cors": {"allowOrigins": ["https://a.example"], "exposeHeaders": ["x-total"]}}]));
    let mut headers = parts(Method::GET, &[("access-control-allow-origin", "*")]).headers;
    filters.on_response(Some(&HeaderValue::from_static("https://a.example")), &mut headers);
    assert_eq!(
        all(&headers),
        [
            "access-control-allow-origin: https://a.example",
            "access-control-expose-headers: x-total",
            "vary: Origin"
        ]
    );
    let mut headers = parts(Method::GET, &[("access-control-allow-origin", "*")]).headers;
    filters.on_response(Some(&HeaderValue::from_static("https://b.example")), &mut headers);
    assert_eq!(all(&headers), ["vary: Origin"]);
    // An OPTIONS that does not ask goes to the backend.
    let incoming = Incoming { is_secure: false, port: 80, host: "a", prefix: 0 };
    let target = PathAndQuery::from_static("/");
    assert!(filters.answer(&parts(Method::OPTIONS, &[]), incoming, &target).unwrap().is_none());
}
