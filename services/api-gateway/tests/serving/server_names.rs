//! TLS that goes where its server name says: ended here, or passed through as it is, beside requests on the same port.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use flotilla_gateway_config::Certificate;
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::client::TlsStream;

use crate::{
    authority::{Authority, Client, client, quoted, server, written},
    backend::{Backend, Speaks},
    client::{get, send},
    gateway::{Gateway, PATIENCE},
    peer::{Peer, RESET, line, rest},
};

/// One port with requests for `web.test`, TLS that is ended for `ended.test`, and TLS that is passed through for
/// `*.db.test`.
fn config(web: &Backend, ended: &Peer, passed: &Peer, certificates: [&Certificate; 2]) -> String {
    format!(
        "
listeners:
- {{name: web, port: PORT, protocol: HTTPS, hostname: web.test, tls: {{certificates: [web]}}}}
- {{name: ended, port: PORT, protocol: TLS, hostname: ended.test, tls: {{certificates: [ended]}}, routes: [ended]}}
- {{name: passed, port: PORT, protocol: TLS, hostname: '*.db.test', routes: [passed]}}
routes: [{{name: r, rules: [{{backends: [{{backend: web}}]}}]}}]
streams:
- {{name: ended, backends: [{{backend: ended}}]}}
- {{name: passed, hostnames: [a.db.test, '*.b.db.test'], backends: [{{backend: passed}}]}}
backends:
  web: {{endpoints: [{}]}}
  ended: {{endpoints: [{}]}}
  passed: {{endpoints: [{}]}}
certificates:
{}{}",
        web.endpoint(),
        ended.endpoint(),
        passed.endpoint(),
        written("web", certificates[0]),
        written("ended", certificates[1]),
    )
}

async fn greeted(
    client: &Client,
    address: SocketAddr,
    name: &str,
) -> std::io::Result<(TlsStream<TcpStream>, String)> {
    let mut stream = client.connect(address, name).await?;
    let greeting = line(&mut stream).await?;
    Ok((stream, greeting.trim_end().to_owned()))
}

#[tokio::test]
async fn one_port_has_requests_and_streams_by_the_name_that_is_asked_for() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let web = Backend::start().await;
    let ended = Peer::start("ended").await;
    let passed = Peer::with("passed", Some(server(&theirs.issue(&["*.db.test", "x.b.db.test"])))).await;
    let certificates = [&ours.issue(&["web.test"]), &ours.issue(&["ended.test"])];
    let gateway = Gateway::start(&config(&web, &ended, &passed, certificates)).await;
    let (our_client, their_client) = (client(&ours), client(&theirs));
    for alpn in ["http/1.1", "h2"] {
        let client = Client { alpn, ..client(&ours) };
        assert_eq!(client.get(gateway.address, "web.test", "web.test").await.unwrap().status, 200, "{alpn}");
        // The hosts of a listener for streams are no other's.
        let answer = client.get(gateway.address, "web.test", "ended.test").await.unwrap();
        assert_eq!(answer.status, 421, "{alpn}");
    }
    for _ in 0..2 {
        let (mut stream, greeting) = greeted(&our_client, gateway.address, "ended.test").await.unwrap();
        assert_eq!(greeting, "ended");
        // None of ours is forced on what is spoken in it.
        assert_eq!(stream.get_ref().1.alpn_protocol(), None);
        stream.write_all(b"hello\n").await.unwrap();
        assert_eq!(line(&mut stream).await.unwrap(), "hello\n");
        stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut stream).await.unwrap(), "end\n");
    }
    for name in ["a.db.test", "x.b.db.test"] {
        let (mut stream, greeting) = greeted(&their_client, gateway.address, name).await.unwrap();
        assert_eq!(greeting, "passed", "it is their certificate that {name} shows");
        stream.shutdown().await.unwrap();
        assert_eq!(rest(&mut stream).await.unwrap(), "end\n");
    }
    for (name, reason) in [("other.test", "tls"), ("c.db.test", "no-stream"), ("b.db.test", "no-stream")] {
        let error = their_client.connect(gateway.address, name).await.unwrap_err();
        let is_told = error.to_string().contains("UnrecognisedName");
        assert_eq!(is_told, reason == "tls", "{name}: {error}");
    }
    for (reason, count) in [("tls", 1), ("no-stream", 2)] {
        gateway
            .measures(&format!("flotilla_gateway_refused_requests_total{{reason=\"{reason}\"}} {count}"))
            .await;
    }
    gateway.measures("flotilla_gateway_stream_connections_total{stream=\"passed\"} 2").await;
    gateway.measures("flotilla_gateway_stream_open_connections{stream=\"ended\"} 0").await;
}

