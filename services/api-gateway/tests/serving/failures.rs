//! Backends that fail, and what is done about it.

use http::StatusCode;
use http_body_util::Full;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use crate::{
    backend::{Backend, Speaks},
    client::{Answer, get, http1, send},
    gateway::{Gateway, free_port},
};

fn config(rule: &str, endpoints: &[String]) -> String {
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{{rule} backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}]}}}}
",
        endpoints.join(", ")
    )
}

fn nobody() -> String {
    format!("{{host: 127.0.0.1, port: {}}}", free_port())
}

#[tokio::test]
async fn what_cannot_be_reached_is_502_and_what_takes_too_long_504() {
    let gateway = Gateway::start(&config("", &[nobody()])).await;
    let answer = send(gateway.address, get("/")).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY, "{answer:?}");

    let backend = Backend::start().await;
    for timeouts in ["{requestMs: 1000}", "{backendRequestMs: 1000}"] {
        let gateway = Gateway::start(&config(&format!("timeouts: {timeouts},"), &[backend.endpoint()])).await;
        let answer = send(gateway.address, get("/delay/5000")).await;
        assert_eq!(answer.status, StatusCode::GATEWAY_TIMEOUT, "{timeouts}");
        let answer = send(gateway.address, get("/delay/1")).await;
        assert_eq!(answer.status, StatusCode::OK, "{timeouts}");
    }
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_fails_no_request() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config("", &[nobody(), backend.endpoint(), nobody()])).await;
    for number in 0..30 {
        let mut request = get("/");
        *request.method_mut() = http::Method::POST;
        *request.body_mut() = Full::from("a body");
        let answer = send(gateway.address, request).await;
        assert_eq!((answer.status, &answer.json()["body"]), (StatusCode::OK, &"a body".into()), "{number}");
    }
}

#[tokio::test]
async fn a_rule_has_requests_tried_again() {
    for (codes, attempts, failing, status, requests) in
        [("[503]", 2, 2, 200, 3), ("[503]", 1, 2, 503, 2), ("[500]", 2, 1, 503, 1), ("[]", 2, 1, 503, 1)]
    {
        let backend = Backend::start().await;
        let rule = format!("retry: {{attempts: {attempts}, codes: {codes}, backoffMs: 5}},");
        let gateway = Gateway::start(&config(&rule, &[backend.endpoint()])).await;
        let answer = send(gateway.address, get(&format!("/failing/{failing}"))).await;
        assert_eq!((answer.status.as_u16(), backend.requests()), (status, requests), "{codes} {attempts}");
    }
    // What may not be done twice is not.
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config("retry: {attempts: 2, codes: [503]},", &[backend.endpoint()])).await;
    let mut request = get("/failing/1");
    *request.method_mut() = http::Method::POST;
    assert_eq!(send(gateway.address, request).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(backend.requests(), 1);
}

#[tokio::test]
async fn an_attempt_that_takes_too_long_is_tried_again() {
    let (slow, quick) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Backend::start().await);
    let port = slow.local_addr().unwrap().port();
    let silent = format!("{{host: 127.0.0.1, port: {port}}}");
    let rule = "retry: {attempts: 3}, timeouts: {backendRequestMs: 100},";
    let gateway = Gateway::start(&config(rule, &[silent, quick.endpoint()])).await;
    for _ in 0..6 {
        assert_eq!(send(gateway.address, get("/")).await.status, StatusCode::OK);
    }
}

/// A backend that takes one request on each connection, and ends it when the next comes.
async fn ends_when_used_again() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut buffer = [0; 4096];
                let _first = stream.read(&mut buffer).await;
                let _sent = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await;
                let _second = stream.read(&mut buffer).await;
            });
        }
    });
    format!("{{host: 127.0.0.1, port: {port}}}")
}

#[tokio::test]
async fn a_request_that_meets_the_end_of_a_connection_is_sent_again() {
    let gateway = Gateway::start(&config("", &[ends_when_used_again().await])).await;
    let mut sender = http1(gateway.address).await;
    for number in 0..10 {
        sender.ready().await.unwrap();
        let answer = Answer::of(sender.send_request(get("/")).await.unwrap()).await;
        assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"ok"[..]), "{number}");
    }
    // What may not be done twice is not, and fails.
    let post = http::Request::post("/").header("host", "a.test").body(Full::default()).unwrap();
    sender.ready().await.unwrap();
    let answer = Answer::of(sender.send_request(post).await.unwrap()).await;
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
}

/// An endpoint that goes as it takes its first connection: before it has read anything, or after.
async fn goes(has_read: bool) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let going = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        if has_read {
            let _request = stream.read(&mut [0; 4096]).await;
        } else {
            let _waiting = stream.peek(&mut [0]).await;
        }
    });
    (format!("{{host: 127.0.0.1, port: {port}}}"), going)
}

#[tokio::test]
async fn a_request_that_meets_the_end_of_an_endpoint_is_sent_to_another() {
    for (speaks, protocol) in [(Speaks::Http1, "HTTP"), (Speaks::Http2, "HTTP2")] {
        for (has_read, method, failures) in
            [(false, "GET", 0), (true, "GET", 0), (false, "POST", 1), (true, "POST", 1)]
        {
            let case = format!("{protocol} {has_read} {method}");
            let (backend, (going, gone)) = (Backend::with("a", speaks, None).await, goes(has_read).await);
            let config = config("", &[going, backend.endpoint()])
                .replace("{a: {", &format!("{{a: {{protocol: {protocol}, "));
            let gateway = Gateway::start(&config).await;
            let mut failed = 0;
            for _ in 0..30 {
                let request = http::Request::builder().method(method).uri("/").header("host", "a.test");
                let answer = send(gateway.address, request.body(Full::default()).unwrap()).await;
                failed += usize::from(answer.status == StatusCode::BAD_GATEWAY);
            }
            assert!(gone.is_finished(), "{case}: it has had its request");
            assert_eq!((failed, backend.requests()), (failures, 30 - failures), "{case}");
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_fails_again_and_again_is_left_alone() {
    let (good, third) = (Backend::start().await, Backend::start().await);
    let refusing = nobody();
    let gateway = Gateway::start(&config("", &[refusing, good.endpoint(), third.endpoint()])).await;
    for _ in 0..60 {
        assert_eq!(send(gateway.address, get("/")).await.status, StatusCode::OK);
    }
    let metrics = String::from_utf8(send(gateway.admin, get("/metrics")).await.body.to_vec()).unwrap();
    let line = metrics
        .lines()
        .find(|line| {
            line.starts_with("flotilla_gateway_backend_failures_total{backend=\"a\",reason=\"connect\"}")
        })
        .unwrap();
    let failures: u32 = line.rsplit(' ').next().unwrap().parse().unwrap();
    assert_eq!(failures, 5, "after five failures it is left alone");
}
