//! Datagrams.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use tokio::{
    net::UdpSocket,
    time::{sleep, timeout},
};

use crate::{
    gateway::{Gateway, PATIENCE, free_port},
    peer::{AGAIN, Answering},
};

fn config(shares: &str, backends: &str) -> String {
    format!(
        "
listeners: [{{name: l, port: PORT, protocol: UDP}}]
streams: [{{name: s, backends: [{shares}]}}]
backends: {{{backends}}}
"
    )
}

fn before(answering: &Answering) -> String {
    config("{backend: a}", &format!("a: {{endpoints: [{}]}}", answering.endpoint()))
}

/// A client, which hears the address alone that it asks.
async fn client(address: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(address).await.unwrap();
    socket
}

async fn answer(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 64 * 1024];
    let length = timeout(PATIENCE, socket.recv(&mut buffer)).await.expect("an answer comes").unwrap();
    buffer.truncate(length);
    buffer
}

/// The words of the answer: who has answered, the port it was asked from, and what it was asked.
async fn ask(socket: &UdpSocket, bytes: &[u8]) -> (String, String, Vec<u8>) {
    socket.send(bytes).await.unwrap();
    let answer = answer(socket).await;
    let mut words = answer.splitn(3, |byte| *byte == b' ').map(<[u8]>::to_vec);
    let mut text = || String::from_utf8(words.next().unwrap()).unwrap();
    (text(), text(), words.next().unwrap())
}

/// Asks until there is an answer, as clients of DNS do.
async fn ask_again(socket: &UdpSocket) -> Option<String> {
    for _ in 0..10 {
        socket.send(b"x").await.unwrap();
        let mut buffer = vec![0; 100];
        if let Ok(Ok(length)) = timeout(Duration::from_millis(200), socket.recv(&mut buffer)).await {
            return Some(String::from_utf8_lossy(&buffer[..length]).into_owned());
        }
    }
    None
}

#[tokio::test]
async fn each_client_gets_its_own_answers() {
    let answering = Answering::start("a").await;
    let gateway = Gateway::start(&before(&answering)).await;
    let mut ports = BTreeSet::new();
    let mut clients = Vec::new();
    for number in 0..20 {
        let socket = client(gateway.address).await;
        let (name, port, echo) = ask(&socket, format!("question {number}").as_bytes()).await;
        assert_eq!((name.as_str(), echo), ("a", format!("question {number}").into_bytes()));
        ports.insert(port.clone());
        clients.push((socket, port));
    }
    assert_eq!(ports.len(), 20);
    for (socket, port) in &clients {
        assert_eq!(ask(socket, b"more").await.1, *port, "a client stays with its socket");
    }
    // As large as datagrams are, and as small.
    for size in [0, 1, 1_500, 9_000, 60_000] {
        let sent: Vec<u8> = (0..size).map(|_| fastrand::u8(..)).collect();
        assert!(ask(&clients[0].0, &sent).await.2 == sent, "{size}");
    }
    gateway.measures("flotilla_gateway_stream_connections_total{stream=\"s\"} 20").await;
    gateway.measures("flotilla_gateway_stream_open_connections{stream=\"s\"} 20").await;
}

#[tokio::test]
async fn a_long_flow_goes_both_ways() {
    let answering = Answering::start("a").await;
    let gateway = Gateway::start(&before(&answering)).await;
    let socket = client(gateway.address).await;
    for round in 0..100 {
        for number in 0..20 {
            socket.send(format!("{round}-{number}").as_bytes()).await.unwrap();
        }
        for number in 0..20 {
            let answer = answer(&socket).await;
            assert!(answer.ends_with(format!(" {round}-{number}").as_bytes()), "in their order");
        }
    }
}

