//! What backends may answer in HTTP/1.1, and what is no answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, StatusCode};
use http_body_util::BodyExt;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    client::{Answer, Http1, get, get2, http1, http2},
    gateway::{Gateway, PATIENCE},
};

/// A backend that answers each request with the same bytes.
struct Says {
    gateway: Gateway,
    connections: Arc<AtomicUsize>,
}

impl Says {
    /// `ends`: whether it ends the connection then.
    async fn start(answer: &'static str, ends: bool) -> Self {
        Self::with(move |stream| exchange(stream, answer, ends)).await
    }

    /// What it does with a connection.
    async fn with<F>(does: impl Fn(TcpStream) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&connections);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(does(stream));
            }
        });
        let gateway = Gateway::start(&format!(
            "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{{host: 127.0.0.1, port: {port}}}]}}}}
"
        ))
        .await;
        Self { gateway, connections }
    }

    async fn ask(&self, method: Method) -> Answer {
        asked(&mut http1(self.gateway.address).await, method).await
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

/// On one connection, so that one worker answers.
async fn asked(sender: &mut Http1, method: Method) -> Answer {
    let mut request = get("/");
    *request.method_mut() = method;
    sender.ready().await.unwrap();
    Answer::of(sender.send_request(request).await.unwrap()).await
}

async fn exchange(mut stream: TcpStream, answer: &str, ends: bool) {
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
        // One byte at a time, as a slow network may bring them.
        for byte in answer.as_bytes() {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
        }
        if ends {
            return;
        }
    }
}

#[tokio::test]
async fn bodies_end_as_their_heads_say() {
    for (answer, ends, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false, "ok"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok", false, "ok"),
        ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\no\r\n1;x\r\nk\r\n0\r\n\r\n", false, "ok"),
        ("HTTP/1.1 200 OK\r\n\r\nok", true, "ok"),
        ("HTTP/1.0 200 OK\r\n\r\nok", true, "ok"),
        (
            "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            false,
            "ok",
        ),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false, "ok"),
        ("HTTP/1.0 200 OK\r\nconnection: Keep-Alive\r\ncontent-length: 2\r\n\r\nok", false, "ok"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false, ""),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, ""),
        ("HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n", false, ""),
        ("HTTP/1.1 304 Not Modified\r\ncontent-length: 2\r\n\r\n", false, ""),
        ("HTTP/1.1 304 Not Modified\r\ntransfer-encoding: chunked\r\n\r\n", false, ""),
    ] {
        let says = Says::start(answer, ends).await;
        let mut sender = http1(says.gateway.address).await;
        for _ in 0..3 {
            let got = asked(&mut sender, Method::GET).await;
            assert!(got.status.is_success() || got.status == StatusCode::NOT_MODIFIED, "{answer:?}: {got:?}");
            assert_eq!(got.body, body, "{answer:?}");
            assert!(!got.headers.contains_key("link"), "{answer:?}");
        }
        assert_eq!(says.connections(), if ends { 3 } else { 1 }, "{answer:?}");
    }
    let says = Says::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n", false).await;
    let mut sender = http1(says.gateway.address).await;
    for _ in 0..3 {
        let got = asked(&mut sender, Method::HEAD).await;
        assert_eq!((got.status, got.header("content-length"), got.body.len()), (StatusCode::OK, "2", 0));
    }
    assert_eq!(says.connections(), 1);
}

#[tokio::test]
async fn what_is_no_answer_is_502() {
    for answer in [
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length : 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, gzip\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nx: 1\r\n y\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\nx: a\0b\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.1 200 OK\r\ncontent-length: 2",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "",
    ] {
        let says = Says::start(answer, true).await;
        let got = says.ask(Method::POST).await;
        assert_eq!(got.status, StatusCode::BAD_GATEWAY, "{answer:?}: {got:?}");
    }
    for line in ["HTTP/1.1 103 Early Hints\r\n\r\n", "x: 1\r\n"] {
        let start = if line.starts_with('x') { "HTTP/1.1 200 OK\r\n" } else { "" };
        let says = Says::start(format!("{start}{}\r\n", line.repeat(101)).leak(), false).await;
        assert_eq!(says.ask(Method::GET).await.status, StatusCode::BAD_GATEWAY, "{line:?} has no end");
    }
    let says = Says::start("HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n", false).await;
    assert_eq!(says.ask(Method::GET).await.status, StatusCode::BAD_GATEWAY, "nobody asked for it");
}

#[tokio::test]
async fn what_comes_behind_an_answer_answers_nobody() {
    let says = Says::start(
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil",
        false,
    )
    .await;
    let mut sender = http1(says.gateway.address).await;
    for number in 1..4 {
        assert_eq!(asked(&mut sender, Method::GET).await.body, "ok");
        assert_eq!(says.connections(), number, "a connection with more on it is not used again");
    }
}

