//! Requests to those outside, over real connections, to servers that do what they should not.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use flotilla_notification_service::send::{
    guard::Guard,
    outbound::{Answer, Error, Outbound},
};
use http::HeaderMap;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::{Instant, sleep},
};

const PATIENCE: Duration = Duration::from_secs(3);

/// A server that says this to whoever asks, and then something again and again, or nothing. It counts who has asked, and who
/// is still there.
struct Server {
    address: SocketAddr,
    asked: Arc<AtomicU32>,
    open: Arc<AtomicU32>,
}

impl Server {
    async fn start(says: String, and_then: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server =
            Self { address: listener.local_addr().unwrap(), asked: Arc::default(), open: Arc::default() };
        let (asked, open) = (Arc::clone(&server.asked), Arc::clone(&server.open));
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                asked.fetch_add(1, Ordering::SeqCst);
                open.fetch_add(1, Ordering::SeqCst);
                let (says, open) = (says.clone(), Arc::clone(&open));
                tokio::spawn(async move {
                    let mut buffer = [0; 4_096];
                    let _head = stream.read(&mut buffer).await;
                    let mut is_there = stream.write_all(says.as_bytes()).await.is_ok();
                    while is_there {
                        is_there = match and_then {
                            Some(more) => {
                                sleep(Duration::from_millis(1)).await;
                                stream.write_all(more.as_bytes()).await.is_ok()
                            }
                            None => matches!(stream.read(&mut buffer).await, Ok(read) if read > 0),
                        };
                    }
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    async fn is_left(&self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while self.open.load(Ordering::SeqCst) > 0 && Instant::now() < deadline {
            sleep(Duration::from_millis(20)).await;
        }
        self.open.load(Ordering::SeqCst) == 0
    }
}

fn outbound(networks: &[&str]) -> Outbound {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
    let networks = networks.iter().map(|network| network.parse().unwrap()).collect();
    Outbound::new(Guard { networks, plain_http: true }, PATIENCE)
}

async fn post(networks: &[&str], url: &str) -> Result<Answer, Error> {
    outbound(networks).post(url, HeaderMap::new(), Bytes::from_static(b"{}")).await
}

#[tokio::test]
async fn a_redirect_leads_nowhere() {
    let inner = Server::start("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), None).await;
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let says = format!("HTTP/1.1 {status}\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", inner.url());
        let outer = Server::start(says, None).await;
        let answer = post(&["127.0.0.0/8"], &outer.url()).await.unwrap();
        assert!(answer.status.is_redirection(), "{answer:?}");
    }
    assert_eq!(inner.asked.load(Ordering::SeqCst), 0);
}

/// A name is resolved once, and what is connected to is what was looked at: another answer the second time has no effect.
#[tokio::test]
async fn a_name_or_a_number_that_leads_into_the_cluster_is_refused_before_anybody_is_connected_to() {
    let inner = Server::start("HTTP/1.1 204 No Content\r\n\r\n".to_owned(), None).await;
    let port = inner.address.port();
    // Resolvers take the last ones for 127.0.0.1.
    for host in
        ["localhost", "127.0.0.1", "[::ffff:127.0.0.1]", "127.1", "0x7f.1", "2130706433", "0177.0.0.1"]
    {
        let refused = post(&["192.0.2.0/24"], &format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(refused, Error::Refused(_) | Error::Resolve(_)), "{host}: {refused:?}");
    }
    assert_eq!(inner.asked.load(Ordering::SeqCst), 0);
    assert_eq!(
        post(&["127.0.0.0/8", "::1/128"], &format!("http://localhost:{port}/")).await.unwrap().status,
        204
    );
}

#[tokio::test]
async fn an_answer_is_one_also_when_its_body_has_no_end() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    for and_then in [Some("1000\r\n"), Some("5\r\nhello\r\n"), None] {
        let server = Server::start(head.to_owned(), and_then).await;
        let began = Instant::now();
        let answer = post(&["127.0.0.0/8"], &server.url()).await.unwrap();
        assert!(answer.status.is_success() && began.elapsed() < PATIENCE, "{and_then:?}");
        assert!(server.is_left().await, "{and_then:?}");
    }
}

#[tokio::test]
async fn whoever_never_answers_is_left_and_no_connection_stays() {
    for (says, and_then) in [("", None), ("HTTP/1.1 200 OK\r\n", Some("x: y\r\n"))] {
        let server = Server::start(says.to_owned(), and_then).await;
        let late = post(&["127.0.0.0/8"], &server.url()).await.unwrap_err();
        assert!(matches!(late, Error::Late(_) | Error::Http(_)), "{late:?}");
        assert!(server.is_left().await, "{says}");
    }
    let nobody = post(&["127.0.0.0/8"], "http://127.0.0.1:1/").await.unwrap_err();
    assert!(matches!(nobody, Error::Connect(_)), "{nobody:?}");
}
