//! Authorities, certificates, and clients that speak TLS.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use flotilla_gateway_config::Certificate;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{client::Answer, gateway::provider};

/// An authority of the test.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    pub(crate) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem().as_bytes()).unwrap()).unwrap();
        roots
    }

    pub(crate) fn issue(&self, names: &[&str]) -> Certificate {
        self.issue_with(names, &[])
    }

    pub(crate) fn issue_with(&self, names: &[&str], uris: &[&str]) -> Certificate {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.subject_alt_names.extend(uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())));
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Certificate { chain: certificate.pem(), key: key.serialize_pem() }
    }
}

pub(crate) fn parsed(certificate: &Certificate) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let chain = CertificateDer::pem_slice_iter(certificate.chain.as_bytes()).map(Result::unwrap).collect();
    (chain, PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap())
}

pub(crate) fn quoted(pem: &str) -> String {
    serde_json::to_string(pem).unwrap()
}

pub(crate) fn written(name: &str, certificate: &Certificate) -> String {
    format!("  {name}: {{chain: {}, key: {}}}\n", quoted(&certificate.chain), quoted(&certificate.key))
}

/// A client that trusts one authority.
pub(crate) struct Client {
    pub(crate) roots: RootCertStore,
    pub(crate) shows: Option<Certificate>,
    pub(crate) alpn: &'static str,
}

impl Client {
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
        name: &str,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        self.on(TcpStream::connect(address).await.unwrap(), name).await
    }

    /// Speaks TLS on a connection that is there.
    pub(crate) async fn on(&self, stream: TcpStream, name: &str) -> std::io::Result<TlsStream<TcpStream>> {
        let builder = ClientConfig::builder().with_root_certificates(self.roots.clone());
        let mut config = match &self.shows {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let (chain, key) = parsed(shown);
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        config.alpn_protocols = vec![self.alpn.as_bytes().to_vec()];
        let name = ServerName::try_from(name.to_owned()).unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// Asks for a host on a connection for a name.
    pub(crate) async fn get(&self, address: SocketAddr, name: &str, host: &str) -> Result<Answer, String> {
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

pub(crate) fn client(authority: &Authority) -> Client {
    provider();
    Client { roots: authority.roots(), shows: None, alpn: "http/1.1" }
}

/// A server that shows a certificate.
pub(crate) fn server(certificate: &Certificate) -> ServerConfig {
    provider();
    let (chain, key) = parsed(certificate);
    ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap()
}
