//! Connections that become something else.

use std::time::Duration;

use http::Request;
use http_body_util::Full;
use hyper::{body::Incoming, ext::Protocol};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    backend::Backend,
    client::{Answer, Http2, get2, got, http2, raw},
    gateway::{Gateway, PATIENCE},
};

const HANDSHAKE: &str = "GET /chat HTTP/1.1\r\nhost: a.test\r\nconnection: keep-alive, Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: x\r\n\r\n";

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_websocket_goes_through_both_ways() {
    let backend = Backend::start().await;
    // A tunnel may say nothing for longer than a client may take for a request.
    let gateway = Gateway::before(&backend, &["--idle-seconds", "1", "--head-seconds", "1"]).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(HANDSHAKE.as_bytes()).await.unwrap();
    let answer = head(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
    assert!(
        answer.contains("upgrade: websocket\r\n") && answer.contains("connection: upgrade\r\n"),
        "{answer}"
    );
    for said in ["hello\n", "\0\r\n\r\nGET / HTTP/1.1\n\n"] {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = vec![0; said.len()];
        timeout(PATIENCE, stream.read_exact(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard, said.as_bytes());
    }
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty());
    gateway.measures("flotilla_gateway_requests_total{route=\"r\",code=\"1xx\"} 1").await;
}

#[tokio::test]
async fn a_backend_that_does_not_agree_answers_as_ever() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &[]).await;
    let request = HANDSHAKE.replace("/chat", "/status/403").replace("keep-alive, Upgrade", "Upgrade, close");
    let answer = raw(gateway.address, request.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
}

#[tokio::test]
async fn nothing_but_websocket_is_forwarded() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &[]).await;
    for upgrade in ["h2c", "TLS/1.0", "websocket, h2c", "websockets"] {
        let answer =
            raw(gateway.address, HANDSHAKE.replace("websocket\r\n", &format!("{upgrade}\r\n")).as_bytes())
                .await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{upgrade}: {answer}");
    }
    assert_eq!(backend.requests(), 0);
}

/// A CONNECT of HTTP/2 with `:protocol` (RFC 8441), once the gateway has said that it takes them.
async fn connect(sender: &mut Http2, path: &str, protocol: &'static str) -> http::Response<Incoming> {
    let ready = sender.send_request(get2("/")).await.unwrap();
    assert_eq!(Answer::of(ready).await.status, 200);
    let request = Request::connect(format!("http://a.test{path}"))
        .header("sec-websocket-version", "13")
        .extension(Protocol::from_static(protocol))
        .body(Full::default())
        .unwrap();
    timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_websocket_in_http2_goes_through_beside_requests() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--idle-seconds", "1"]).await;
    let mut sender = http2(gateway.address).await;
    let mut response = connect(&mut sender, "/chat", "websocket").await;
    assert_eq!(response.status(), 200);
    for name in ["upgrade", "connection", "sec-websocket-accept"] {
        assert!(!response.headers().contains_key(name), "{name}");
    }
    let mut stream = TokioIo::new(hyper::upgrade::on(&mut response).await.unwrap());
    for said in ["hello\n", "\0\r\n\r\nGET / HTTP/1.1\n\n"] {
        tokio::time::sleep(Duration::from_millis(1_200)).await;
        stream.write_all(said.as_bytes()).await.unwrap();
        let mut heard = vec![0; said.len()];
        timeout(PATIENCE, stream.read_exact(&mut heard)).await.unwrap().unwrap();
        assert_eq!(heard, said.as_bytes());
        let beside = sender.send_request(get2("/")).await.unwrap();
        assert_eq!(Answer::of(beside).await.status, 200);
    }
    stream.shutdown().await.unwrap();
    let mut rest = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert!(rest.is_empty());
    gateway.measures("flotilla_gateway_requests_total{route=\"r\",code=\"2xx\"} 4").await;
}

#[tokio::test]
async fn a_backend_gets_the_get_that_says_the_same() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &[]).await;
    let mut sender = http2(gateway.address).await;
    // What it says is seen when it does not agree.
    let answer = Answer::of(connect(&mut sender, "/status/403", "websocket").await).await;
    assert_eq!(answer.status, 403);
    let seen = backend.last.lock().unwrap().clone();
    assert_eq!((&seen["method"], &seen["uri"]), (&"GET".into(), &"/status/403".into()), "{seen}");
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("host", "a.test"),
    ] {
        assert_eq!(got(&seen, name), [value], "{seen}");
    }
    let key = got(&seen, "sec-websocket-key");
    assert_eq!(key.iter().map(String::len).collect::<Vec<_>>(), [24], "{seen}");
    // One that answers as if nothing had been asked has not agreed, and must not open the stream.
    let answer = Answer::of(connect(&mut sender, "/", "websocket").await).await;
    assert_eq!(answer.status, 502);
    let before = backend.requests();
    let answer = Answer::of(connect(&mut sender, "/", "connect-udp").await).await;
    assert_eq!(answer.status, 501);
    assert_eq!(backend.requests(), before + 1, "only that which was asked before");
}