#[tokio::test]
async fn connections_that_are_to_end_are_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nconnection: keep-alive, close\r\ncontent-length: 2\r\n\r\nok",
    ] {
        let says = Says::start(answer, false).await;
        let mut sender = http1(says.gateway.address).await;
        for number in 1..4 {
            assert_eq!(asked(&mut sender, Method::GET).await.body, "ok");
            assert_eq!(says.connections(), number, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_body_of_an_answer_to_head_answers_nobody() {
    let says = Says::start("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", false).await;
    let mut sender = http1(says.gateway.address).await;
    for number in 1..4 {
        let got = asked(&mut sender, Method::HEAD).await;
        assert_eq!((got.status, got.body.len()), (StatusCode::OK, 0));
        sleep(Duration::from_millis(100)).await;
        assert_eq!(says.connections(), number);
    }
}

/// A single byte is gone once somebody has looked whether there is any.
#[tokio::test]
async fn what_comes_on_a_connection_that_rests_answers_nobody() {
    let says = Says::with(async |mut stream| {
        let mut buffer = [0; 4096];
        while stream.read(&mut buffer).await.is_ok_and(|length| length > 0) {
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            if stream.write_all(answer).await.is_err() {
                return;
            }
            sleep(Duration::from_millis(50)).await;
            if stream.write_all(b"H").await.is_err() {
                return;
            }
        }
    })
    .await;
    let mut sender = http1(says.gateway.address).await;
    for number in 1..5 {
        assert_eq!(asked(&mut sender, Method::GET).await.body, "ok");
        assert_eq!(says.connections(), number);
        sleep(Duration::from_millis(150)).await;
    }
}

#[tokio::test]
async fn what_comes_at_once_behind_101_goes_through() {
    let says = Says::with(async |mut stream| {
        let mut buffer = [0; 4096];
        assert_ne!(stream.read(&mut buffer).await.unwrap(), 0);
        let answer =
            b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nhi";
        stream.write_all(answer).await.unwrap();
        assert!(stream.read_u8().await.is_err(), "the client says nothing");
    })
    .await;
    let mut stream = TcpStream::connect(says.gateway.address).await.unwrap();
    let request = "GET / HTTP/1.1\r\nhost: a.test\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut heard = Vec::new();
    while !heard.ends_with(b"\r\n\r\nhi") {
        heard.push(timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
    }
    assert!(heard.starts_with(b"HTTP/1.1 101 "));
}

#[tokio::test]
async fn a_body_that_is_shorter_than_its_head_says_breaks_the_answer() {
    let says = Says::start("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nok", true).await;
    let mut sender = http1(says.gateway.address).await;
    let response = sender.send_request(get("/")).await.unwrap();
    assert!(response.into_body().collect().await.is_err());
}

#[tokio::test]
async fn chunks_that_break_break_the_answer() {
    for chunks in [
        "2\r\nokx",
        "x\r\n",
        "2\r\no",
        "2\r\nok\r\n",
        "2\r\nok\r\n0\r\n",
        "0\r\nx: 1\n\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}").leak();
        let says = Says::start(answer, true).await;
        let mut sender = http1(says.gateway.address).await;
        let response = sender.send_request(get("/")).await.unwrap();
        assert!(response.into_body().collect().await.is_err(), "{chunks:?}");
    }
}

#[tokio::test]
async fn trailers_reach_who_can_read_them() {
    let answer = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-sum: 7\r\n\r\n";
    let says = Says::start(answer, false).await;
    let mut sender = http2(says.gateway.address).await;
    let got = Answer::of(sender.send_request(get2("/")).await.unwrap()).await;
    assert_eq!((got.body.as_ref(), &got.trailers.unwrap()["x-sum"]), (&b"ok"[..], &"7".parse().unwrap()));
}

#[tokio::test]
async fn an_answer_may_come_before_the_request_has_ended() {
    let says = Says::start("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno", false).await;
    let head = "POST / HTTP/1.1\r\nhost: a.test\r\ncontent-length: 8000000\r\n\r\n";
    let request = [head.as_bytes(), &vec![b'x'; 8_000_000]].concat();
    let mut stream = TcpStream::connect(says.gateway.address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let mut answer = [0; 12];
    // Writing breaks, as nobody reads what the answer has made needless.
    let (_, read) = tokio::join!(writing.write_all(&request), reading.read_exact(&mut answer));
    read.unwrap();
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 403");
    assert_eq!(says.ask(Method::GET).await.status, StatusCode::FORBIDDEN);
}
