//! Connections that are not looked into.

use std::{net::SocketAddr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    client::{get, send},
    gateway::{Gateway, PATIENCE, free_port},
    peer::{Peer, RESET, greeted, line, rest},
};

/// One listener with one stream.
fn config(shares: &str, backends: &str) -> String {
    format!(
        "
listeners: [{{name: l, port: PORT, protocol: TCP}}]
streams: [{{name: s, backends: [{shares}]}}]
backends: {{{backends}}}
"
    )
}

fn before(peer: &Peer) -> String {
    config("{backend: a}", &format!("a: {{endpoints: [{}]}}", peer.endpoint()))
}

#[tokio::test]
async fn bytes_go_both_ways_and_each_side_ends_for_itself() {
    let peer = Peer::start("a").await;
    let gateway = Gateway::start(&before(&peer)).await;
    // The backend may be the first to speak.
    let (stream, greeting) = greeted(gateway.address).await.unwrap();
    assert_eq!(greeting, "a");
    let (mut reading, mut writing) = stream.into_split();
    let sent: Vec<u8> = (0..8 * 1024 * 1024).map(|_| fastrand::u8(..)).collect();
    let all = sent.clone();
    let writer = tokio::spawn(async move {
        writing.write_all(&all).await.unwrap();
        // Nothing is read for a while, and everything is there afterwards.
        writing.shutdown().await.unwrap();
    });
    sleep(Duration::from_millis(300)).await;
    let mut received = Vec::new();
    timeout(PATIENCE, reading.read_to_end(&mut received)).await.unwrap().unwrap();
    writer.await.unwrap();
    assert!(received.strip_suffix(b"end\n") == Some(&sent), "{} of {}", received.len(), sent.len());
    assert_eq!(peer.ended(1).await, ["end"]);
    for line in [
        "flotilla_gateway_stream_connections_total{stream=\"s\"} 1",
        "flotilla_gateway_stream_open_connections{stream=\"s\"} 0",
        "flotilla_gateway_stream_bytes_total{stream=\"s\",direction=\"received\"} 8388608",
        "flotilla_gateway_stream_bytes_total{stream=\"s\",direction=\"sent\"} 8388614",
    ] {
        gateway.measures(line).await;
    }
    assert!(!gateway.metrics().await.contains("stream_failures_total{"));
}

#[tokio::test]
async fn connections_are_shared_out_by_weight() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gateway = Gateway::start(&config(
        "{backend: a, weight: 3}, {backend: b}, {weight: 1}",
        &format!("a: {{endpoints: [{}]}}, b: {{endpoints: [{}]}}", a.endpoint(), b.endpoint()),
    ))
    .await;
    let mut closed = 0;
    for _ in 0..200 {
        closed += usize::from(greeted(gateway.address).await.is_err());
    }
    assert_eq!(a.connections() + b.connections() + closed, 200);
    for (count, range) in [(a.connections(), 85..155), (b.connections(), 15..70), (closed, 15..70)] {
        assert!(range.contains(&count), "{} {} {closed}", a.connections(), b.connections());
    }
    gateway
        .measures(&format!(
            "flotilla_gateway_stream_failures_total{{stream=\"s\",reason=\"no-backend\"}} {closed}"
        ))
        .await;
}

#[tokio::test]
async fn the_endpoint_with_fewer_connections_is_taken() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let endpoints = format!("a: {{endpoints: [{}, {}]}}", a.endpoint(), b.endpoint());
    let gateway = Gateway::start(&config("{backend: a}", &endpoints)).await;
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(greeted(gateway.address).await.unwrap());
    }
    assert_eq!((a.connections(), b.connections()), (10, 10));
}

#[tokio::test]
async fn an_endpoint_that_cannot_be_reached_fails_no_connection() {
    let peer = Peer::start("a").await;
    let endpoints =
        format!("a: {{endpoints: [{{host: 127.0.0.1, port: {}}}, {}]}}", free_port(), peer.endpoint());
    let gateway = Gateway::start(&config("{backend: a}", &endpoints)).await;
    for _ in 0..30 {
        assert_eq!(greeted(gateway.address).await.unwrap().1, "a");
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("backend_failures_total{backend=\"a\",reason=\"connect\"}"), "{metrics}");
    assert!(!metrics.contains("stream_failures_total{"), "{metrics}");
}

