//! No more requests than limits have room for, whoever serves them; and bodies no larger than a rule takes.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    backend::{Backend, Speaks},
    client::{Answer, get, get2, http2, raw, send},
    gateway::Gateway,
};

/// One route for everything, and one for `/open` without a policy.
fn config(backend: &Backend, limits: &str, policy: &str, more: &str) -> String {
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes:
- name: limited
  rules: [{{backends: [{{backend: a}}], policy: {policy}, filters: [{{cors: {{allowOrigins: ['https://b.test']}}}}]}}]
- name: open
  rules: [{{matches: [{{path: {{pathPrefix: /open}}}}], backends: [{{backend: a}}]{more}}}]
backends: {{a: {{endpoints: [{}]}}}}
rateLimits: {{{limits}}}
",
        backend.endpoint()
    )
}

/// How many of so many requests pass, each on a connection of its own.
async fn passing(gateway: &Gateway, count: usize) -> usize {
    let address = gateway.address;
    let requests: JoinSet<Answer> =
        (0..count).map(|_| async move { send(address, get("/")).await }).collect();
    let answers = requests.join_all().await;
    for answer in &answers {
        let is_known = matches!(answer.status, StatusCode::OK | StatusCode::TOO_MANY_REQUESTS);
        assert!(is_known, "{answer:?}");
    }
    answers.iter().filter(|answer| answer.status == StatusCode::OK).count()
}

