//! Requests go where they should, and arrive as they should.

use http::{Request, StatusCode};
use http_body_util::Full;

use crate::{
    backend::{Backend, Speaks},
    client::{Answer, get, get2, http1, http2, send},
    gateway::Gateway,
};

fn config(backend: &Backend, protocol: &str) -> String {
    let endpoint = backend.endpoint();
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes:
- name: old
  hostnames: [a.test]
  rules:
  - matches: [{{path: {{pathPrefix: /old}}}}]
    filters: [{{requestRedirect: {{path: {{replacePrefixMatch: /new}}, statusCode: 301}}}}]
- name: main
  hostnames: [a.test]
  rules:
  - name: rewritten
    matches: [{{path: {{pathPrefix: /v1}}}}]
    filters:
    - urlRewrite: {{hostname: inner.test, path: {{replacePrefixMatch: /}}}}
    - requestHeaderModifier: {{set: [{{name: x-from, value: edge}}], remove: [x-secret]}}
    - responseHeaderModifier: {{add: [{{name: x-by, value: gateway}}]}}
    backends: [{{backend: a}}]
  - backends: [{{backend: a}}]
- name: broken
  hostnames: [broken.test]
  rules: [{{backends: [{{weight: 1}}]}}]
- name: empty
  hostnames: [empty.test]
  rules: [{{}}]
backends:
  a: {{endpoints: [{endpoint}], protocol: {protocol}}}
"
    )
}

#[tokio::test]
async fn a_request_arrives_as_it_was_and_without_what_is_of_the_connection() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend, "HTTP")).await;
    let request = Request::post("/a%2Fb/./c?q=1%20&q")
        .header("host", "A.test")
        .header("connection", "x-hop, keep-alive")
        .header("x-hop", "1")
        .header("te", "trailers, gzip")
        .header("x-kept", "1")
        .header("expect", "100-continue")
        .header("x-forwarded-for", "6.6.6.6")
        .body(Full::from("hello"))
        .unwrap();
    let answer = send(gateway.address, request).await;
    let seen = answer.json();
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        (&seen["method"], &seen["uri"], &seen["body"]),
        (&"POST".into(), &"/a%2Fb/c?q=1%20&q".into(), &"hello".into())
    );
    assert_eq!(answer.got("host"), ["A.test"]);
    assert_eq!(answer.got("x-kept"), ["1"]);
    assert_eq!(answer.got("content-length"), ["5"]);
    assert_eq!(answer.got("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(answer.got("x-forwarded-proto"), ["http"]);
    for gone in ["connection", "x-hop", "te", "expect", "transfer-encoding"] {
        assert!(answer.got(gone).is_empty(), "{gone}: {seen}");
    }
    assert_eq!(answer.got("x-correlation-id"), [answer.header("x-correlation-id")]);
}

#[tokio::test]
async fn what_is_of_the_backends_connection_does_not_reach_the_client() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend, "HTTP")).await;
    let answer = send(gateway.address, get("/hop")).await;
    assert_eq!(
        (answer.header("x-public"), answer.header("x-private"), answer.header("keep-alive")),
        ("1", "", "")
    );
}

#[tokio::test]
async fn filters_change_request_and_answer() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend, "HTTP")).await;
    let mut request = get("/v1/orders?x=1");
    request.headers_mut().insert("x-secret", "1".parse().unwrap());
    let answer = send(gateway.address, request).await;
    assert_eq!(answer.json()["uri"], "/orders?x=1");
    assert_eq!(
        (answer.got("host"), answer.got("x-from")),
        (vec!["inner.test".to_owned()], vec!["edge".to_owned()])
    );
    assert!(answer.got("x-secret").is_empty());
    assert_eq!(answer.header("x-by"), "gateway");

    let answer = send(gateway.address, get("/old/a?b")).await;
    let port = gateway.address.port();
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::MOVED_PERMANENTLY, &*format!("http://a.test:{port}/new/a?b"))
    );
    assert_eq!(backend.requests(), 1);
}

