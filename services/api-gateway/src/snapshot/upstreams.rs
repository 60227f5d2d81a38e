//! Backends with their endpoints.

use std::sync::Arc;

use flotilla_gateway_config::{self as config, GatewayConfig};

use super::{Error, Snapshot};
use crate::{
    discovery::{Known, Service, service},
    map::Map,
    upstream::{Tls, Upstream},
};

/// Upstreams by the Service that they follow.
pub(super) type Followers = Map<Service, Vec<Arc<Upstream>>>;

pub(super) fn compile(
    config: &GatewayConfig,
    before: Option<&Snapshot>,
) -> Result<Map<Arc<str>, Arc<Upstream>>, Error> {
    let mut upstreams = Map::default();
    for (name, written) in &config.backends {
        let known = before.and_then(|before| before.upstreams.get(name.as_str()));
        let upstream = upstream(config, name, written, known)?;
        upstreams.insert(Arc::clone(&upstream.name), upstream);
    }
    Ok(upstreams)
}

fn upstream(
    config: &GatewayConfig,
    name: &str,
    written: &config::Backend,
    known: Option<&Arc<Upstream>>,
) -> Result<Arc<Upstream>, Error> {
    let tls = match &written.tls {
        None => None,
        Some(wanted) => {
            let shown = wanted.certificate.as_ref().and_then(|name| config.certificates.get(name));
            let is_same = |known: &&Arc<Upstream>| known.written.protocol == written.protocol;
            let kept = known.filter(is_same).and_then(|known| known.tls.as_ref());
            Some(match kept.filter(|tls| tls.written == *wanted && tls.shown.as_ref() == shown) {
                Some(tls) => Arc::clone(tls),
                None => Arc::new(
                    Tls::new(wanted, shown, written.protocol)
                        .map_err(|source| Error::Backend { backend: name.to_owned(), source })?,
                ),
            })
        }
    };
    let is_same = |known: &&Arc<Upstream>| {
        known.written == *written
            && match (&known.tls, &tls) {
                (None, None) => true,
                (Some(known), Some(tls)) => Arc::ptr_eq(known, tls),
                _ => false,
            }
    };
    if let Some(same) = known.filter(is_same) {
        return Ok(Arc::clone(same));
    }
    let upstream = Upstream::new(name.into(), written.clone(), tls, known.map(|known| &**known));
    if written.service.is_none() {
        upstream.place(written.endpoints.iter().cloned());
    }
    Ok(Arc::new(upstream))
}

/// Which upstreams follow which Services.
pub(super) fn followers(upstreams: &Map<Arc<str>, Arc<Upstream>>) -> Followers {
    let mut followers = Followers::default();
    for upstream in upstreams.values() {
        if let Some(of) = &upstream.written.service {
            followers.entry(service(&of.namespace, &of.name)).or_default().push(Arc::clone(upstream));
        }
    }
    followers
}

impl Snapshot {
    /// Whether an upstream follows a Service.
    pub fn follows_services(&self) -> bool {
        !self.followers.is_empty()
    }

    /// Has the upstreams that follow a Service go by what is known.
    pub fn place(&self, service: &Service, known: &Known) {
        self.followers
            .get(service)
            .into_iter()
            .flatten()
            .for_each(|upstream| place(upstream, service, known));
    }

    /// Has all upstreams that follow Services go by what is known, but for those that `before` had too.
    pub fn place_all(&self, known: &Known, before: Option<&Self>) {
        for (service, upstreams) in &self.followers {
            for upstream in upstreams {
                let same = before.and_then(|before| before.upstreams.get(&upstream.name));
                if !same.is_some_and(|same| Arc::ptr_eq(same, upstream)) {
                    place(upstream, service, known);
                }
            }
        }
    }
}

fn place(upstream: &Upstream, service: &Service, known: &Known) {
    let port = upstream.written.service.as_ref().map_or("", |of| &of.port_name);
    let addresses = known.addresses(service, port).into_iter();
    upstream.place(
        addresses.map(|address| config::Endpoint { host: address.ip().to_string(), port: address.port() }),
    );
}