#[tokio::test]
async fn a_port_is_explained_by_name() {
    let ours = Authority::new();
    let (web, peer) = (Backend::start().await, Peer::start("a").await);
    let certificates = [&ours.issue(&["web.test"]), &ours.issue(&["ended.test"])];
    let gateway = Gateway::start(&config(&web, &peer, &peer, certificates)).await;
    let port = gateway.address.port();
    for (url, part) in [
        ("tls://a.db.test", "\"listener\":\"passed\",\"stream\":\"passed\""),
        ("https://ended.test", "\"listener\":\"ended\",\"stream\":\"ended\""),
        ("https://web.test", "\"route\":\"r\""),
        ("tls://c.db.test", "\"closed\":\"no stream of the listener is for it\""),
        ("tls://web.test", "ask with https"),
        ("tcp://web.test", "ask with http or https"),
        ("http://web.test", "the port speaks TLS when the scheme is https"),
    ] {
        let answer = send(gateway.admin, get(&format!("/explain?url={url}:{port}"))).await;
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        assert!(answer.status == 200 && text.contains(part), "{url}: {text}");
    }
}

/// What a client sends first, without a name when it asks for an address.
fn hello(name: &str) -> Vec<u8> {
    let config = ClientConfig::builder().with_root_certificates(rustls::RootCertStore::empty());
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut connection = ClientConnection::new(Arc::new(config.with_no_client_auth()), name).unwrap();
    let mut bytes = Vec::new();
    connection.write_tls(&mut bytes).unwrap();
    bytes
}

fn passing(named: &Peer, others: &Peer) -> String {
    format!(
        "
listeners:
- {{name: named, port: PORT, protocol: TLS, hostname: a.test, routes: [named]}}
- {{name: others, port: PORT, protocol: TLS, routes: [others]}}
streams:
- {{name: named, backends: [{{backend: named}}]}}
- {{name: others, backends: [{{backend: others}}]}}
backends:
  named: {{endpoints: [{}]}}
  others: {{endpoints: [{}]}}
",
        named.endpoint(),
        others.endpoint()
    )
}

#[tokio::test]
async fn a_hello_in_many_pieces_goes_through_unchanged() {
    let (named, others) = (Peer::start("named").await, Peer::start("others").await);
    let gateway = Gateway::start(&passing(&named, &others)).await;
    for (name, expected) in [("a.test", "named"), ("b.test", "others"), ("127.0.0.1", "others")] {
        let bytes = hello(name);
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for piece in bytes.chunks(bytes.len() / 7) {
            stream.write_all(piece).await.unwrap();
            sleep(Duration::from_millis(20)).await;
        }
        // These backends know nothing of TLS: they greet, and say back what they hear.
        assert_eq!(line(&mut stream).await.unwrap().trim_end(), expected, "{name}");
        let mut heard = vec![0; bytes.len()];
        timeout(PATIENCE, stream.read_exact(&mut heard)).await.unwrap().unwrap();
        assert!(heard == bytes, "{name}");
    }
}

