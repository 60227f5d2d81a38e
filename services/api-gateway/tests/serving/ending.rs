//! The end of a gateway fails no request.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    backend::Backend,
    client::{Answer, get, get2, http1, http2, send},
    gateway::{Gateway, PATIENCE},
};

#[tokio::test]
async fn while_it_leaves_it_takes_connections_and_says_goodbye() {
    let backend = Backend::start().await;
    let mut gateway = Gateway::before(&backend, &["--leaving-seconds", "2"]).await;
    let mut kept = http1(gateway.address).await;
    Answer::of(kept.send_request(get("/")).await.unwrap()).await;
    assert_eq!(send(gateway.admin, get("/readyz")).await.status, 200);
    gateway.stop();
    sleep(Duration::from_millis(200)).await;
    assert_eq!(send(gateway.admin, get("/readyz")).await.status, 503);
    assert_eq!(send(gateway.admin, get("/livez")).await.status, 200);
    let answer = Answer::of(kept.send_request(get("/")).await.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, "close"));
    let answer = send(gateway.address, get("/")).await;
    assert_eq!((answer.status.as_u16(), answer.header("connection")), (200, "close"));
    let address = gateway.address;
    gateway.ended().await;
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn what_runs_is_finished() {
    let backend = Backend::start().await;
    let mut gateway = Gateway::before(&backend, &[]).await;
    let mut one = http1(gateway.address).await;
    let mut two = http2(gateway.address).await;
    let running = tokio::spawn(async move {
        let (first, second) =
            tokio::join!(one.send_request(get("/delay/1500")), two.send_request(get2("/drip/60")));
        (Answer::of(first.unwrap()).await.status, Answer::of(second.unwrap()).await.body)
    });
    while backend.requests() < 2 {
        sleep(Duration::from_millis(5)).await;
    }
    gateway.stop();
    gateway.ended().await;
    let (status, body) = timeout(PATIENCE, running).await.unwrap().unwrap();
    assert_eq!(status, 200);
    assert!(body.ends_with(b";59;"), "{body:?}");
}

#[tokio::test]
async fn what_does_not_end_is_cut_off() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--ending-seconds", "1"]).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"GET /delay/60000 HTTP/1.1\r\nhost: a.test\r\n\r\n").await.unwrap();
    while backend.requests() < 1 {
        sleep(Duration::from_millis(5)).await;
    }
    gateway.ended().await;
    let mut rest = Vec::new();
    let _reset = timeout(PATIENCE, stream.read_to_end(&mut rest)).await.unwrap().is_err();
    assert!(rest.is_empty());
}

/// Clients that keep their connections and go on to a second gateway when the first says goodbye, as those behind a Service
/// do.
#[tokio::test]
async fn replacing_a_gateway_fails_no_request() {
    let backend = Backend::start().await;
    let mut first = Gateway::before(&backend, &["--leaving-seconds", "1"]).await;
    let second = Gateway::before(&backend, &[]).await;
    let (is_over, is_leaving) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let sent = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..8)
        .map(|_| {
            let (is_over, is_leaving, sent) =
                (Arc::clone(&is_over), Arc::clone(&is_leaving), Arc::clone(&sent));
            let addresses = [first.address, second.address];
            tokio::spawn(async move {
                let mut connection = http1(addresses[0]).await;
                while !is_over.load(Ordering::Relaxed) {
                    if connection.ready().await.is_err() {
                        let address = addresses[usize::from(is_leaving.load(Ordering::Relaxed))];
                        connection = http1(address).await;
                    }
                    let answer = Answer::of(connection.send_request(get("/delay/3")).await.unwrap()).await;
                    assert_eq!(answer.status, 200);
                    sent.fetch_add(1, Ordering::Relaxed);
                    if answer.header("connection") == "close" {
                        let address = addresses[usize::from(is_leaving.load(Ordering::Relaxed))];
                        connection = http1(address).await;
                    }
                }
            })
        })
        .collect();
    sleep(Duration::from_millis(300)).await;
    first.stop();
    // Others hear of it a little later.
    sleep(Duration::from_millis(300)).await;
    is_leaving.store(true, Ordering::Relaxed);
    first.ended().await;
    sleep(Duration::from_millis(300)).await;
    is_over.store(true, Ordering::Relaxed);
    for client in clients {
        timeout(PATIENCE, client).await.unwrap().unwrap();
    }
    assert!(sent.load(Ordering::Relaxed) > 100);
    second.ended().await;
}
