//! Connections that become something else.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    backend::Backend,
    client::{get, raw, send},
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
    let metrics = send(gateway.admin, get("/metrics")).await;
    let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
    assert!(metrics.contains("requests_total{route=\"r\",code=\"1xx\"} 1"), "{metrics}");
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