#[tokio::test]
async fn what_is_no_hello_or_does_not_come_is_not_waited_for() {
    let peer = Peer::start("a").await;
    let gateway = Gateway::with(&passing(&peer, &peer), &["--head-seconds", "1"]).await;
    let bytes = hello("a.test");
    // Each byte of it in a record of its own.
    let beginning = [22, 3, 1, 0, 4, 1, 0, 0x3f, 0xff];
    let endless: Vec<u8> =
        beginning.into_iter().chain((0..6_000).flat_map(|_| [22, 3, 1, 0, 1, 0])).collect();
    for (name, bytes, is_quick) in [
        ("half", &bytes[..bytes.len() / 2], false),
        ("nothing", &b""[..], false),
        ("a request", b"GET / HTTP/1.1\r\n\r\n", true),
        ("a hello that is too long", &[22, 3, 1, 0, 4, 1, 0, 0xff, 0xff], true),
        ("records without end", &endless, true),
    ] {
        let begun = std::time::Instant::now();
        let mut stream = TcpStream::connect(gateway.address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let said = rest(&mut stream).await.unwrap_or_default();
        let took = begun.elapsed();
        assert_eq!(said, "", "{name}");
        assert!(
            (took < Duration::from_millis(950)) == is_quick && took < Duration::from_secs(5),
            "{name}: {took:?}"
        );
    }
    assert_eq!(peer.connections(), 0);
    gateway.measures("flotilla_gateway_refused_requests_total{reason=\"tls\"} 5").await;
}

#[tokio::test]
async fn a_reset_in_tls_is_no_end() {
    let ours = Authority::new();
    let (web, ended) = (Backend::start().await, Peer::start("ended").await);
    let certificates = [&ours.issue(&["web.test"]), &ours.issue(&["ended.test"])];
    let gateway = Gateway::start(&config(&web, &ended, &ended, certificates)).await;
    let (mut stream, _) = greeted(&client(&ours), gateway.address, "ended.test").await.unwrap();
    stream.write_all(RESET).await.unwrap();
    stream.flush().await.unwrap();
    let error = rest(&mut stream).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    // A client that ends TLS without saying so has ended.
    let (stream, _) = greeted(&client(&ours), gateway.address, "ended.test").await.unwrap();
    drop(stream.into_inner().0);
    let ends = ended.ended(2).await;
    assert_eq!(ends[1], "end");
}

#[tokio::test]
async fn a_new_certificate_cuts_no_stream() {
    let (first, second) = (Authority::new(), Authority::new());
    let (web, ended) = (Backend::start().await, Peer::start("ended").await);
    let yaml = |authority: &Authority| {
        let certificates = [&authority.issue(&["web.test"]), &authority.issue(&["ended.test"])];
        config(&web, &ended, &ended, certificates)
    };
    let gateway = Gateway::start(&yaml(&first)).await;
    let (mut stream, _) = greeted(&client(&first), gateway.address, "ended.test").await.unwrap();
    gateway.reload(&yaml(&second)).await;
    let renewed = async {
        while greeted(&client(&second), gateway.address, "ended.test").await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, renewed).await.unwrap();
    stream.write_all(b"still\n").await.unwrap();
    assert_eq!(line(&mut stream).await.unwrap(), "still\n");
}

#[tokio::test]
async fn a_client_of_a_stream_needs_a_certificate_where_one_is_asked_for() {
    let (ours, stranger) = (Authority::new(), Authority::new());
    let peer = Peer::start("a").await;
    let gateway = Gateway::start(&format!(
        "
listeners: [{{name: l, port: PORT, protocol: TLS, tls: {{certificates: [own], clientValidation: {{ca: {}}}}}}}]
streams: [{{name: s, backends: [{{backend: a}}]}}]
backends: {{a: {{endpoints: [{}]}}}}
certificates:
{}",
        quoted(&ours.pem()),
        peer.endpoint(),
        written("own", &ours.issue(&["a.test"]))
    ))
    .await;
    for (shows, is_good) in
        [(Some(ours.issue(&["c.test"])), true), (Some(stranger.issue(&["c.test"])), false), (None, false)]
    {
        let client = Client { shows, ..client(&ours) };
        let greeting = greeted(&client, gateway.address, "a.test").await;
        assert_eq!(greeting.is_ok(), is_good, "{greeting:?}");
    }
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_backend_in_tls_is_believed_by_the_names_that_are_wanted() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let certificate = authority.issue_with(&["inner.test"], &["spiffe://example.com/a"]);
    let mut both = server(&certificate);
    both.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let peer = Peer::with("a", Some(both)).await;
    let web = Backend::with("web", Speaks::Http1, Some(Arc::new(server(&certificate)))).await;
    for (name, wanted, ca, is_good) in [
        ("inner.test", "", &authority, true),
        ("asked.test", "", &authority, false),
        ("asked.test", "{hostname: inner.test}", &authority, true),
        ("asked.test", "{uri: 'spiffe://example.com/a'}", &authority, true),
        ("asked.test", "{hostname: other.test}, {hostname: '*.test'}", &authority, true),
        ("inner.test", "{hostname: other.test}, {uri: 'spiffe://example.com/b'}", &authority, false),
        ("asked.test", "{hostname: inner.test}, {uri: 'spiffe://example.com/a'}", &stranger, false),
    ] {
        let tls = format!("{{serverName: {name}, ca: {}, subjectAltNames: [{wanted}]}}", quoted(&ca.pem()));
        let gateway = Gateway::start(&format!(
            "
listeners: [{{name: l, port: PORT, protocol: TCP}}]
streams: [{{name: s, backends: [{{backend: a}}]}}]
backends: {{a: {{endpoints: [{}], tls: {tls}}}}}
",
            peer.endpoint()
        ))
        .await;
        let greeting = crate::peer::greeted(gateway.address).await.map(|(_, greeting)| greeting);
        assert_eq!(greeting.ok().as_deref(), is_good.then_some("a"), "{name} {wanted}");
        if is_good {
            assert_eq!(*peer.alpn.lock().unwrap(), None, "nobody knows what is spoken");
        }
        let gateway = Gateway::start(&format!(
            "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}], tls: {tls}}}}}
",
            web.endpoint()
        ))
        .await;
        let status = send(gateway.address, get("/")).await.status.as_u16();
        assert_eq!(status, if is_good { 200 } else { 502 }, "{name} {wanted}");
    }
}

#[tokio::test]
async fn a_client_without_a_name_gets_what_is_for_all_names_or_the_first_that_takes_requests() {
    let ours = Authority::new();
    let (web, peer) = (Backend::start().await, Peer::start("a").await);
    let certificates = [&ours.issue(&["web.test"]), &ours.issue(&["ended.test"])];
    let yaml = config(&web, &peer, &peer, certificates);
    let gateway = Gateway::start(&yaml).await;
    // Its certificate is not for an address, but it is shown.
    let error = client(&ours).connect(gateway.address, "127.0.0.1").await.unwrap_err();
    assert!(error.to_string().contains("certificate not valid for name"), "{error}");
    // No stream is taken by chance.
    let web = yaml.lines().find(|line| line.contains("protocol: HTTPS")).unwrap();
    gateway.reload(&yaml.replace(web, "")).await;
    let closed = async {
        while !client(&ours)
            .connect(gateway.address, "127.0.0.1")
            .await
            .is_err_and(|error| !error.to_string().contains("certificate"))
        {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, closed).await.unwrap();
    assert_eq!(peer.connections(), 0);
}
