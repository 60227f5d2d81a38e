//! Bodies are passed on piece by piece, held to limits, and copied.

use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    backend::Backend,
    client::{get, http1, raw, send},
    gateway::{Gateway, PATIENCE},
};

#[tokio::test]
async fn pieces_are_not_kept_back() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &[]).await;
    let mut sender = http1(gateway.address).await;
    let response = sender.send_request(get("/drip/10")).await.unwrap();
    let mut body = response.into_body();
    let mut pieces = Vec::new();
    while let Some(frame) = timeout(PATIENCE, body.frame()).await.unwrap() {
        pieces.push(frame.unwrap().into_data().unwrap());
    }
    assert!(pieces.len() >= 5, "{pieces:?}");
    assert_eq!(pieces.concat(), b"0;1;2;3;4;5;6;7;8;9;");
}

#[tokio::test]
async fn a_large_body_goes_through_and_a_larger_one_is_refused() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--max-body-bytes", "3000000"]).await;
    let post = |length: usize| {
        Request::post("/").header("host", "a.test").body(Full::from(vec![b'x'; length])).unwrap()
    };
    let answer = send(gateway.address, post(3_000_000)).await;
    assert_eq!((answer.status, &answer.json()["length"]), (StatusCode::OK, &3_000_000.into()));

    let answer = raw(
        gateway.address,
        b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 3000001\r\nconnection: close\r\n\r\nx",
    )
    .await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert_eq!(backend.requests(), 1, "what says that it is too large does not begin");

    let chunk = format!("{:x}\r\n{}\r\n", 1_000_000, "x".repeat(1_000_000));
    let whole =
        format!("POST / HTTP/1.1\r\nhost: a.test\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(4));
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = [0; 12];
    let (_, read) = tokio::join!(writing.write_all(whole.as_bytes()), reading.read_exact(&mut answer));
    read.unwrap();
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 413");
}

#[tokio::test]
async fn who_sends_a_body_to_its_end_that_nobody_wants_still_hears_the_answer() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--max-body-bytes", "1000000"]).await;
    let large = "x".repeat(10_000_000);
    let declared = format!("content-length: {}\r\n\r\n{large}", large.len());
    let chunked = format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n", large.len());
    for (host, rest, status) in [
        ("a.test", &declared, "413"),
        ("a.test", &chunked, "413"),
        ("a.test\r\nhost: b.test", &declared, "400"),
    ] {
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        let whole = format!("POST / HTTP/1.1\r\nhost: {host}\r\n{rest}");
        timeout(PATIENCE, stream.write_all(whole.as_bytes())).await.unwrap().unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_sends_for_ever_is_not_heard_for_ever() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--max-body-bytes", "10"]).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream
        .write_all(b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 99999999999\r\n\r\n")
        .await
        .unwrap();
    let piece = vec![b'x'; 64 * 1024];
    let sending = async { while stream.write_all(&piece).await.is_ok() {} };
    timeout(PATIENCE, sending).await.expect("it reads on");
}

#[tokio::test]
async fn a_client_that_stops_in_a_body_is_not_waited_for() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--body-seconds", "1"]).await;
    let head = b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 10\r\n\r\n12345";
    let answer = raw(gateway.address, head).await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}

#[tokio::test]
async fn a_client_that_goes_ends_the_request_of_its_backend() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &[]).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 10\r\n\r\n12345").await.unwrap();
    while backend.requests() == 0 {
        sleep(Duration::from_millis(5)).await;
    }
    drop(stream);
    let broken = async {
        while backend.last.lock().unwrap()["broken"] != true {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, broken).await.expect("the backend hears that its client has gone");
}

#[tokio::test]
async fn copies_go_to_those_that_look_on_and_their_answers_nowhere() {
    let (backend, shadow) = (Backend::start().await, Backend::start().await);
    let gateway = Gateway::start(&format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes:
- name: r
  rules:
  - filters:
    - requestMirror: {{backend: shadow}}
    - requestMirror: {{backend: gone}}
    backends: [{{backend: a}}]
backends:
  a: {{endpoints: [{}]}}
  shadow: {{endpoints: [{}]}}
  gone: {{endpoints: [{{host: 127.0.0.1, port: 1}}]}}
",
        backend.endpoint(),
        shadow.endpoint()
    ))
    .await;
    let body = "x".repeat(100_000);
    for (request, length) in [
        (Request::post("/status/404").header("host", "a.test").body(Full::from(body)).unwrap(), 100_000),
        (get("/status/404"), 0),
    ] {
        let answer = send(gateway.address, request).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.json()["length"], length);
        let copied = async {
            while shadow.last.lock().unwrap()["length"] != length {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, copied).await.expect("the copy arrives whole");
    }
    assert_eq!((backend.requests(), shadow.requests()), (2, 2));
}

#[tokio::test]
async fn an_answer_that_breaks_off_breaks_off_for_the_client_too() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut buffer = [0; 1024];
        let _length = stream.read(&mut buffer).await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345").await.unwrap();
    });
    let gateway = Gateway::start(&format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{{host: 127.0.0.1, port: {port}}}]}}}}
"
    ))
    .await;
    let mut sender = http1(gateway.address).await;
    let response = sender.send_request(get("/")).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}
