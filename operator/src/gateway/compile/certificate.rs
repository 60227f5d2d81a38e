//! Certificates in Secrets and ConfigMaps, checked as a gateway checks them.

use flotilla_gateway_config::Certificate;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::ResourceExt;
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

/// The key under which a ConfigMap has certificates of authorities.
pub const CA_KEY: &str = "ca.crt";

/// The certificate of a Secret with its key, or what is wrong with it.
pub fn of_secret(secret: &Secret) -> Result<Certificate, String> {
    let name = secret.name_any();
    let text = |key: &str| {
        let bytes = secret.data.as_ref().and_then(|data| data.get(key));
        let bytes = bytes.ok_or_else(|| format!("Secret {name:?} has no {key}"))?;
        String::from_utf8(bytes.0.clone()).map_err(|_| format!("{key} of Secret {name:?} is no PEM"))
    };
    let certificate = Certificate { chain: text("tls.crt")?, key: text("tls.key")? };
    let chain = parsed(&certificate.chain).map_err(|why| format!("tls.crt of Secret {name:?}: {why}"))?;
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes())
        .map_err(|error| format!("tls.key of Secret {name:?}: {error}"))?;
    CertifiedKey::from_der(chain, key, &rustls::crypto::aws_lc_rs::default_provider())
        .map_err(|error| format!("tls.key of Secret {name:?} does not go with tls.crt: {error}"))?;
    Ok(certificate)
}

/// The certificates of authorities in a ConfigMap, or what is wrong with them.
pub fn of_config_map(config_map: &ConfigMap) -> Result<String, String> {
    let name = config_map.name_any();
    let text = config_map.data.as_ref().and_then(|data| data.get(CA_KEY));
    let text = text.ok_or_else(|| format!("ConfigMap {name:?} has no {CA_KEY}"))?;
    let mut store = RootCertStore::empty();
    for authority in parsed(text).map_err(|why| format!("{CA_KEY} of ConfigMap {name:?}: {why}"))? {
        store.add(authority).map_err(|error| {
            format!("{CA_KEY} of ConfigMap {name:?} has one that is no authority: {error}")
        })?;
    }
    Ok(text.clone())
}

fn parsed(pem: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    match found {
        Ok(found) if found.is_empty() => Err("there is no certificate in it".to_owned()),
        Ok(found) => Ok(found),
        Err(error) => Err(error.to_string()),
    }
}