#[tokio::test]
async fn workers_hold_a_limit_together() {
    let backend = Backend::start().await;
    for (limit, key) in [("together", ""), ("apart", ", key: clientAddress")] {
        let limits = format!("{limit}: {{requests: 20, per: Hour{key}}}");
        let yaml = config(&backend, &limits, &format!("{{rateLimits: [{limit}]}}"), "");
        let gateway = Gateway::with(&yaml, &["--workers", "4"]).await;
        assert_eq!(passing(&gateway, 100).await, 20, "{limit}");
        let answer = send(gateway.address, get("/")).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.header("ratelimit-policy"), format!("\"{limit}\";q=20;w=3600"));
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!((175..=180).contains(&wait), "{wait}");
        assert_eq!(answer.header("ratelimit"), format!("\"{limit}\";r=0;t={wait}"));
        assert_eq!(answer.json()["detail"], "there are more requests than there may be");
        gateway
            .measures(&format!("flotilla_gateway_rate_limited_requests_total{{limit=\"{limit}\"}} 81"))
            .await;
        gateway.measures("flotilla_gateway_refused_requests_total{reason=\"rate-limited\"} 81").await;
        assert_eq!(send(gateway.address, get("/open")).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn whoever_waits_as_long_as_is_said_passes() {
    let backend = Backend::start().await;
    let gateway =
        Gateway::start(&config(&backend, "a: {requests: 1, per: Second}", "{rateLimits: [a]}", "")).await;
    assert_eq!(send(gateway.address, get("/")).await.status, StatusCode::OK);
    let refused = send(gateway.address, get("/")).await;
    assert_eq!((refused.status, refused.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "1"));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(send(gateway.address, get("/")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn clients_behind_a_trusted_proxy_are_told_apart() {
    let backend = Backend::start().await;
    let yaml = config(&backend, "a: {requests: 1, per: Hour, key: clientAddress}", "{rateLimits: [a]}", "");
    let from = |client: &str| {
        Request::get("/")
            .header("host", "a.test")
            .header("x-forwarded-for", client)
            .body(Full::default())
            .unwrap()
    };
    for (flags, expected) in [(&["--trusted-proxies", "127.0.0.0/8"][..], 200), (&[], 429)] {
        let gateway = Gateway::with(&yaml, flags).await;
        assert_eq!(send(gateway.address, from("10.0.0.1")).await.status, 200);
        assert_eq!(send(gateway.address, from("10.0.0.1")).await.status, 429);
        // Who is not trusted has made it up.
        assert_eq!(send(gateway.address, from("10.0.0.2")).await.status, expected);
        assert_eq!(send(gateway.address, from("2001:db8::1")).await.status, expected);
        assert_eq!(send(gateway.address, from("2001:db8::2")).await.status, 429);
    }
}

#[tokio::test]
async fn requests_of_http2_and_calls_of_grpc_are_told_in_their_way() {
    let backend = Backend::with("a", Speaks::Http2, None).await;
    let yaml = config(&backend, "a: {requests: 1, per: Hour}", "{rateLimits: [a]}", "");
    let gateway = Gateway::start(&yaml.replace("endpoints:", "protocol: HTTP2, endpoints:")).await;
    let mut sender = http2(gateway.address).await;
    let answer = Answer::of(sender.send_request(get2("/")).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    let answer = Answer::of(sender.send_request(get2("/")).await.unwrap()).await;
    assert_eq!((answer.status, answer.header("retry-after")), (StatusCode::TOO_MANY_REQUESTS, "3600"));
    let call = Request::post("http://a.test/shop.Orders/Get")
        .header("content-type", "application/grpc")
        .body(Full::new(Bytes::from_static(b"\0\0\0\0\0")))
        .unwrap();
    let answer = Answer::of(sender.send_request(call).await.unwrap()).await;
    assert_eq!((answer.status, answer.header("grpc-status")), (StatusCode::OK, "8"));
    assert_eq!(answer.header("ratelimit"), "\"a\";r=0;t=3600");
}

#[tokio::test]
async fn a_change_of_something_else_refills_nothing() {
    let backend = Backend::start().await;
    let limits = "a: {requests: 3, per: Hour}, b: {requests: 3, per: Hour, key: clientAddress}";
    let policy = "{rateLimits: [a, b]}";
    let gateway = Gateway::start(&config(&backend, limits, policy, "")).await;
    assert_eq!(passing(&gateway, 10).await, 3);
    gateway.reload(&config(&backend, limits, policy, ", timeouts: {requestMs: 1000}")).await;
    assert_eq!(passing(&gateway, 10).await, 0);
    // Another rule that names it shares it.
    gateway.reload(&config(&backend, limits, policy, ", policy: {rateLimits: [b]}")).await;
    assert_eq!(send(gateway.address, get("/open")).await.status, StatusCode::TOO_MANY_REQUESTS);
    // One of the two begins anew, which is not enough.
    gateway
        .reload(&config(&backend, &limits.replace("a: {requests: 3", "a: {requests: 4"), policy, ""))
        .await;
    assert_eq!(passing(&gateway, 10).await, 0);
    gateway.reload(&config(&backend, "a: {requests: 2, per: Hour}", "{rateLimits: [a]}", "")).await;
    assert_eq!(passing(&gateway, 10).await, 2);
    let metrics = gateway.metrics().await;
    assert!(!metrics.contains("rate_limited_requests_total{limit=\"b\"}"), "{metrics}");
}

#[tokio::test]
async fn pages_ask_for_nothing_and_see_why_they_are_refused() {
    let backend = Backend::start().await;
    let gateway =
        Gateway::start(&config(&backend, "a: {requests: 1, per: Hour}", "{rateLimits: [a]}", "")).await;
    let page = |method: Method| {
        Request::builder()
            .method(method)
            .uri("/")
            .header("host", "a.test")
            .header("origin", "https://b.test")
            .header("access-control-request-method", "GET")
            .body(Full::default())
            .unwrap()
    };
    for _ in 0..5 {
        assert_eq!(send(gateway.address, page(Method::OPTIONS)).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(send(gateway.address, page(Method::GET)).await.status, StatusCode::OK);
    let refused = send(gateway.address, page(Method::GET)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.header("access-control-allow-origin"), "https://b.test");
}

#[tokio::test]
async fn a_connection_goes_on_after_a_refusal() {
    let backend = Backend::start().await;
    let gateway =
        Gateway::start(&config(&backend, "a: {requests: 1, per: Hour}", "{rateLimits: [a]}", "")).await;
    let text = raw(
        gateway.address,
        b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\nGET / HTTP/1.1\r\nhost: a.test\r\n\r\nGET /open HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n",
    )
    .await;
    let count = |status: &str| text.matches(&format!("HTTP/1.1 {status}")).count();
    assert_eq!((count("200 OK"), count("429 Too Many Requests")), (2, 1), "{text}");
}

#[tokio::test]
async fn bodies_are_as_large_as_their_rule_takes() {
    let backend = Backend::start().await;
    let gateway = Gateway::with(
        &config(&backend, "", "{maxBodyBytes: 10}", ", policy: {maxBodyBytes: 1000}"),
        &["--max-body-bytes", "100"],
    )
    .await;
    let post = |path: &str, bytes: usize| {
        Request::post(path).header("host", "a.test").body(Full::new(Bytes::from(vec![b'x'; bytes]))).unwrap()
    };
    for (path, bytes, status) in [("/", 10, 200), ("/", 11, 413), ("/open", 100, 200), ("/open", 101, 413)] {
        assert_eq!(send(gateway.address, post(path, bytes)).await.status, status, "{path} {bytes}");
    }
    // What does not say how long it is.
    let begun = Instant::now();
    let text = raw(
        gateway.address,
        b"POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n8\r\nxxxxxxxx\r\n8\r\nxxxxxxxx\r\n0\r\n\r\n",
    )
    .await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}
