//! How backends are called in TLS.

use std::sync::Arc;

use flotilla_gateway_config::{self as config, Protocol, UpstreamTls};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    pki_types::{CertificateDer, InvalidDnsNameError, PrivateKeyDer, ServerName, pem::PemObject},
};

use super::verifier::Verifier;

/// Why TLS to a backend cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server name is none.
    #[error("serverName: {0:?} is no name")]
    Name(String, #[source] InvalidDnsNameError),
    /// No certificate in what should be some.
    #[error("{field}: no PEM certificate can be read")]
    Pem {
        /// The field.
        field: &'static str,
        /// What is wrong.
        source: rustls::pki_types::pem::Error,
    },
    /// What is there cannot be used.
    #[error("{field}: {source}")]
    Unusable {
        /// The field.
        field: &'static str,
        /// What is wrong.
        source: rustls::Error,
    },
    /// There is no certificate at all.
    #[error("{0}: there is no certificate in it")]
    Empty(&'static str),
    /// The system's certificates cannot be read.
    #[error("the system has no certificates of authorities: write tls.ca")]
    System,
}

/// TLS to one backend.
#[derive(Debug)]
pub struct Tls {
    /// What the configuration says, to tell whether it is still the same.
    pub written: UpstreamTls,
    /// The certificate that is shown, with its key.
    pub shown: Option<config::Certificate>,
    pub(super) config: Arc<ClientConfig>,
    /// For streams, of which nobody knows what is spoken on them.
    pub(super) raw: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl Tls {
    /// From what the configuration says.
    pub fn new(
        written: &UpstreamTls,
        shown: Option<&config::Certificate>,
        protocol: Protocol,
    ) -> Result<Self, Error> {
        let name = ServerName::try_from(written.server_name.clone())
            .map_err(|source| Error::Name(written.server_name.clone(), source))?;
        let roots = roots(written.ca.as_deref())?;
        let builder = ClientConfig::builder();
        let builder = if written.subject_alt_names.is_empty() {
            builder.with_root_certificates(roots)
        } else {
            let verifier = Verifier::new(roots, &written.subject_alt_names);
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
        };
        let mut config = match shown {
            None => builder.with_no_client_auth(),
            Some(shown) => {
                let chain = certificates("certificate", &shown.chain)?;
                let key = PrivateKeyDer::from_pem_slice(shown.key.as_bytes())
                    .map_err(|source| Error::Pem { field: "certificate", source })?;
                builder
                    .with_client_auth_cert(chain, key)
                    .map_err(|source| Error::Unusable { field: "certificate", source })?
            }
        };
        let mut raw = config.clone();
        // A session is for what was spoken when it began.
        raw.resumption = Resumption::default();
        config.alpn_protocols = match protocol {
            Protocol::Http1 => vec![b"http/1.1".to_vec()],
            Protocol::Http2 => vec![b"h2".to_vec()],
        };
        Ok(Self {
            written: written.clone(),
            shown: shown.cloned(),
            config: Arc::new(config),
            raw: Arc::new(raw),
            name,
        })
    }
}

/// Certificates of authorities.
pub(crate) fn authorities(field: &'static str, pem: &str) -> Result<RootCertStore, Error> {
    let mut store = RootCertStore::empty();
    for certificate in certificates(field, pem)? {
        store.add(certificate).map_err(|source| Error::Unusable { field, source })?;
    }
    Ok(store)
}

/// Certificates in PEM; at least one.
pub(crate) fn certificates(field: &'static str, pem: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    let found = found.map_err(|source| Error::Pem { field, source })?;
    if found.is_empty() { Err(Error::Empty(field)) } else { Ok(found) }
}

/// Certificates of authorities in PEM, or those of the system.
pub(crate) fn roots(own: Option<&str>) -> Result<RootCertStore, Error> {
    if let Some(pem) = own {
        return authorities("ca", pem);
    }
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if store.is_empty() { Err(Error::System) } else { Ok(store) }
}