#[tokio::test]
async fn without_an_endpoint_a_connection_is_reset() {
    for (backends, shares, reason) in [
        (
            format!("a: {{endpoints: [{{host: 127.0.0.1, port: {}}}]}}", free_port()),
            "{backend: a}",
            "unreachable",
        ),
        (String::new(), "", "no-backend"),
        (String::new(), "{weight: 2}", "no-backend"),
    ] {
        let gateway = Gateway::start(&config(shares, &backends)).await;
        let error = greeted(gateway.address).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{reason}");
        gateway
            .measures(&format!(
                "flotilla_gateway_stream_failures_total{{stream=\"s\",reason=\"{reason}\"}} 1"
            ))
            .await;
    }
}

#[tokio::test]
async fn what_no_stream_takes_is_closed() {
    let gateway = Gateway::start(
        "
listeners: [{name: l, port: PORT, protocol: TCP, routes: []}]
streams: [{name: s}]
",
    )
    .await;
    greeted(gateway.address).await.unwrap_err();
    gateway.measures("flotilla_gateway_refused_requests_total{reason=\"no-stream\"} 1").await;
}

#[tokio::test]
async fn a_reset_is_no_end() {
    let peer = Peer::start("a").await;
    let gateway = Gateway::start(&before(&peer)).await;
    let (mut stream, _) = greeted(gateway.address).await.unwrap();
    stream.write_all(RESET).await.unwrap();
    let error = rest(&mut stream).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let (stream, _) = greeted(gateway.address).await.unwrap();
    stream.set_zero_linger().unwrap();
    drop(stream);
    let ends = peer.ended(2).await;
    assert_eq!(ends[1], std::io::ErrorKind::ConnectionReset.to_string());
    for reason in ["backend", "client"] {
        gateway
            .measures(&format!(
                "flotilla_gateway_stream_failures_total{{stream=\"s\",reason=\"{reason}\"}} 1"
            ))
            .await;
    }
}

#[tokio::test]
async fn silence_ends_a_connection_and_bytes_either_way_keep_it() {
    let peer = Peer::start("a").await;
    let gateway = Gateway::with(
        &before(&peer),
        &["--stream-idle-seconds", "2", "--idle-seconds", "1", "--head-seconds", "1"],
    )
    .await;
    let (mut stream, _) = greeted(gateway.address).await.unwrap();
    for _ in 0..3 {
        sleep(Duration::from_millis(1_200)).await;
        stream.write_all(b"x\n").await.unwrap();
        assert_eq!(line(&mut stream).await.unwrap(), "x\n");
    }
    let begun = std::time::Instant::now();
    rest(&mut stream).await.unwrap_err();
    assert!((Duration::from_millis(1_800)..Duration::from_secs(6)).contains(&begun.elapsed()));
    gateway.measures("flotilla_gateway_stream_failures_total{stream=\"s\",reason=\"idle\"} 1").await;
}

#[tokio::test]
async fn a_changed_stream_is_for_new_connections() {
    let (a, b) = (Peer::start("a").await, Peer::start("b").await);
    let gateway = Gateway::start(&before(&a)).await;
    let (mut stream, _) = greeted(gateway.address).await.unwrap();
    gateway.reload(&before(&b)).await;
    let reached = async {
        while greeted(gateway.address).await.unwrap().1 != "b" {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap();
    stream.write_all(b"still\n").await.unwrap();
    assert_eq!(line(&mut stream).await.unwrap(), "still\n");
    // Without the listener nobody is taken, and those who are there stay.
    gateway.reload("listeners: []").await;
    let closed = async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, closed).await.unwrap();
    stream.write_all(b"yet\n").await.unwrap();
    assert_eq!(line(&mut stream).await.unwrap(), "yet\n");
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await.unwrap(), "end\n");
    gateway.reload(&before(&b)).await;
    assert_eq!(greeted(gateway.address).await.unwrap().1, "b");
    gateway.reload("listeners: []").await;
    // Its series go with it.
    let gone = async {
        loop {
            gateway.reload("listeners: []\nroutes: []").await;
            if !gateway.metrics().await.contains("stream=\"s\"") {
                return;
            }
        }
    };
    timeout(PATIENCE, gone).await.unwrap();
}

