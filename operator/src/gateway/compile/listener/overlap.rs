//! Which listeners share names in TLS at one port, so that a client's connection to one may carry requests for another
//! (GEP-3567).

use std::collections::{BTreeMap, HashMap};

use flotilla_gateway_config::{Certificate, HostPattern, ListenerProtocol};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::{Fault, Listener};
use crate::gateway::compile::hosts::Hosts;

const ADVICE: &str = "a client may send requests for one on its connection to the other, which are answered with 421: give them \
                      hosts and certificates that have no name in common";

/// Marks those that share names. Certificates say more than hosts do.
pub(super) fn settle(listeners: &mut [Listener]) {
    let mut ports: BTreeMap<u16, Vec<usize>> = BTreeMap::new();
    for (place, listener) in listeners.iter().enumerate().filter(|(_, listener)| ends_tls(listener)) {
        ports.entry(listener.port).or_default().push(place);
    }
    for places in ports.values().filter(|places| places.len() > 1) {
        let mut faults = hosts(listeners, places);
        faults.extend(certificates(listeners, places));
        for (place, fault) in faults {
            if let Some(listener) = listeners.get_mut(place) {
                listener.overlap = Some(fault);
            }
        }
    }
}

fn ends_tls(listener: &Listener) -> bool {
    let is_secure = matches!(listener.protocol, Some(ListenerProtocol::Https | ListenerProtocol::Tls));
    is_secure && listener.is_valid() && listener.tls.is_some()
}

/// Listeners with what is wrong with them, by their places.
type Faults = HashMap<usize, Fault>;

fn hosts(listeners: &[Listener], places: &[usize]) -> Faults {
    let all = || places.iter().filter_map(|place| Some((*place, listeners.get(*place)?)));
    let mut known = Hosts::default();
    for (place, listener) in all() {
        known.take(listener.hostname.as_ref(), place);
    }
    let fault = |(place, listener): (usize, &Listener)| {
        let other = listeners.get(known.overlapping(listener.hostname.as_ref())?)?;
        let message = format!(
            "{} and {} of listener {:?} have names in common: {ADVICE}",
            written(listener.hostname.as_ref()),
            written(other.hostname.as_ref()),
            other.id
        );
        Some((place, Fault::new("OverlappingHostnames", message)))
    };
    all().filter_map(fault).collect()
}

/// Who has a certificate for a name.
#[derive(Default)]
struct Holders {
    all: Vec<usize>,
    /// Those of which nothing is said yet, so that a certificate that all have is not looked at for each pair.
    rest: Vec<usize>,
}

fn certificates(listeners: &[Listener], places: &[usize]) -> Faults {
    let all = || places.iter().filter_map(|place| Some((*place, listeners.get(*place)?)));
    let mut names: HashMap<String, Holders> = HashMap::new();
    for (place, listener) in all() {
        for name in listener.certificates.values().flat_map(names_of) {
            let holders = names.entry(name).or_default();
            if holders.all.last() != Some(&place) {
                holders.all.push(place);
                holders.rest.push(place);
            }
        }
    }
    let mut faults = Faults::new();
    let id = |place: usize| listeners.get(place).map_or("", |listener| listener.id.as_str());
    for (place, listener) in all() {
        let Some(host) = &listener.hostname else { continue };
        for name in covering(host) {
            let Some(holders) = names.get_mut(&name) else { continue };
            let Some(other) = holders.all.iter().find(|other| **other != place) else { continue };
            let fault = |other: usize| {
                let message = format!(
                    "a certificate for {name} is good for {host}, and listener {:?} is at the same port: {ADVICE}",
                    id(other)
                );
                Fault::new("OverlappingCertificates", message)
            };
            faults.entry(place).or_insert_with(|| fault(*other));
            let (own, rest) = std::mem::take(&mut holders.rest).into_iter().partition(|rest| *rest == place);
            holders.rest = own;
            let rest: Vec<usize> = rest;
            for other in rest {
                faults.entry(other).or_insert_with(|| fault(place));
            }
        }
    }
    faults
}

/// The names in certificates that are good for a host (RFC 9525 section 6.3): a pattern stands for one label.
fn covering(host: &HostPattern) -> Vec<String> {
    let text = host.to_string();
    let above = match host {
        HostPattern::Exact(name) => name.as_str().split_once('.').map(|(_, above)| format!("*.{above}")),
        HostPattern::Below(_) => None,
    };
    std::iter::once(text).chain(above).collect()
}

fn names_of(certificate: &Certificate) -> Vec<String> {
    let Ok(der) = CertificateDer::from_pem_slice(certificate.chain.as_bytes()) else { return Vec::new() };
    let Ok(parsed) = webpki::EndEntityCert::try_from(&der) else { return Vec::new() };
    parsed.valid_dns_names().map(str::to_ascii_lowercase).collect()
}

fn written(host: Option<&HostPattern>) -> String {
    host.map_or_else(|| "any host".to_owned(), ToString::to_string)
}
