//! Backends with their endpoints.

use std::sync::Arc;

use flotilla_gateway_config::{self as config, GatewayConfig};

use super::{Error, Snapshot};
use crate::{
    map::Map,
    upstream::{Endpoint, Tls, Upstream},
};

pub(super) fn compile(
    config: &GatewayConfig,
    before: Option<&Snapshot>,
) -> Result<Map<Arc<str>, Arc<Upstream>>, Error> {
    let mut upstreams = Map::default();
    for (name, written) in &config.backends {
        if written.service.is_some() {
            return Err(Error::Service(name.clone()));
        }
        let known = before.and_then(|before| before.upstreams.get(name.as_str()));
        let name: Arc<str> = name.as_str().into();
        let upstream = upstream(config, &name, written, known)?;
        upstreams.insert(name, Arc::new(upstream));
    }
    Ok(upstreams)
}

fn upstream(
    config: &GatewayConfig,
    name: &Arc<str>,
    written: &config::Backend,
    known: Option<&Arc<Upstream>>,
) -> Result<Upstream, Error> {
    let before = known.map_or(&[][..], |known| &known.endpoints);
    let tls = match &written.tls {
        None => None,
        Some(wanted) => {
            let shown = wanted.certificate.as_ref().and_then(|name| config.certificates.get(name));
            let is_same = |tls: &&Arc<Tls>| tls.written == *wanted && tls.shown.as_ref() == shown;
            let same_protocol = |endpoint: &&Arc<Endpoint>| endpoint.protocol == written.protocol;
            let kept =
                before.iter().filter(same_protocol).find_map(|known| known.tls.as_ref().filter(is_same));
            Some(match kept {
                Some(tls) => Arc::clone(tls),
                None => Arc::new(
                    Tls::new(wanted, shown, written.protocol)
                        .map_err(|source| Error::Backend { backend: name.to_string(), source })?,
                ),
            })
        }
    };
    let endpoint = |address: &config::Endpoint| {
        let is_same = |known: &&Arc<Endpoint>| {
            known.written == *address
                && known.protocol == written.protocol
                && match (&known.tls, &tls) {
                    (None, None) => true,
                    (Some(known), Some(tls)) => Arc::ptr_eq(known, tls),
                    _ => false,
                }
        };
        before
            .iter()
            .find(is_same)
            .cloned()
            .unwrap_or_else(|| Arc::new(Endpoint::new(address.clone(), written.protocol, tls.clone())))
    };
    let endpoints = written.endpoints.iter().map(endpoint).collect();
    Ok(Upstream::new(Arc::clone(name), endpoints))
}
