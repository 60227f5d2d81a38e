//! Believes a backend by names that its certificate has, whatever it was asked for (GEP-1897).

use std::sync::Arc;

use flotilla_gateway_config::{HostPattern, SubjectAltName};
use rustls::{
    CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor, verify_server_name,
    },
    crypto::{
        WebPkiSupportedAlgorithms, aws_lc_rs::default_provider, verify_tls12_signature,
        verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::ParsedCertificate,
};
use webpki::EndEntityCert;

/// Wants a chain to one of some authorities, and one of some names.
#[derive(Debug)]
pub(super) struct Verifier {
    roots: Arc<RootCertStore>,
    names: Vec<SubjectAltName>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Verifier {
    pub(super) fn new(roots: RootCertStore, names: &[SubjectAltName]) -> Self {
        let algorithms = default_provider().signature_verification_algorithms;
        Self { roots: Arc::new(roots), names: names.to_owned(), algorithms }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let parsed = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            self.algorithms.all,
        )?;
        let certificate = EndEntityCert::try_from(end_entity).map_err(|_| CertificateError::BadEncoding)?;
        let has_one = self.names.iter().any(|name| has(&parsed, &certificate, name));
        if has_one {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::NotValidForName.into())
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Whether a certificate has a name.
fn has(parsed: &ParsedCertificate<'_>, certificate: &EndEntityCert<'_>, name: &SubjectAltName) -> bool {
    match name {
        SubjectAltName::Uri(uri) => certificate.valid_uri_names().any(|found| found == uri),
        SubjectAltName::Hostname(HostPattern::Exact(host)) => {
            ServerName::try_from(host.as_str()).is_ok_and(|host| verify_server_name(parsed, &host).is_ok())
        }
        SubjectAltName::Hostname(pattern @ HostPattern::Below(parent)) => {
            certificate.valid_dns_names().any(|found| {
                let found = found.to_ascii_lowercase();
                // All that a pattern of the certificate stands for has to be meant.
                match found.strip_prefix("*.") {
                    Some(below) => below == parent.as_str() || pattern.fits(below),
                    None => pattern.fits(&found),
                }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
    use rustls::pki_types::pem::PemObject;

    use super::*;

    type Authority = CertifiedIssuer<'static, KeyPair>;

    fn authority() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn issued(authority: &Authority, hosts: &[&str], uris: &[&str]) -> CertificateDer<'static> {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        params.signed_by(&KeyPair::generate().unwrap(), authority).unwrap().der().clone()
    }

    fn verify(
        authority: &Authority,
        names: &[SubjectAltName],
        shown: &CertificateDer<'_>,
    ) -> Result<(), rustls::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let asked = ServerName::try_from("asked.test").unwrap();
        Verifier::new(roots, names).verify_server_cert(shown, &[], &asked, &[], UnixTime::now()).map(|_| ())
    }

    fn host(name: &str) -> SubjectAltName {
        SubjectAltName::Hostname(name.to_owned().try_into().unwrap())
    }

    fn uri(name: &str) -> SubjectAltName {
        SubjectAltName::Uri(name.to_owned())
    }

    #[test]
    fn one_of_the_names_is_enough() {
        let authority = authority();
        let shown = issued(&authority, &["a.test", "*.b.test"], &["spiffe://example.com/orders"]);
        for (names, is_good) in [
            (vec![host("a.test")], true),
            (vec![host("x.b.test")], true),
            (vec![host("other.test"), uri("spiffe://example.com/orders")], true),
            (vec![host("*.test")], true),
            (vec![host("*.b.test")], true),
            // What it was asked for is no name that is wanted.
            (vec![host("asked.test")], false),
            (vec![host("b.test")], false),
            (vec![host("x.y.b.test")], false),
            (vec![host("*.a.test")], false),
            (vec![host("*.c.b.test")], false),
            (vec![uri("spiffe://example.com/orders/")], false),
            (vec![uri("spiffe://example.com/order")], false),
            (vec![uri("spiffe://EXAMPLE.com/orders")], false),
            (vec![uri("a.test")], false),
            (vec![host("example.com")], false),
        ] {
            let verified = verify(&authority, &names, &shown);
            assert_eq!(verified.is_ok(), is_good, "{names:?}: {verified:?}");
            if let Err(error) = verified {
                assert_eq!(error, CertificateError::NotValidForName.into());
            }
        }
    }

    #[test]
    fn without_a_chain_that_is_trusted_no_name_counts() {
        let (authority, stranger) = (authority(), authority());
        let shown = issued(&stranger, &["a.test"], &["spiffe://example.com/orders"]);
        for name in [host("a.test"), uri("spiffe://example.com/orders")] {
            // An authority of the same name with another key.
            let error = verify(&authority, &[name], &shown).unwrap_err();
            assert_eq!(error, CertificateError::BadSignature.into());
        }
    }
}
