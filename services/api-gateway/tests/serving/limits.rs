//! A backend gets no more at a time than it may have.

use std::{sync::atomic::Ordering, time::Duration};

use http::StatusCode;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

use crate::{
    backend::{Backend, Speaks},
    client::{Answer, get, raw, send},
    gateway::{Gateway, PATIENCE},
    patient::Patient,
};

fn config(backend: &str, endpoints: &[String]) -> String {
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}], {backend}}}}}
",
        endpoints.join(", ")
    )
}

/// So many requests at once.
fn at_once(gateway: &Gateway, count: usize, path: &'static str) -> JoinSet<Answer> {
    let address = gateway.address;
    (0..count).map(|_| async move { send(address, get(path)).await }).collect()
}

async fn statuses(requests: JoinSet<Answer>) -> (usize, usize) {
    let answers = timeout(PATIENCE, requests.join_all()).await.expect("all are answered");
    let count = |status| answers.iter().filter(|answer| answer.status == status).count();
    let (good, overloaded) = (count(StatusCode::OK), count(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(good + overloaded, answers.len());
    (good, overloaded)
}

async fn requests_reach(patient: &Patient, count: usize) {
    let reached = async {
        while patient.requests() < count {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("they reach it");
}

#[tokio::test]
async fn more_requests_than_there_may_be_are_refused_at_once() {
    for (speaks, protocol) in [(Speaks::Http1, ""), (Speaks::Http2, "protocol: HTTP2, ")] {
        let patient = Patient::start("a", speaks).await;
        let backend = format!("{protocol}limits: {{requests: 2}}");
        let gateway = Gateway::start(&config(&backend, &[patient.endpoint()])).await;
        let running = at_once(&gateway, 2, "/delay/2000");
        requests_reach(&patient, 2).await;
        let begun = Instant::now();
        let answer = send(gateway.address, get("/")).await;
        assert!(begun.elapsed() < Duration::from_millis(500));
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.json()["detail"], "the backend has as many requests as it may have");
        let metrics = String::from_utf8(send(gateway.admin, get("/metrics")).await.body.to_vec()).unwrap();
        assert!(metrics.contains("refused_requests_total{reason=\"overloaded\"} 1\n"), "{metrics}");
        // A change of something else forgets nothing.
        gateway.reload(&config(&format!("slowStartMs: 1, {backend}"), &[patient.endpoint()])).await;
        assert_eq!(send(gateway.address, get("/")).await.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(statuses(running).await, (2, 0));
        assert_eq!(patient.requests(), 2);
        assert_eq!(statuses(at_once(&gateway, 1, "/")).await, (1, 0));
    }
}

#[tokio::test]
async fn requests_wait_for_a_connection_when_all_are_in_use() {
    let a = Patient::start("a", Speaks::Http1).await;
    let b = a.twin("b").await;
    let endpoints = [a.endpoint(), b.endpoint()];
    let gateway = Gateway::start(&config("limits: {connections: 3, pendingRequests: 100}", &endpoints)).await;
    let begun = Instant::now();
    assert_eq!(statuses(at_once(&gateway, 60, "/delay/50")).await, (60, 0));
    assert!(begun.elapsed() >= Duration::from_millis(60 * 50 / 3), "{:?}", begun.elapsed());
    let most = a.state.most_open.load(Ordering::Relaxed);
    // One that ends may be seen beside the one that comes in its place.
    assert!((3..=4).contains(&most), "{most}");
    // One after the other they need not wait for what rests elsewhere.
    let begun = Instant::now();
    assert_eq!(statuses(at_once(&gateway, 3, "/delay/1")).await, (3, 0));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn no_more_wait_than_may() {
    let patient = Patient::start("a", Speaks::Http1).await;
    let backend = "limits: {connections: 1, pendingRequests: 2}";
    let gateway = Gateway::start(&config(backend, &[patient.endpoint()])).await;
    let running = at_once(&gateway, 1, "/delay/700");
    requests_reach(&patient, 1).await;
    assert_eq!(statuses(at_once(&gateway, 5, "/")).await, (2, 3));
    assert_eq!(statuses(running).await, (1, 0));
    assert!(patient.state.most_open.load(Ordering::Relaxed) <= 2);
    // Each comes to one of the workers, and the only connection may rest with the other.
    let begun = Instant::now();
    for _ in 0..20 {
        assert_eq!(statuses(at_once(&gateway, 1, "/")).await, (1, 0));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // Whoever has been refused has left no trace.
    for _ in 0..3 {
        assert_eq!(statuses(at_once(&gateway, 3, "/")).await, (3, 0));
    }
}

#[tokio::test]
async fn who_gives_up_waiting_makes_room() {
    let patient = Patient::start("a", Speaks::Http1).await;
    let yaml = config("limits: {connections: 1, pendingRequests: 1}", &[patient.endpoint()]);
    let all = "{backends: [{backend: a}]}";
    let hasty = "{matches: [{path: {exact: /hasty}}], timeouts: {requestMs: 300}, backends: [{backend: a}]}";
    let gateway = Gateway::start(&yaml.replace(all, &format!("{hasty}, {all}"))).await;
    let running = at_once(&gateway, 1, "/delay/2000");
    requests_reach(&patient, 1).await;
    let late = send(gateway.address, get("/hasty")).await;
    assert_eq!(late.status, StatusCode::GATEWAY_TIMEOUT);
    // There is one place to wait.
    assert_eq!(statuses(at_once(&gateway, 1, "/")).await, (1, 0));
    assert_eq!(statuses(running).await, (1, 0));
    assert_eq!(patient.requests(), 2);
    assert_eq!(statuses(at_once(&gateway, 1, "/")).await, (1, 0));
}

#[tokio::test]
async fn a_tunnel_counts_as_long_as_it_is_there() {
    let backend = Backend::start().await;
    let gateway =
        Gateway::start(&config("limits: {requests: 1, connections: 1}", &[backend.endpoint()])).await;
    let mut tunnel = tokio::net::TcpStream::connect(gateway.address).await.unwrap();
    let hello = b"GET /chat HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut tunnel, hello).await.unwrap();
    let mut answer = [0; 12];
    tokio::io::AsyncReadExt::read_exact(&mut tunnel, &mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    let refused = raw(gateway.address, b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n").await;
    assert!(refused.starts_with("HTTP/1.1 503"), "{refused}");
    drop(tunnel);
    let reached = async {
        while send(gateway.address, get("/")).await.status != StatusCode::OK {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("its place is free");
}
