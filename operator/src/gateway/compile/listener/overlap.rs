//! Which listeners share names in TLS at one port, so that a client's connection to one may carry requests for another
//! (GEP-3567).

use flotilla_gateway_config::{Certificate, HostPattern};
use rustls::{
    client::verify_server_name,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
};

use super::{Fault, Listener};
use crate::gateway::compile::attach::have_one_in_common;

/// A label below a host that is a pattern, as no certificate names it by chance.
const ANY_LABEL: &str = "any-label-of-flotilla";

/// Marks those that share names.
pub(super) fn settle(listeners: &mut [Listener]) {
    let secure: Vec<_> = (0..listeners.len()).filter(|at| listeners.get(*at).is_some_and(ends_tls)).collect();
    let mut found = Vec::new();
    for at in &secure {
        let others = secure.iter().filter(|other| *other != at);
        let pairs: Vec<_> =
            others.filter_map(|other| Some((listeners.get(*at)?, listeners.get(*other)?))).collect();
        let pairs = || pairs.iter().filter(|(one, other)| one.port == other.port);
        // Certificates say more than hosts do.
        let fault = pairs()
            .find_map(|(one, other)| certificates(one, other))
            .or_else(|| pairs().find_map(|(one, other)| hosts(one, other)));
        found.push((*at, fault));
    }
    for (at, fault) in found {
        if let Some(listener) = listeners.get_mut(at) {
            listener.overlap = fault;
        }
    }
}

fn ends_tls(listener: &Listener) -> bool {
    listener.is_valid() && listener.tls.is_some()
}

const ADVICE: &str = "a client may send requests for one on its connection to the other, which are answered with 421: give them \
                      hosts and certificates that have no name in common";

fn hosts(one: &Listener, other: &Listener) -> Option<Fault> {
    let meet = match (&one.hostname, &other.hostname) {
        (Some(one), Some(other)) => have_one_in_common(one, other),
        _ => true,
    };
    meet.then(|| {
        let message = format!(
            "{} and {} of listener {:?} have names in common: {ADVICE}",
            written(one.hostname.as_ref()),
            written(other.hostname.as_ref()),
            other.id
        );
        Fault::new("OverlappingHostnames", message)
    })
}

/// Whether a certificate of one is good for the host of the other as well.
fn certificates(one: &Listener, other: &Listener) -> Option<Fault> {
    let covers = |from: &Listener, to: &Listener| {
        let host = to.hostname.as_ref()?;
        let name =
            from.certificates.iter().find(|(_, certificate)| is_good_for(certificate, host))?.0.clone();
        Some((name, host.to_string()))
    };
    let (name, host) = covers(one, other).or_else(|| covers(other, one))?;
    let message = format!(
        "certificate {name} is good for {host} too, and listener {:?} is at the same port: {ADVICE}",
        other.id
    );
    Some(Fault::new("OverlappingCertificates", message))
}

fn is_good_for(certificate: &Certificate, host: &HostPattern) -> bool {
    let name = match host {
        HostPattern::Exact(name) => name.as_str().to_owned(),
        HostPattern::Below(_) => host.to_string().replacen('*', ANY_LABEL, 1),
    };
    let parsed = CertificateDer::from_pem_slice(certificate.chain.as_bytes());
    let (Ok(parsed), Ok(name)) = (parsed, ServerName::try_from(name)) else { return false };
    ParsedCertificate::try_from(&parsed).is_ok_and(|parsed| verify_server_name(&parsed, &name).is_ok())
}

fn written(host: Option<&HostPattern>) -> String {
    host.map_or_else(|| "any host".to_owned(), ToString::to_string)
}
