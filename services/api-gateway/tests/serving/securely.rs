//! TLS with clients and with backends.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ServerConfig, server::WebPkiClientVerifier};

use crate::{
    authority::{Authority, Client, client, parsed, quoted, written},
    backend::{Backend, Speaks},
    gateway::{Gateway, provider},
};

fn listeners(authority: &Authority, backend: &Backend, strict: &str) -> String {
    format!(
        "
listeners:
- {{name: a, port: PORT, protocol: HTTPS, hostname: a.test, tls: {{certificates: [a]}}}}
- name: strict
  port: PORT
  protocol: HTTPS
  hostname: '*.strict.test'
  tls: {{certificates: [other, strict], clientValidation: {{ca: {}, mode: {strict}}}}}
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}]}}}}
certificates:
{}{}{}",
        quoted(&authority.pem()),
        backend.endpoint(),
        written("a", &authority.issue(&["a.test"])),
        written("other", &authority.issue(&["other.test"])),
        written("strict", &authority.issue(&["*.strict.test"])),
    )
}

#[tokio::test]
async fn a_client_sees_the_certificate_of_the_name_it_asks_for() {
    let (authority, backend) = (Authority::new(), Backend::start().await);
    let gateway = {
        provider();
        Gateway::start(&listeners(&authority, &backend, "AllowInsecureFallback")).await
    };
    for alpn in ["http/1.1", "h2"] {
        let client = Client { alpn, ..client(&authority) };
        for name in ["a.test", "x.strict.test"] {
            let answer = client.get(gateway.address, name, name).await.unwrap();
            assert_eq!(answer.status, 200, "{alpn} {name}");
            assert_eq!(answer.got("x-forwarded-proto"), ["https"]);
        }
        let error = client.get(gateway.address, "other.test", "other.test").await.unwrap_err();
        assert!(!error.is_empty());
        // A connection is for the listener that it was made for (RFC 9110 section 15.5.20).
        for (name, host) in [("a.test", "x.strict.test"), ("x.strict.test", "a.test")] {
            let answer = client.get(gateway.address, name, host).await.unwrap();
            assert_eq!(answer.status, 421, "{alpn} {name} {host}");
        }
    }
}

#[tokio::test]
async fn a_client_needs_a_certificate_where_one_is_asked_for() {
    let (authority, backend, stranger) = (Authority::new(), Backend::start().await, Authority::new());
    provider();
    let gateway = Gateway::start(&listeners(&authority, &backend, "AllowValidOnly")).await;
    let lenient = Gateway::start(&listeners(&authority, &backend, "AllowInsecureFallback")).await;
    for (shows, is_good) in [
        (Some(authority.issue(&["client.test"])), true),
        (Some(stranger.issue(&["client.test"])), false),
        (None, false),
    ] {
        let client = Client { shows, ..client(&authority) };
        let answer = client.get(gateway.address, "x.strict.test", "x.strict.test").await;
        assert_eq!(answer.is_ok(), is_good, "{answer:?}");
        // Only where it is asked for.
        assert_eq!(client.get(gateway.address, "a.test", "a.test").await.unwrap().status, 200);
        assert_eq!(client.get(lenient.address, "x.strict.test", "x.strict.test").await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections() {
    let (first, second, backend) = (Authority::new(), Authority::new(), Backend::start().await);
    provider();
    let gateway = Gateway::start(&listeners(&first, &backend, "AllowValidOnly")).await;
    let stream = client(&first).connect(gateway.address, "a.test").await.unwrap();
    let (mut kept, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    gateway.rewrite(&listeners(&second, &backend, "AllowValidOnly"));
    // Each of its threads hears of it by itself.
    for (authority, is_shown) in [(&second, true), (&first, false)] {
        let told = async {
            while client(authority).connect(gateway.address, "a.test").await.is_ok() != is_shown {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(crate::gateway::PATIENCE, told).await.unwrap();
    }
    let request = Request::get("/").header("host", "a.test").body(Full::<Bytes>::default()).unwrap();
    assert_eq!(kept.send_request(request).await.unwrap().status(), 200, "connections from before go on");
}

#[tokio::test]
async fn a_backend_is_believed_only_with_the_right_certificate() {
    provider();
    let authority = Authority::new();
    for (speaks, protocol) in [(Speaks::Http1, "HTTP"), (Speaks::Http2, "HTTP2")] {
        let (chain, key) = parsed(&authority.issue(&["inner.test"]));
        let verifier = WebPkiClientVerifier::builder(Arc::new(authority.roots())).build().unwrap();
        let mut server =
            ServerConfig::builder().with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let backend = Backend::with("a", speaks, Some(Arc::new(server))).await;
        for (name, ca, certificate, status) in [
            ("inner.test", &authority, true, 200),
            ("other.test", &authority, true, 502),
            ("inner.test", &Authority::new(), true, 502),
            ("inner.test", &authority, false, 502),
        ] {
            let shown = if certificate { ", certificate: own" } else { "" };
            let gateway = Gateway::start(&format!(
                "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends:
  a: {{endpoints: [{}], protocol: {protocol}, tls: {{serverName: {name}, ca: {}{shown}}}}}
certificates:
{}",
                backend.endpoint(),
                quoted(&ca.pem()),
                written("own", &authority.issue(&["gateway.test"])),
            ))
            .await;
            let answer = crate::client::send(gateway.address, crate::client::get("/")).await;
            assert_eq!(answer.status.as_u16(), status, "{protocol} {name} {certificate}");
        }
    }
}
