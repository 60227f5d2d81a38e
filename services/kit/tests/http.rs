//! What a service answers to requests that are not as they should be, over real connections.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    routing::{get, post},
};
use flotilla_kit::{
    drain::{Announcement, Phase},
    http::{
        Json, Path, Query,
        layer::{Limits, wrap},
        page::PageParameters,
    },
    metrics::Metrics,
    serve::serve,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{Instant, sleep, timeout},
};

#[derive(Deserialize)]
struct Order {
    quantity: u8,
}

struct Server {
    address: SocketAddr,
    announcement: Announcement,
    metrics: Arc<Metrics>,
    slow: Arc<Slow>,
}

/// Something that takes until the test says so.
#[derive(Default)]
struct Slow {
    begun: Notify,
    go_on: Notify,
    done: Notify,
    /// Its handler is no more, done or not.
    gone: Notify,
}

struct Gone(Arc<Slow>);

impl Drop for Gone {
    fn drop(&mut self) {
        self.0.gone.notify_one();
    }
}

async fn panics() {
    panic!("on purpose");
}

async fn start() -> Server {
    start_with(Duration::from_secs(60)).await
}

/// With so much time until an answer.
async fn start_with(deadline: Duration) -> Server {
    let slow = Arc::<Slow>::default();
    let handler = {
        let slow = Arc::clone(&slow);
        || async move {
            let gone = Gone(slow);
            gone.0.begun.notify_one();
            gone.0.go_on.notified().await;
            gone.0.done.notify_one();
        }
    };
    let handlers =
        Router::new()
            .route("/v1/orders", post(|Json(order): Json<Order>| async move { order.quantity.to_string() }))
            .route("/v1/orders/{id}", get(|Path(id): Path<u32>| async move { id.to_string() }))
            .route(
                "/v1/products",
                get(|Query(page): Query<PageParameters>| async move {
                    page.limit().map(|limit| limit.to_string())
                }),
            )
            .route("/panics", get(panics).post(panics))
            .route("/hangs", get(|| async { sleep(Duration::from_secs(600)).await }))
            .route("/slow", get(handler.clone()).post(handler));
    let limits = Limits { body_bytes: 1_024, body_patience: Duration::from_millis(300), deadline };
    let metrics = Arc::new(Metrics::new("test-service", "0"));
    let router = wrap(handlers, limits, Arc::clone(&metrics));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let announcement = Announcement::default();
    tokio::spawn(serve(listener, router, announcement.hear()));
    Server { address, announcement, metrics, slow }
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn problem(&self) -> Value {
        assert!(self.head.contains("content-type: application/problem+json"), "{}", self.head);
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert!(self.head.contains(problem["correlationId"].as_str().unwrap()), "{}", self.head);
        problem
    }
}

/// Sends what is given, and reads one answer whose length is known.
async fn send(server: &Server, text: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(text).await.unwrap();
    answer(&mut stream).await
}

async fn answer(stream: &mut TcpStream) -> Answer {
    let mut received = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&received).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_ascii_lowercase();
            let length = head
                .split_once("content-length: ")
                .map_or(0, |(_, rest)| rest.split("\r\n").next().unwrap().parse::<usize>().unwrap());
            if body.len() >= length {
                let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                return Answer { status, head, body: body.to_owned() };
            }
        }
        let mut buffer = [0; 4_096];
        let read = timeout(Duration::from_secs(20), stream.read(&mut buffer)).await.unwrap().unwrap();
        assert!(read > 0, "the connection ended: {text}");
        received.extend_from_slice(&buffer[..read]);
    }
}

