//! The PROXY protocol, from proxies in front and towards backends.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use crate::{
    authority::{Authority, client, quoted, server, written},
    backend::Backend,
    gateway::{Gateway, PATIENCE},
    peer::{Peer, rest},
};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n";

const TRUSTED: [&str; 2] = ["--trusted-proxies", "127.0.0.0/8"];

/// A header of version 2 with a TLV, for a client at 192.0.2.7.
fn v2(command: u8) -> Vec<u8> {
    let ends = [192, 0, 2, 7, 198, 51, 100, 1, 0xc7, 0x38, 0x01, 0xbb];
    let tlv = [4, 0, 3, 1, 2, 3];
    [b"\r\n\r\n\0\r\nQUIT\n", &[command, 0x11, 0, 18][..], &ends, &tlv].concat()
}

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\n";

async fn answer(address: SocketAddr, pieces: &[&[u8]]) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    for piece in pieces {
        stream.write_all(piece).await?;
        sleep(Duration::from_millis(30)).await;
    }
    rest(&mut stream).await
}

fn requests(backend: &Backend) -> String {
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP, proxyProtocol: true}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}]}}}}
",
        backend.endpoint()
    )
}

#[tokio::test]
async fn a_trusted_proxy_says_who_the_client_is() {
    // A socket of both families has a proxy of IPv4 in addresses of IPv6.
    for bind in ["127.0.0.1", "::"] {
        trusted(&["--bind", bind]).await;
    }
}

async fn trusted(bind: &[&str]) {
    let backend = Backend::start().await;
    let gateway = Gateway::with(&requests(&backend), &[&TRUSTED[..], bind].concat()).await;
    let (proxy, local) = (v2(0x21), v2(0x20));
    for (pieces, client) in [
        (vec![V1, REQUEST], "192.0.2.7"),
        (vec![&proxy, REQUEST], "192.0.2.7"),
        (vec![&proxy[..5], &proxy[5..20], &proxy[20..], REQUEST], "192.0.2.7"),
        (vec![&V1[..3], &V1[3..20], &V1[20..], REQUEST], "192.0.2.7"),
        // For itself, as when it looks whether this gateway lives.
        (vec![&local, REQUEST], "127.0.0.1"),
        (vec![b"PROXY UNKNOWN\r\n", REQUEST], "127.0.0.1"),
    ] {
        let answer = answer(gateway.address, &pieces).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let last = backend.last.lock().unwrap().clone();
        assert_eq!(crate::client::got(&last, "x-forwarded-for"), [client], "{answer}");
    }
    // In one piece with the request.
    let answer = answer(gateway.address, &[&[&proxy, REQUEST].concat()]).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn who_says_nothing_or_may_not_is_not_heard() {
    let backend = Backend::start().await;
    let trusting =
        Gateway::with(&requests(&backend), &[&TRUSTED[..], &["--head-seconds", "1"]].concat()).await;
    let bad = v2(0x31);
    for pieces in
        [vec![REQUEST], vec![&bad[..], REQUEST], vec![b"PROXY TCP4 a b c d\r\n"], vec![&V1[..20]], vec![]]
    {
        let answer = answer(trusting.address, &pieces).await.unwrap_or_default();
        assert_eq!(answer, "", "{pieces:?}");
    }
    trusting.measures("flotilla_gateway_refused_requests_total{reason=\"proxy-header\"} 5").await;
    let wary = Gateway::with(&requests(&backend), &["--trusted-proxies", "192.0.2.0/24"]).await;
    let answer = answer(wary.address, &[V1, REQUEST]).await.unwrap_or_default();
    assert_eq!(answer, "");
    wary.measures("flotilla_gateway_refused_requests_total{reason=\"untrusted-proxy\"} 1").await;
    assert_eq!(backend.requests(), 0);
}

/// Says what comes first on a connection.
async fn first_bytes(listener: &TcpListener, count: usize) -> Vec<u8> {
    let (mut stream, _) = timeout(PATIENCE, listener.accept()).await.unwrap().unwrap();
    let mut first = vec![0; count];
    timeout(PATIENCE, stream.read_exact(&mut first)).await.unwrap().unwrap();
    first
}

#[tokio::test]
async fn a_backend_is_told_who_the_client_is() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let config = |version: &str, more: &str| {
        format!(
            "
listeners: [{{name: l, port: 7000, targetPort: PORT, protocol: TCP{more}}}]
streams: [{{name: s, backends: [{{backend: a}}]}}]
backends: {{a: {{endpoints: [{{host: 127.0.0.1, port: {port}}}], proxyProtocol: {version}}}}}
"
        )
    };
    let gateway = Gateway::start(&config("V1", "")).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let own = stream.local_addr().unwrap().port();
    // The port that clients know, whatever its socket has.
    let expected = format!("PROXY TCP4 127.0.0.1 127.0.0.1 {own} 7000\r\nhello");
    let first = first_bytes(&listener, expected.len()).await;
    assert_eq!(String::from_utf8(first).unwrap(), expected);

    let gateway = Gateway::start(&config("V2", "")).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(b"hello").await.unwrap();
    let own = stream.local_addr().unwrap().port().to_be_bytes();
    let ends = [127, 0, 0, 1, 127, 0, 0, 1, own[0], own[1], 0x1b, 0x58];
    let expected = [b"\r\n\r\n\0\r\nQUIT\n", &[0x21, 0x11, 0, 12][..], &ends, b"hello"].concat();
    assert_eq!(first_bytes(&listener, expected.len()).await, expected);

    // What a proxy in front has said goes on.
    let gateway = Gateway::with(&config("V1", ", proxyProtocol: true"), &TRUSTED).await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(&[&v2(0x21), &b"hello"[..]].concat()).await.unwrap();
    let expected = "PROXY TCP4 192.0.2.7 198.51.100.1 51000 443\r\nhello";
    let first = first_bytes(&listener, expected.len()).await;
    assert_eq!(String::from_utf8(first).unwrap(), expected);
}

