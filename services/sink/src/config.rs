//! Configuration.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::Parser;
use flotilla_kit::config::{Listen, Telemetry};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

/// Takes the mail, the pushes and the webhooks of the shop, and shows them.
#[derive(Parser, Debug)]
#[command(version)]
pub struct Config {
    /// Where it listens
    #[command(flatten)]
    pub listen: Listen,

    /// What it tells of itself
    #[command(flatten)]
    pub telemetry: Telemetry,

    /// Address of the SMTP server
    #[arg(long, env = "SINK_SMTP", default_value = "0.0.0.0:2525")]
    pub smtp: SocketAddr,

    /// What endpoints of pushes begin with; left out: what a client says in Host
    #[arg(long, env = "SINK_PUBLIC_URL", value_name = "URL")]
    pub public_url: Option<String>,

    /// A file that a line of JSON is appended to for each delivery; left out: none
    #[arg(long, env = "SINK_JOURNAL", value_name = "PATH")]
    pub journal: Option<PathBuf>,

    /// Deliveries that are kept; older ones are forgotten
    #[arg(long, env = "SINK_KEEP", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub keep: u32,

    /// The certificates of the SMTP server in PEM, for STARTTLS
    #[arg(long, env = "SINK_TLS_CERTIFICATE", value_name = "PATH", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,

    /// Their private key in PEM
    #[arg(long, env = "SINK_TLS_KEY", value_name = "PATH", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error)]
pub enum NoTls {
    /// A file is no PEM, or is not there.
    #[error("{variable}: cannot read {path}")]
    Read {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is no certificate or no key in it.
    #[error("{variable}: {path} has none in PEM")]
    Pem {
        /// The variable.
        variable: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: rustls::pki_types::pem::Error,
    },
    /// They do not belong together.
    #[error("SINK_TLS_CERTIFICATE and SINK_TLS_KEY cannot be used")]
    Use(#[from] rustls::Error),
}

/// The TLS of the SMTP server.
pub fn tls(certificate: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, NoTls> {
    let read = |variable: &'static str, path: &Path| {
        fs::read(path).map_err(|source| NoTls::Read { variable, path: path.to_owned(), source })
    };
    let pem = |variable: &'static str, path: &Path| {
        let path = path.to_owned();
        move |source| NoTls::Pem { variable, path, source }
    };
    let name = "SINK_TLS_CERTIFICATE";
    let certificates = CertificateDer::pem_slice_iter(&read(name, certificate)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(pem(name, certificate))?;
    let name = "SINK_TLS_KEY";
    let key = PrivateKeyDer::from_pem_slice(&read(name, key)?).map_err(pem(name, key))?;
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
    Ok(Arc::new(config))
}