fn post_order(content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "POST /v1/orders HTTP/1.1\r\nhost: shop\r\ncontent-type: {content_type}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// A client whose slow request is with its handler.
async fn begin(server: &Server, method: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let request = format!("{method} /slow HTTP/1.1\r\nhost: shop\r\ncontent-length: 0\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    soon(server.slow.begun.notified()).await;
    stream
}

async fn soon(what: impl Future<Output = ()>) {
    timeout(Duration::from_secs(10), what).await.unwrap();
}

fn get_path(path: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: shop\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn whatever_is_wrong_with_a_request_is_a_problem() {
    let server = start_with(Duration::from_secs(2)).await;
    let good = send(&server, &post_order("application/json", r#"{"quantity":2}"#)).await;
    assert_eq!((good.status, good.body.as_str()), (200, "2"));
    let large = format!("{{\"quantity\":{}1}}", " ".repeat(2_000));
    for (request, status, code) in [
        (post_order("application/json", r#"{"quantity":"#), 400, "malformed_body"),
        (post_order("application/json", r#"{"quantity":-2}"#), 422, "invalid_body"),
        (post_order("application/json", r#"{"quantity":"two"}"#), 422, "invalid_body"),
        (post_order("application/json", "{}"), 422, "invalid_body"),
        (post_order("text/plain", r#"{"quantity":2}"#), 415, "unsupported_media_type"),
        (post_order("application/json", &large), 413, "body_too_large"),
        (get_path("/v1/orders/twelve"), 400, "invalid_parameter"),
        (get_path("/v1/orders/-1"), 400, "invalid_parameter"),
        (get_path("/v1/orders/%FF"), 400, "invalid_parameter"),
        (get_path("/v1/products?limit=1000"), 400, "invalid_parameter"),
        (get_path("/v1/products?limit=many"), 400, "invalid_parameter"),
        (get_path("/v1/nothing"), 404, "not_found"),
        (get_path("/v1/orders"), 405, "method_not_allowed"),
        (get_path("/panics"), 500, "internal"),
        (get_path("/hangs"), 503, "timeout"),
    ] {
        let answer = send(&server, &request).await;
        let problem = answer.problem();
        assert_eq!((answer.status, problem["code"].as_str()), (status, Some(code)), "{problem}");
        if matches!(code, "invalid_body" | "invalid_parameter" | "malformed_body") {
            assert!(problem["errors"][0]["detail"].is_string(), "{problem}");
        }
    }
    let not_allowed = send(&server, &get_path("/v1/orders")).await;
    assert!(not_allowed.head.contains("allow: post"), "{}", not_allowed.head);
    let text = server.metrics.encode().unwrap();
    assert!(text.contains(r#"method="GET",route="/v1/orders/{id}",code="400"} 3"#), "{text}");
    assert!(text.contains(r#"running_requests{service="test-service"} 0"#), "{text}");
}

#[tokio::test]
async fn a_body_without_a_length_is_cut_where_it_is_too_large() {
    let server = start().await;
    let head = "POST /v1/orders HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("400\r\n{}\r\n", " ".repeat(0x400));
    let request = format!("{head}{chunk}{chunk}");
    assert_eq!(send(&server, request.as_bytes()).await.problem()["code"], "body_too_large");
}

#[tokio::test]
async fn who_sends_a_large_body_to_its_end_still_hears_the_answer() {
    let server = start().await;
    let large = " ".repeat(10 * 1024 * 1024);
    let head = "POST /v1/orders HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunked = format!("{head}{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    let unread = post_order("text/plain", &" ".repeat(1_000));
    for (request, code) in [
        (post_order("application/json", &large), "body_too_large"),
        (chunked.into_bytes(), "body_too_large"),
        (unread, "unsupported_media_type"),
    ] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(&request).await.unwrap();
        assert_eq!(answer(&mut stream).await.problem()["code"], code);
        // And the connection is as good as before.
        stream.write_all(&get_path("/v1/orders/12")).await.unwrap();
        assert_eq!(answer(&mut stream).await.body, "12");
    }
}

#[tokio::test]
async fn a_body_that_is_too_slow_is_not_waited_for() {
    let server = start().await;
    let whole = post_order("application/json", r#"{"quantity":2}"#);
    let began = Instant::now();
    let answer = send(&server, &whole[..whole.len() - 4]).await;
    assert_eq!(answer.problem()["code"], "body_too_slow");
    assert!(began.elapsed() >= Duration::from_millis(250));
}

#[tokio::test]
async fn half_a_body_is_no_fault_of_the_service() {
    let server = start().await;
    let whole = post_order("application/json", r#"{"quantity":2}"#);
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(&whole[..whole.len() - 4]).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut text = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut text)).await.unwrap().unwrap();
    assert!(!text.contains(" 500 "), "{text}");
    if !text.is_empty() {
        assert!(text.contains("incomplete_body"), "{text}");
    }
}

#[tokio::test]
async fn the_correlation_id_of_a_request_comes_back() {
    let server = start().await;
    let request = b"GET /v1/orders/12 HTTP/1.1\r\nhost: shop\r\nx-correlation-id: c-12\r\n\r\n";
    let answer = send(&server, request).await;
    assert!(answer.head.contains("x-correlation-id: c-12"), "{}", answer.head);
}

#[tokio::test]
async fn what_runs_is_finished_at_the_end() {
    let server = start().await;
    let mut stream = begin(&server, "GET").await;
    server.announcement.enter(Phase::Ending);
    // Nobody else is taken.
    soon(async {
        while TcpStream::connect(server.address).await.is_ok() {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    server.slow.go_on.notify_one();
    assert_eq!(answer(&mut stream).await.status, 200);
}

#[tokio::test]
async fn what_was_begun_is_done_though_its_client_has_gone() {
    let server = start().await;
    drop(begin(&server, "POST").await);
    // Else it may be done before the server knows that the client has gone.
    let running = r#"running_requests{service="test-service"} 0"#;
    soon(async {
        while !server.metrics.encode().unwrap().contains(running) {
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    server.slow.go_on.notify_one();
    soon(server.slow.done.notified()).await;
}

#[tokio::test]
async fn what_only_reads_ends_when_its_client_has_gone() {
    let server = start().await;
    drop(begin(&server, "GET").await);
    soon(server.slow.gone.notified()).await;
}