#[tokio::test]
async fn clients_are_shared_out_by_weight() {
    let (a, b) = (Answering::start("a").await, Answering::start("b").await);
    let gateway = Gateway::start(&config(
        "{backend: a, weight: 3}, {backend: b}, {weight: 1}",
        &format!("a: {{endpoints: [{}]}}, b: {{endpoints: [{}]}}", a.endpoint(), b.endpoint()),
    ))
    .await;
    let mut counts = [0; 3];
    let mut clients = Vec::new();
    for _ in 0..200 {
        let socket = client(gateway.address).await;
        socket.send(b"x").await.unwrap();
        clients.push(socket);
    }
    for socket in &clients {
        let mut buffer = [0; 100];
        match timeout(Duration::from_millis(100), socket.recv(&mut buffer)).await {
            Ok(Ok(_)) => counts[usize::from(buffer[0] == b'b')] += 1,
            _ => counts[2] += 1,
        }
    }
    for (count, range) in counts.iter().zip([85..155, 15..70, 15..70]) {
        assert!(range.contains(count), "{counts:?}");
    }
}

#[tokio::test]
async fn silence_ends_a_session_and_datagrams_either_way_keep_it() {
    let answering = Answering::start("a").await;
    let gateway = Gateway::with(&before(&answering), &["--datagram-idle-seconds", "2"]).await;
    let socket = client(gateway.address).await;
    let (_, port, _) = ask(&socket, b"x").await;
    for _ in 0..4 {
        sleep(Duration::from_millis(900)).await;
        assert_eq!(ask(&socket, b"x").await.1, port);
    }
    socket.send(AGAIN.0).await.unwrap();
    for _ in 0..=AGAIN.1 {
        answer(&socket).await;
    }
    assert_eq!(ask(&socket, b"x").await.1, port);
    gateway.measures("flotilla_gateway_stream_open_connections{stream=\"s\"} 0").await;
    assert_ne!(ask(&socket, b"x").await.1, port);
    assert!(!gateway.metrics().await.contains("stream_failures_total{"), "silence is how a session ends");
}

#[tokio::test]
async fn with_too_many_clients_the_one_that_was_silent_for_longest_goes() {
    let answering = Answering::start("a").await;
    let gateway = Gateway::with(&before(&answering), &["--datagram-clients", "2", "--workers", "1"]).await;
    let (first, second, third) =
        (client(gateway.address).await, client(gateway.address).await, client(gateway.address).await);
    let (_, one, _) = ask(&first, b"x").await;
    let (_, two, _) = ask(&second, b"x").await;
    assert_eq!(ask(&first, b"x").await.1, one);
    ask(&third, b"x").await;
    gateway.measures("flotilla_gateway_stream_failures_total{stream=\"s\",reason=\"evicted\"} 1").await;
    gateway.measures("flotilla_gateway_stream_open_connections{stream=\"s\"} 2").await;
    assert_eq!(ask(&first, b"x").await.1, one);
    assert_ne!(ask(&second, b"x").await.1, two);
}

#[tokio::test]
async fn a_client_whose_endpoint_is_gone_comes_to_another() {
    let answering = Answering::start("a").await;
    let dead = free_port();
    let endpoints =
        format!("a: {{endpoints: [{{host: 127.0.0.1, port: {dead}}}, {}]}}", answering.endpoint());
    let gateway = Gateway::start(&config("{backend: a}", &endpoints)).await;
    for _ in 0..20 {
        let socket = client(gateway.address).await;
        assert!(ask_again(&socket).await.is_some_and(|answer| answer.starts_with("a ")));
    }
    let metrics = gateway.metrics().await;
    assert!(metrics.contains("backend_failures_total{backend=\"a\",reason=\"unreachable\"}"), "{metrics}");
    assert!(metrics.contains("stream_failures_total{stream=\"s\",reason=\"unreachable\"}"), "{metrics}");
}

#[tokio::test]
async fn the_name_of_an_endpoint_is_looked_up() {
    let answering = Answering::start("a").await;
    let endpoints = format!("a: {{endpoints: [{{host: localhost, port: {}}}]}}", answering.address.port());
    let gateway = Gateway::start(&config("{backend: a}", &endpoints)).await;
    let socket = client(gateway.address).await;
    for number in 0..5 {
        socket.send(format!("{number}").as_bytes()).await.unwrap();
    }
    // Those that came before it was known are not lost, nor out of order.
    for number in 0..5 {
        assert!(answer(&socket).await.ends_with(format!(" {number}").as_bytes()));
    }
}