#[tokio::test]
async fn what_no_backend_can_answer_says_why() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend, "HTTP")).await;
    for (host, status, part) in [
        ("other.test", 404, "no route takes this request"),
        ("broken.test", 500, "no backend"),
        ("empty.test", 500, "no backend"),
    ] {
        let mut request = get("/");
        request.headers_mut().insert("host", host.parse().unwrap());
        let answer = send(gateway.address, request).await;
        assert_eq!(answer.status.as_u16(), status, "{host}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
        let problem = answer.json();
        assert!(problem["detail"].as_str().unwrap().contains(part), "{problem}");
        assert_eq!(problem["correlationId"], answer.header("x-correlation-id"));
    }
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn both_versions_go_to_both_versions() {
    for (speaks, protocol, version) in
        [(Speaks::Http1, "HTTP", "HTTP/1.1"), (Speaks::Http2, "HTTP2", "HTTP/2.0")]
    {
        let backend = Backend::with("a", speaks, None).await;
        let gateway = Gateway::start(&config(&backend, protocol)).await;
        let answer = send(gateway.address, get("/x")).await;
        assert_eq!(answer.json()["version"], version);

        let mut sender = http2(gateway.address).await;
        let mut request = get2("/y?z");
        request.headers_mut().append("cookie", "a=1".parse().unwrap());
        request.headers_mut().append("cookie", "b=2".parse().unwrap());
        let answer = Answer::of(sender.send_request(request).await.unwrap()).await;
        let seen = answer.json();
        assert_eq!(seen["version"], version);
        assert!(seen["uri"].as_str().unwrap().ends_with("/y?z"), "{seen}");
        assert_eq!(answer.got("cookie"), ["a=1; b=2"]);
        match speaks {
            Speaks::Http1 => assert_eq!(answer.got("host"), ["a.test"]),
            Speaks::Http2 => assert!(seen["uri"].as_str().unwrap().contains("a.test"), "{seen}"),
        }
        assert_eq!(backend.requests(), 2);
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    for (speaks, protocol) in [(Speaks::Http1, "HTTP"), (Speaks::Http2, "HTTP2")] {
        let backend = Backend::with("a", speaks, None).await;
        let gateway = Gateway::start(&config(&backend, protocol)).await;
        let mut sender = http1(gateway.address).await;
        for path in ["/", "/bytes/100000", "/drip/3", "/status/404", "/status/204"].repeat(4) {
            let mut request = get(path);
            if path == "/" {
                *request.method_mut() = http::Method::HEAD;
            }
            sender.ready().await.unwrap();
            let answer = Answer::of(sender.send_request(request).await.unwrap()).await;
            assert!(answer.status.as_u16() != 502, "{path}");
        }
        assert_eq!((backend.requests(), backend.connections()), (20, 1));
    }
}

#[tokio::test]
async fn requests_are_shared_out_by_weight() {
    let (a, b) =
        (Backend::with("a", Speaks::Http1, None).await, Backend::with("b", Speaks::Http1, None).await);
    let gateway = Gateway::start(&format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a, weight: 3}}, {{backend: b, weight: 1}}]}}]}}]
backends: {{a: {{endpoints: [{}]}}, b: {{endpoints: [{}]}}}}
",
        a.endpoint(),
        b.endpoint()
    ))
    .await;
    let mut sender = http1(gateway.address).await;
    for _ in 0..400 {
        sender.ready().await.unwrap();
        Answer::of(sender.send_request(get("/")).await.unwrap()).await;
    }
    assert_eq!(a.requests() + b.requests(), 400);
    assert!((250..350).contains(&a.requests()), "{}", a.requests());
}

#[tokio::test]
async fn a_call_of_grpc_keeps_its_trailers_and_its_failures_are_its_own() {
    let backend = Backend::with("a", Speaks::Http2, None).await;
    let gateway = Gateway::start(&config(&backend, "HTTP2")).await;
    let mut sender = http2(gateway.address).await;
    let call = |host: &str| {
        Request::post(format!("http://{host}/trailers/Say"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Full::from(vec![0, 0, 0, 0, 0]))
            .unwrap()
    };
    let answer = Answer::of(sender.send_request(call("a.test")).await.unwrap()).await;
    assert_eq!(answer.trailers.unwrap()["grpc-status"], "0");
    assert_eq!(crate::client::got(&backend.last.lock().unwrap(), "te"), ["trailers"]);
    for (host, status) in [("none.test", "12"), ("broken.test", "14")] {
        let answer = Answer::of(sender.send_request(call(host)).await.unwrap()).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (StatusCode::OK, status), "{host}");
    }
}
