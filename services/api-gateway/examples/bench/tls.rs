//! TLS as a client speaks it here: version 1.3 with X25519, whatever else a server could do, and no session taken up again,
//! so that every gateway does the same work for a connection.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use rustls::{
    ClientConfig, RootCertStore,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, pem::PemObject},
    version::TLS13,
};

/// For a server whose certificate is in a file of PEM.
pub(crate) fn config(ca: &Path, protocol: &[u8]) -> Result<Arc<ClientConfig>> {
    let certificate =
        CertificateDer::from_pem_file(ca).with_context(|| format!("reading {}", ca.display()))?;
    let mut roots = RootCertStore::empty();
    roots.add(certificate)?;
    let provider =
        CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519], ..aws_lc_rs::default_provider() };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.resumption = Resumption::disabled();
    config.alpn_protocols = vec![protocol.to_vec()];
    Ok(Arc::new(config))
}
