//! TLS with clients, for the listeners of one port.

use std::sync::Arc;

use flotilla_gateway_config::{
    Certificate, ClientValidation, ClientValidationMode, GatewayConfig, Listener, ListenerTls,
};
use rustls::{
    DigitallySignedStruct, DistinguishedName, ServerConfig, SignatureScheme,
    client::{danger::HandshakeSignatureValid, verify_server_name},
    crypto::aws_lc_rs::Ticketer,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject},
    server::{
        ClientHello, ParsedCertificate, ResolvesServerCert, WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};

use crate::{
    route::Hosts,
    stream::Streams,
    upstream::{TlsError, authorities, certificates},
};

/// The listeners of a port by their hosts.
#[derive(Debug, Default)]
pub struct PortTls {
    hosts: Hosts<Option<Arc<Secure>>>,
    /// The first that takes requests.
    first: Option<Arc<Secure>>,
    all: Vec<Arc<Ended>>,
}

/// A listener of a port with TLS.
#[derive(Debug)]
pub struct Secure {
    /// Its name.
    pub listener: Arc<str>,
    /// What it takes.
    pub takes: TakesSecure,
}

/// What a listener of a port with TLS takes.
#[derive(Debug)]
pub enum TakesSecure {
    /// Requests, when TLS has been ended so.
    Requests(Arc<ServerConfig>),
    /// Connections.
    Streams {
        /// How TLS is ended; `None` when it goes on as it is.
        ended: Option<Arc<ServerConfig>>,
        /// To whom they go.
        streams: Streams,
    },
}

/// How TLS is ended for a listener, and what that follows from.
#[derive(Debug)]
struct Ended {
    listener: Arc<str>,
    has_requests: bool,
    written: ListenerTls,
    certificates: Vec<Certificate>,
    config: Arc<ServerConfig>,
}

impl PortTls {
    /// The listener that a server name belongs to. A client that sends none gets the listener for all hosts, or the first
    /// that takes requests.
    pub fn find(&self, name: Option<&str>) -> Option<&Secure> {
        let found = self.hosts.find(name.unwrap_or_default()).next().and_then(Option::as_ref);
        let first = self.first.as_ref().filter(|_| name.is_none());
        found.or(first).map(|secure| &**secure)
    }

    /// Whether a listener of the port takes requests.
    pub fn has_requests(&self) -> bool {
        self.first.is_some()
    }

    pub(super) fn add(
        &mut self,
        config: &GatewayConfig,
        listener: &Listener,
        streams: impl FnOnce() -> Streams,
        before: Option<&Self>,
    ) -> Result<(), TlsError> {
        let ended = match &listener.tls {
            None => None,
            Some(tls) => {
                let ended = ended(config, listener, tls, before)?;
                self.all.push(Arc::clone(&ended));
                Some(Arc::clone(&ended.config))
            }
        };
        let has_requests = listener.protocol.has_requests();
        let takes = match ended {
            Some(ended) if has_requests => TakesSecure::Requests(ended),
            ended => TakesSecure::Streams { ended, streams: streams() },
        };
        let secure = Arc::new(Secure { listener: listener.name.as_str().into(), takes });
        if has_requests {
            self.first.get_or_insert_with(|| Arc::clone(&secure));
        }
        *self.hosts.entry(listener.hostname.as_ref()) = Some(secure);
        Ok(())
    }
}

/// Held over when it is still the same, so that its clients can go on with their sessions.
fn ended(
    config: &GatewayConfig,
    listener: &Listener,
    tls: &ListenerTls,
    before: Option<&PortTls>,
) -> Result<Arc<Ended>, TlsError> {
    let written = tls.certificates.iter().filter_map(|name| config.certificates.get(name));
    let certificates: Vec<Certificate> = written.cloned().collect();
    let has_requests = listener.protocol.has_requests();
    let is_same = |ended: &&Arc<Ended>| {
        *ended.listener == *listener.name
            && ended.has_requests == has_requests
            && ended.written == *tls
            && ended.certificates == certificates
    };
    if let Some(same) = before.and_then(|before| before.all.iter().find(is_same)) {
        return Ok(Arc::clone(same));
    }
    let mut server = server(&certificates, tls.client_validation.as_ref())?;
    if has_requests {
        server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    Ok(Arc::new(Ended {
        listener: listener.name.as_str().into(),
        has_requests,
        config: Arc::new(server),
        written: tls.clone(),
        certificates,
    }))
}

fn server(shown: &[Certificate], clients: Option<&ClientValidation>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(verifier(clients)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Shown::new(shown)?));
    // Each listener has its own: a session that began where no certificate is needed must not go on where one is
    // (CVE-2025-23419).
    config.ticketer = Ticketer::new().map_err(|source| TlsError::Unusable { field: "tickets", source })?;
    Ok(config)
}

/// The certificates of a listener.
#[derive(Debug)]
struct Shown(Vec<Arc<CertifiedKey>>);

impl Shown {
    fn new(written: &[Certificate]) -> Result<Self, TlsError> {
        let field = "certificates";
        let key = |certificate: &Certificate| {
            let chain = certificates(field, &certificate.chain)?;
            let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes())
                .map_err(|source| TlsError::Pem { field, source })?;
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            CertifiedKey::from_der(chain, key, &provider)
                .map(Arc::new)
                .map_err(|source| TlsError::Unusable { field, source })
        };
        written.iter().map(key).collect::<Result<_, _>>().map(Self)
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let fits = |key: &&Arc<CertifiedKey>| {
            let parsed = key.end_entity_cert().and_then(ParsedCertificate::try_from);
            name.as_ref()
                .is_some_and(|name| parsed.is_ok_and(|parsed| verify_server_name(&parsed, name).is_ok()))
        };
        let fitting = if self.0.len() > 1 { self.0.iter().find(fits) } else { None };
        fitting.or(self.0.first()).cloned()
    }
}

fn verifier(clients: &ClientValidation) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let roots = Arc::new(authorities("clientValidation.ca", &clients.ca)?);
    let strict = WebPkiClientVerifier::builder(roots).build().map_err(|error| TlsError::Unusable {
        field: "clientValidation.ca",
        source: rustls::Error::General(error.to_string()),
    })?;
    Ok(match clients.mode {
        ClientValidationMode::AllowValidOnly => strict,
        ClientValidationMode::AllowInsecureFallback => Arc::new(Lenient(strict)),
    })
}

/// Asks for a certificate and takes whatever comes, or nothing.
#[derive(Debug)]
struct Lenient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Lenient {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