#[tokio::test]
async fn what_runs_at_the_end_is_finished_or_cut_off() {
    let peer = Peer::start("a").await;
    let mut gateway = Gateway::start(&before(&peer)).await;
    let (mut stream, _) = greeted(gateway.address).await.unwrap();
    gateway.stop();
    while TcpStream::connect(gateway.address).await.is_ok() {
        sleep(Duration::from_millis(10)).await;
    }
    stream.write_all(b"still\n").await.unwrap();
    assert_eq!(line(&mut stream).await.unwrap(), "still\n");
    stream.shutdown().await.unwrap();
    assert_eq!(rest(&mut stream).await.unwrap(), "end\n");
    timeout(Duration::from_secs(5), gateway.ended()).await.unwrap();

    let mut gateway = Gateway::with(&before(&peer), &["--ending-seconds", "1"]).await;
    let (mut stream, _) = greeted(gateway.address).await.unwrap();
    gateway.stop();
    timeout(Duration::from_secs(5), gateway.ended()).await.unwrap();
    let _reset = rest(&mut stream).await.is_err();
}

#[tokio::test]
async fn a_port_may_have_its_socket_elsewhere() {
    let peer = Peer::start("a").await;
    let yaml = before(&peer).replace("port: PORT", "port: 443, targetPort: PORT");
    let gateway = Gateway::start(&yaml).await;
    let (stream, greeting) = greeted(gateway.address).await.unwrap();
    assert_eq!(greeting, "a");
    gateway.measures("flotilla_gateway_connections{port=\"443\"} 1").await;
    drop(stream);
    let elsewhere = free_port();
    let moved = yaml.replace("PORT", &elsewhere.to_string());
    gateway.reload(&moved).await;
    let address = SocketAddr::new(gateway.address.ip(), elsewhere);
    assert_eq!(greeted(address).await.unwrap().1, "a");
    let closed = async {
        while TcpStream::connect(gateway.address).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, closed).await.unwrap();
}

#[tokio::test]
async fn a_redirect_and_a_route_know_the_port_of_clients() {
    let yaml = "
listeners: [{name: web, port: 80, targetPort: PORT, protocol: HTTP}]
routes: [{name: r, rules: [{filters: [{requestRedirect: {path: {replaceFullPath: /new}}}]}]}]
";
    let gateway = Gateway::start(yaml).await;
    let answer = send(gateway.address, get("/old")).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (302, "http://a.test/new"));
}

#[tokio::test]
async fn a_stream_is_explained() {
    let peer = Peer::start("a").await;
    let gateway = Gateway::start(&format!(
        "
listeners:
- {{name: l, port: PORT, protocol: TCP}}
- {{name: d, port: PORT, protocol: UDP, routes: [empty]}}
streams:
- {{name: s, backends: [{{backend: a}}]}}
- {{name: empty}}
backends: {{a: {{endpoints: [{}]}}}}
",
        peer.endpoint()
    ))
    .await;
    let port = gateway.address.port();
    let explain = |url: String| async move {
        let answer = send(gateway.admin, get(&format!("/explain?url={url}"))).await;
        (answer.status.as_u16(), String::from_utf8(answer.body.to_vec()).unwrap())
    };
    let (status, text) = explain(format!("tcp://any:{port}")).await;
    let explained: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &explained["listener"], &explained["stream"], &explained["backends"][0]["name"]),
        (200, &"l".into(), &"s".into(), &"a".into()),
        "{text}"
    );
    for (url, status, part) in [
        (format!("udp://any:{port}"), 200, "\"closed\":\"the stream has no backend\""),
        ("tcp://any".to_owned(), 400, "tls://, tcp:// and udp:// with a port"),
        ("udp://any:1".to_owned(), 400, "no listener has port 1; there are ["),
    ] {
        let (found, text) = explain(url.clone()).await;
        assert!(found == status && text.contains(part), "{url}: {found} {text}");
    }
}
