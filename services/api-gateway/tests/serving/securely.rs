//! TLS with clients and with backends.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use flotilla_gateway_config::Certificate;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::WebPkiClientVerifier,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    backend::{Backend, Speaks},
    client::Answer,
    gateway::{Gateway, provider},
};

/// An authority of the test.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap()).unwrap();
        roots
    }

    fn issue(&self, names: &[&str]) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        Certificate { chain: certificate.pem(), key: key.serialize_pem() }
    }
}

fn parsed(certificate: &Certificate) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).map(Result::unwrap).collect();
    (chain, PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap())
}

fn quoted(pem: &str) -> String {
    serde_json::to_string(pem).unwrap()
}

fn written(name: &str, certificate: &Certificate) -> String {
    format!("  {name}: {{chain: {}, key: {}}}\n", quoted(&certificate.chain), quoted(&certificate.key))
}

/// A client that trusts one authority.
struct Client {
    roots: RootCertStore,
    shows: Option<Certificate>,
    alpn: &'static str,
}

impl Client {
    async fn connect(&self, address: SocketAddr, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let builder = ClientConfig::builder().with_root_certificates(self.roots.clone());
        let mut config = match &self.shows {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let (chain, key) = parsed(shown);
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![self.alpn.as_bytes().to_vec()];
        let stream = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Asks for a host on a connection for a name.
    async fn get(&self, address: SocketAddr, name: &str, host: &str) -> Result<Answer, String> {
        let stream = self.connect(address, name).await.map_err(|error| error.to_string())?;
        let io = TokioIo::new(stream);
        let response = if self.alpn == "h2" {
            let (mut sender, connection) =
                http2::handshake(TokioExecutor::new(), io).await.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let request = Request::get(format!("https://{host}/")).body(Full::<Bytes>::default()).unwrap();
            sender.send_request(request).await
        } else {
            let (mut sender, connection) = http1::handshake(io).await.map_err(|error| error.to_string())?;
            tokio::spawn(connection);
            let request = Request::get("/").header("host", host).body(Full::<Bytes>::default()).unwrap();
            sender.send_request(request).await
        };
        Ok(Answer::of(response.map_err(|error| error.to_string())?).await)
    }
}

fn client(authority: &Authority) -> Client {
    provider();
    Client { roots: authority.roots(), shows: None, alpn: "http/1.1" }
}

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
    let renewed = async {
        while client(&second).connect(gateway.address, "a.test").await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::gateway::PATIENCE, renewed).await.unwrap();
    assert!(client(&first).connect(gateway.address, "a.test").await.is_err());
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
