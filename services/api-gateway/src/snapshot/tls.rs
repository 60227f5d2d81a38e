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
    upstream::{TlsError, authorities, certificates},
};

/// The listeners of a port by their hosts.
#[derive(Debug, Default)]
pub struct PortTls {
    hosts: Hosts<Option<Arc<Ended>>>,
    all: Vec<Arc<Ended>>,
}

/// How TLS is ended for a listener, and what that follows from.
#[derive(Debug)]
struct Ended {
    listener: Arc<str>,
    written: ListenerTls,
    certificates: Vec<Certificate>,
    config: Arc<ServerConfig>,
}

impl PortTls {
    /// The listener that a server name belongs to. A client that sends none gets the listener for all hosts, or the first.
    pub fn find(&self, name: Option<&str>) -> Option<(&Arc<str>, &Arc<ServerConfig>)> {
        let found = match name {
            Some(name) => self.hosts.find(name).next()?.as_ref(),
            None => self.hosts.find("").next().and_then(Option::as_ref).or(self.all.first()),
        };
        found.map(|ended| (&ended.listener, &ended.config))
    }

    pub(super) fn add(
        &mut self,
        config: &GatewayConfig,
        listener: &Listener,
        tls: &ListenerTls,
        before: Option<&Self>,
    ) -> Result<(), TlsError> {
        let written = tls.certificates.iter().filter_map(|name| config.certificates.get(name));
        let certificates: Vec<Certificate> = written.cloned().collect();
        let is_same = |ended: &&Arc<Ended>| {
            *ended.listener == *listener.name && ended.written == *tls && ended.certificates == certificates
        };
        let ended = match before.and_then(|before| before.all.iter().find(is_same)) {
            Some(same) => Arc::clone(same),
            None => Arc::new(Ended {
                listener: listener.name.as_str().into(),
                config: Arc::new(server(&certificates, tls.client_validation.as_ref())?),
                written: tls.clone(),
                certificates,
            }),
        };
        *self.hosts.entry(listener.hostname.as_ref()) = Some(Arc::clone(&ended));
        self.all.push(ended);
        Ok(())
    }
}

fn server(shown: &[Certificate], clients: Option<&ClientValidation>) -> Result<ServerConfig, TlsError> {
    let builder = ServerConfig::builder();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(verifier(clients)?),
    };
    let mut config = builder.with_cert_resolver(Arc::new(Shown::new(shown)?));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
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
