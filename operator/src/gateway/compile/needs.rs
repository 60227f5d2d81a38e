//! Which ConfigMaps are needed: those alone are read.

use std::collections::BTreeSet;

use crate::gateway::objects::{Key, Objects};

/// The ConfigMaps that gateways and policies refer to.
pub fn config_maps(objects: &Objects) -> BTreeSet<Key> {
    let mut needed = BTreeSet::new();
    for (key, gateway) in objects.gateways.iter() {
        let Some(frontend) = gateway.spec.tls.as_ref().and_then(|tls| tls.frontend.as_ref()) else {
            continue;
        };
        let ports = frontend.per_port.iter().flatten().map(|port| &port.tls);
        for validation in
            std::iter::once(&frontend.default).chain(ports).filter_map(|tls| tls.validation.as_ref())
        {
            for reference in validation.ca_certificate_refs.iter().filter(|found| found.kind == "ConfigMap") {
                let namespace = reference.namespace.clone().unwrap_or_else(|| key.0.clone());
                needed.insert((namespace, reference.name.clone()));
            }
        }
    }
    for (key, policy) in objects.backend_tls_policies.iter() {
        let references = policy.spec.validation.ca_certificate_refs.iter().flatten();
        for reference in references.filter(|found| found.kind == "ConfigMap") {
            needed.insert((key.0.clone(), reference.name.clone()));
        }
    }
    for (key, policy) in objects.traffic_policies.iter() {
        let providers = policy.spec.jwt.iter().flat_map(|jwt| &jwt.providers);
        for reference in providers.filter_map(|provider| provider.jwks.config_map_ref.as_ref()) {
            needed.insert((key.0.clone(), reference.name.clone()));
        }
    }
    needed
}