#[tokio::test]
async fn the_header_comes_before_tls() {
    let authority = Authority::new();
    let peer = Peer::with("a", Some(server(&authority.issue(&["inner.test"])))).await;
    let gateway = Gateway::with(
        &format!(
            "
listeners:
- {{name: ended, port: PORT, protocol: TLS, hostname: a.test, proxyProtocol: true, tls: {{certificates: [own]}}}}
- {{name: passed, port: PORT, protocol: TLS, hostname: inner.test, proxyProtocol: true}}
streams: [{{name: s, backends: [{{backend: a}}]}}]
backends: {{a: {{endpoints: [{}]}}}}
certificates:
{}",
            peer.endpoint(),
            written("own", &authority.issue(&["a.test"]))
        ),
        &TRUSTED,
    )
    .await;
    let mut stream = TcpStream::connect(gateway.address).await.unwrap();
    stream.write_all(&v2(0x21)).await.unwrap();
    let mut stream = client(&authority).on(stream, "inner.test").await.unwrap();
    assert_eq!(crate::peer::line(&mut stream).await.unwrap(), "a\n");

    // Towards a backend as well: its hello comes behind the header.
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let gateway = Gateway::start(&format!(
        "
listeners: [{{name: l, port: PORT, protocol: TCP}}]
streams: [{{name: s, backends: [{{backend: a}}]}}]
backends:
  a:
    endpoints: [{{host: 127.0.0.1, port: {}}}]
    proxyProtocol: V2
    tls: {{serverName: inner.test, ca: {}}}
",
        listener.local_addr().unwrap().port(),
        quoted(&authority.pem())
    ))
    .await;
    let _stream = TcpStream::connect(gateway.address).await.unwrap();
    let first = first_bytes(&listener, 30).await;
    assert_eq!((&first[..12], &first[28..30]), (&b"\r\n\r\n\0\r\nQUIT\n"[..], &[22, 3][..]));
}