/// A socket that hears every address, and answers from the one that it was asked at: a client hears no other.
#[tokio::test]
async fn answers_come_from_the_address_that_was_asked() {
    let answering = Answering::start("a").await;
    for bind in ["0.0.0.0", "::"] {
        let gateway = Gateway::with(&before(&answering), &["--bind", bind]).await;
        for address in ["127.0.0.1", "127.0.0.2", "127.1.2.3"] {
            let address = SocketAddr::new(address.parse().unwrap(), gateway.address.port());
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
            socket.connect(address).await.unwrap();
            assert_eq!(ask(&socket, b"x").await.0, "a", "{bind} {address}");
        }
        if bind == "::" {
            let socket = UdpSocket::bind(("::1", 0)).await.unwrap();
            socket.connect(("::1", gateway.address.port())).await.unwrap();
            assert_eq!(ask(&socket, b"x").await.0, "a");
        }
    }
}

#[tokio::test]
async fn a_change_moves_only_those_whose_endpoint_is_gone() {
    let (a, b) = (Answering::start("a").await, Answering::start("b").await);
    let gateway = Gateway::start(&before(&a)).await;
    let socket = client(gateway.address).await;
    let (_, port, _) = ask(&socket, b"x").await;
    let both = format!("a: {{endpoints: [{}]}}, b: {{endpoints: [{}]}}", a.endpoint(), b.endpoint());
    gateway.reload(&config("{backend: b}", &both)).await;
    // For longer than it takes to look at all sessions.
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(ask(&socket, b"x").await.1, port);
    assert_eq!(ask(&client(gateway.address).await, b"x").await.0, "b");
    gateway.reload(&before(&b)).await;
    let moved = async {
        while ask(&socket, b"x").await.0 != "b" {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, moved).await.unwrap();
    // The other client's backend is gone as well, which its worker sees in its own time.
    gateway.measures("flotilla_gateway_stream_open_connections{stream=\"s\"} 1").await;
    // Without the listener there is nobody.
    let listener = "{name: l, port: PORT, protocol: UDP}";
    assert!(before(&b).contains(listener));
    gateway.reload(&before(&b).replace(listener, "")).await;
    let closed = async {
        while socket.send(b"x").await.is_ok() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, closed).await.unwrap();
    gateway.measures("flotilla_gateway_stream_failures_total{stream=\"s\",reason=\"cut-off\"} 1").await;
}

#[tokio::test]
async fn at_the_end_those_who_are_there_are_served_until_they_say_no_more() {
    let answering = Answering::start("a").await;
    let mut gateway = Gateway::start(&before(&answering)).await;
    let (known, other) = (client(gateway.address).await, client(gateway.address).await);
    ask(&known, b"x").await;
    gateway.stop();
    for round in 0..8 {
        sleep(Duration::from_millis(500)).await;
        assert_eq!(ask(&known, b"x").await.0, "a");
        if round == 0 {
            // A new one is not taken any more.
            other.send(b"x").await.unwrap();
        }
    }
    let mut buffer = [0; 10];
    assert!(other.try_recv(&mut buffer).is_err());
    let begun = std::time::Instant::now();
    gateway.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_gateway_nobody_asks_ends_at_once() {
    let answering = Answering::start("a").await;
    let gateway = Gateway::start(&before(&answering)).await;
    timeout(Duration::from_secs(2), gateway.ended()).await.unwrap();
}

#[tokio::test]
async fn connections_and_datagrams_share_a_number() {
    let answering = Answering::start("a").await;
    let peer = crate::peer::Peer::start("t").await;
    let gateway = Gateway::start(&format!(
        "
listeners:
- {{name: t, port: PORT, protocol: TCP, routes: [t]}}
- {{name: u, port: PORT, protocol: UDP, routes: [u]}}
- {{name: none, port: 9999, targetPort: {}, protocol: UDP, routes: []}}
streams:
- {{name: t, backends: [{{backend: t}}]}}
- {{name: u, backends: [{{backend: u}}]}}
backends: {{t: {{endpoints: [{}]}}, u: {{endpoints: [{}]}}}}
",
        free_port(),
        peer.endpoint(),
        answering.endpoint()
    ))
    .await;
    assert_eq!(ask(&client(gateway.address).await, b"x").await.0, "a");
    assert_eq!(crate::peer::greeted(gateway.address).await.unwrap().1, "t");
}
