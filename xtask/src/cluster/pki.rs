//! The cluster's certificates and kubeconfigs, made once and kept in the state folder.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;

use super::supervise;

/// A certificate with its key, as files.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

/// A certificate authority in a folder.
pub(crate) struct Authority {
    folder: PathBuf,
    name: &'static str,
    issuer: Issuer<'static, KeyPair>,
}

/// Whose certificate it is and what for.
pub(crate) struct Subject<'a> {
    /// The file's name without its extension.
    pub(crate) file: &'a str,
    /// The user, as the API server's authentication reads it.
    pub(crate) common_name: &'a str,
    /// The user's group.
    pub(crate) organization: Option<&'a str>,
    /// The names under which a server is reached.
    pub(crate) dns: &'a [&'a str],
    /// The addresses under which a server is reached.
    pub(crate) addresses: &'a [IpAddr],
}

impl<'a> Subject<'a> {
    /// A client.
    pub(crate) const fn client(file: &'a str, common_name: &'a str, organization: Option<&'a str>) -> Self {
        Self { file, common_name, organization, dns: &[], addresses: &[] }
    }
}

impl Pair {
    fn new(folder: &Path, name: &str) -> Self {
        Self { certificate: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) }
    }

    /// The certificate is written last, so it stands for both.
    fn exists(&self) -> bool {
        self.certificate.is_file() && self.key.is_file()
    }

    fn write(&self, certificate: &str, key: &str) -> Result<()> {
        // Written by way of a temporary file, which only its owner may read.
        supervise::write(&self.key, key.as_bytes())?;
        supervise::write(&self.certificate, certificate.as_bytes())
    }
}

impl Authority {
    /// The authority of that name, made if it is not there yet.
    pub(crate) fn ensure(folder: &Path, name: &'static str) -> Result<Self> {
        let pair = Pair::new(folder, name);
        let params = authority_params(name);
        let key = if pair.exists() {
            let text =
                fs::read_to_string(&pair.key).with_context(|| format!("reading {}", pair.key.display()))?;
            KeyPair::from_pem(&text).with_context(|| format!("reading {}", pair.key.display()))?
        } else {
            let key = KeyPair::generate()?;
            pair.write(&params.self_signed(&key)?.pem(), &key.serialize_pem())?;
            key
        };
        Ok(Self { folder: folder.to_owned(), name, issuer: Issuer::new(params, key) })
    }

    /// The authority's own certificate and key.
    pub(crate) fn pair(&self) -> Pair {
        Pair::new(&self.folder, self.name)
    }

    /// A certificate of this authority for a client, or for a server that is also a client.
    pub(crate) fn issue(&self, subject: &Subject<'_>) -> Result<Pair> {
        let pair = Pair::new(&self.folder, subject.file);
        if !pair.exists() {
            let key = KeyPair::generate()?;
            let certificate = subject_params(subject)?.signed_by(&key, &self.issuer)?;
            pair.write(&certificate.pem(), &key.serialize_pem())?;
        }
        Ok(pair)
    }
}

/// The key pair that signs service account tokens and checks them.
pub(crate) struct SigningKey {
    pub(crate) private: PathBuf,
    pub(crate) public: PathBuf,
}

impl SigningKey {
    /// The key pair of that folder, made if it is not there yet.
    pub(crate) fn ensure(folder: &Path) -> Result<Self> {
        let pair = Self {
            private: folder.join("service-accounts.key"),
            public: folder.join("service-accounts.pub"),
        };
        // The public key is written last, so it stands for both.
        if !pair.public.is_file() {
            let key = KeyPair::generate()?;
            supervise::write(&pair.private, key.serialize_pem().as_bytes())?;
            supervise::write(&pair.public, key.public_key_pem().as_bytes())?;
        }
        Ok(pair)
    }
}

/// Writes a kubeconfig with everything in it, so that it works wherever it is copied.
pub(crate) fn write_kubeconfig(path: &Path, server: &str, authority: &Pair, client: &Pair) -> Result<()> {
    let read = |path: &Path| {
        fs::read(path)
            .map(|bytes| BASE64_STANDARD.encode(bytes))
            .with_context(|| format!("reading {}", path.display()))
    };
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "flotilla",
        "contexts": [{"name": "flotilla", "context": {"cluster": "flotilla", "user": "flotilla"}}],
        "clusters": [{"name": "flotilla", "cluster": {
            "server": server,
            "certificate-authority-data": read(&authority.certificate)?,
        }}],
        "users": [{"name": "flotilla", "user": {
            "client-certificate-data": read(&client.certificate)?,
            "client-key-data": read(&client.key)?,
        }}],
    });
    // JSON is YAML.
    let text = serde_json::to_string_pretty(&config)?;
    if fs::read_to_string(path).is_ok_and(|existing| existing == text) {
        return Ok(());
    }
    supervise::write(path, text.as_bytes())
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages =
        vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
    lasting(params)
}

fn subject_params(subject: &Subject<'_>) -> Result<CertificateParams> {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, subject.common_name);
    if let Some(organization) = subject.organization {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    for name in subject.dns {
        params.subject_alt_names.push(SanType::DnsName((*name).try_into()?));
    }
    params.subject_alt_names.extend(subject.addresses.iter().copied().map(SanType::IpAddress));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if !params.subject_alt_names.is_empty() {
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    params.use_authority_key_identifier_extension = true;
    Ok(lasting(params))
}

/// A test cluster is thrown away long before this; renewing certificates is not what it is for.
fn lasting(mut params: CertificateParams) -> CertificateParams {
    params.not_before = rcgen::date_time_ymd(2026, 1, 1);
    params.not_after = rcgen::date_time_ymd(2046, 1, 1);
    params
}

#[cfg(test)]
mod tests {
    use super::{Authority, Subject};

    #[test]
    fn what_is_there_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let issue = || {
            let authority = Authority::ensure(folder.path(), "ca").unwrap();
            let pair = authority.issue(&Subject::client("admin", "admin", Some("system:masters"))).unwrap();
            std::fs::read(pair.certificate).unwrap()
        };
        assert_eq!(issue(), issue());
    }
}
