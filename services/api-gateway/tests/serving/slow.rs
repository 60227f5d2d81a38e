//! Clients that take their time.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    backend::Backend,
    client::{Answer, get, http1},
    gateway::{Gateway, PATIENCE},
};

async fn ends(mut stream: TcpStream) {
    let mut rest = Vec::new();
    // A connection that is cut off may end with a reset.
    let _reset = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.expect("it ends").is_err();
    assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
}

#[tokio::test]
async fn a_head_that_does_not_end_is_not_waited_for() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--head-seconds", "1", "--idle-seconds", "3600"]).await;
    for beginning in ["", "P", "PRI * HTT", "GET / HTTP/1.1\r\nhost: a.test\r\nx-slow: "] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        if beginning.is_empty() {
            // Who has not begun is idle.
            sleep(Duration::from_millis(1_500)).await;
            stream.write_all(b"G").await.unwrap();
        }
        for _ in 0..5 {
            sleep(Duration::from_millis(300)).await;
            // It goes on, drop by drop, until nobody listens.
            let _gone = stream.write_all(b"a").await.is_err();
        }
        ends(stream).await;
    }
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn a_connection_without_requests_ends_and_one_with_a_long_one_does_not() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--head-seconds", "1", "--idle-seconds", "1"]).await;
    ends(TcpStream::connect(gateway.address).await.unwrap()).await;
    let mut sender = http1(gateway.address).await;
    let answer = Answer::of(sender.send_request(get("/delay/2500")).await.unwrap()).await;
    assert_eq!(answer.status, 200);
    timeout(PATIENCE, async {
        while !sender.is_closed() {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .expect("then it ends");
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_off() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--head-seconds", "1", "--body-seconds", "1"]).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /bytes/50000000 HTTP/1.1\r\nhost: a.test\r\n\r\n").await.unwrap();
    let aborted = async {
        loop {
            let metrics = crate::client::send(gateway.admin, get("/metrics")).await;
            let metrics = String::from_utf8(metrics.body.to_vec()).unwrap();
            if metrics.contains("refused_requests_total{reason=\"slow-client\"} 1") {
                break;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, aborted).await.expect("it is cut off");
    let mut rest = Vec::new();
    let _reset = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().is_err();
    assert!(rest.len() < 50_000_000);
}
