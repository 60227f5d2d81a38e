//! How backends are called in TLS: `BackendTLSPolicy` (GEP-1897).

use std::{
    borrow::Cow,
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

use flotilla_crds::gateway_api::{
    BackendTlsPolicy, BackendTlsPolicyValidationSubjectAltNames,
    BackendTlsPolicyValidationSubjectAltNamesType, LocalObjectReference,
};
use flotilla_gateway_config::{HostPattern, ServiceRef, SubjectAltName, UpstreamTls};
use kube::ResourceExt;

use super::{certificate, listener::Fault};
use crate::gateway::{
    condition::Verdict,
    objects::{Key, Objects},
};

/// A Service, or one port of it by its name.
type Target = (Key, Option<String>);

/// The policies of a cluster.
#[derive(Clone, Debug, Default)]
pub struct Policies {
    /// What holds for a target; `None` when its policy cannot be used, so that nobody may call it.
    targets: BTreeMap<Target, Option<UpstreamTls>>,
    /// What the status of each policy says, and the Services that it is for.
    pub verdicts: BTreeMap<Key, (Vec<Verdict>, Vec<Key>)>,
}

impl Policies {
    /// From all policies. Of two for one target the older counts, and of two of one age the first by name.
    pub fn resolve(objects: &Objects) -> Self {
        let mut policies = Self::default();
        let mut ordered: Vec<_> = objects.backend_tls_policies.iter().map(|(_, policy)| policy).collect();
        ordered.sort_by_key(|policy| (policy.creation_timestamp(), policy.namespace(), policy.name_any()));
        for policy in ordered {
            policies.add(objects, policy);
        }
        policies
    }

    /// What holds for a port of a Service: `None` without a policy, `Some(None)` with one that cannot be used.
    pub fn find(&self, service: &ServiceRef) -> Option<Option<&UpstreamTls>> {
        let key = (service.namespace.clone(), service.name.clone());
        let of_port = self.targets.get(&(key.clone(), Some(service.port_name.clone())));
        of_port.or_else(|| self.targets.get(&(key, None))).map(Option::as_ref)
    }

    fn add(&mut self, objects: &Objects, policy: &Arc<BackendTlsPolicy>) {
        let namespace = policy.namespace().unwrap_or_default();
        let (tls, mut verdicts) = upstream(objects, &namespace, policy);
        let mut services = Vec::new();
        for target in
            policy.spec.target_refs.iter().filter(|target| (&*target.group, &*target.kind) == ("", "Service"))
        {
            let service = (namespace.clone(), target.name.clone());
            services.push(service.clone());
            let target = (service, target.section_name.clone());
            match self.targets.entry(target) {
                Entry::Vacant(free) => drop(free.insert(tls.clone())),
                Entry::Occupied(taken) => {
                    let service = &taken.key().0.1;
                    let message =
                        format!("another BackendTLSPolicy is for Service {service:?} already, and is older");
                    verdicts.retain(|verdict| verdict.type_ != "Accepted");
                    verdicts.push(Verdict::bad("Accepted", "Conflicted", message));
                }
            }
        }
        self.verdicts.insert((namespace, policy.name_any()), (verdicts, services));
    }
}

/// What a policy says, unless it cannot be used, and what its status says of that.
fn upstream(
    objects: &Objects,
    namespace: &str,
    policy: &BackendTlsPolicy,
) -> (Option<UpstreamTls>, Vec<Verdict>) {
    let validation = &policy.spec.validation;
    let invalid = |message: Cow<'static, str>| (None, vec![Verdict::bad("Accepted", "Invalid", message)]);
    let mut tls = UpstreamTls { server_name: validation.hostname.clone(), ..UpstreamTls::default() };
    for name in validation.subject_alt_names.iter().flatten() {
        match alternative(name) {
            Ok(name) => tls.subject_alt_names.push(name),
            Err(message) => return invalid(message.into()),
        }
    }
    let references = validation.ca_certificate_refs.as_deref().unwrap_or_default();
    let mut unresolved = None;
    if references.is_empty() {
        if validation.well_known_ca_certificates.as_deref() != Some("System") {
            let message = "validation: write caCertificateRefs, or wellKnownCACertificates: System";
            return invalid(message.into());
        }
    } else {
        let mut authorities = String::new();
        for reference in references {
            match authority(objects, namespace, reference) {
                Ok(pem) => {
                    authorities.push_str(&pem);
                    authorities.push('\n');
                }
                Err(fault) => drop(unresolved.get_or_insert(fault)),
            }
        }
        tls.ca = Some(authorities);
    }
    let resolved = match &unresolved {
        None => Verdict::good("ResolvedRefs", "ResolvedRefs", "all that it refers to is there"),
        Some(Fault { reason, message }) => Verdict::bad("ResolvedRefs", reason, message.clone()),
    };
    match unresolved.filter(|_| tls.ca.as_ref().is_some_and(String::is_empty)) {
        None => (Some(tls), vec![Verdict::good("Accepted", "Accepted", "the policy is accepted"), resolved]),
        Some(Fault { message, .. }) => {
            (None, vec![Verdict::bad("Accepted", "NoValidCACertificate", message), resolved])
        }
    }
}

fn alternative(name: &BackendTlsPolicyValidationSubjectAltNames) -> Result<SubjectAltName, String> {
    let missing = |field: &str| format!("validation.subjectAltNames: write {field}");
    match name.r#type {
        BackendTlsPolicyValidationSubjectAltNamesType::Hostname => {
            let hostname = name.hostname.clone().ok_or_else(|| missing("hostname"))?;
            HostPattern::try_from(hostname)
                .map(SubjectAltName::Hostname)
                .map_err(|error| format!("validation.subjectAltNames: {error}"))
        }
        BackendTlsPolicyValidationSubjectAltNamesType::Uri => {
            name.uri.clone().map(SubjectAltName::Uri).ok_or_else(|| missing("uri"))
        }
    }
}

fn authority(objects: &Objects, namespace: &str, reference: &LocalObjectReference) -> Result<String, Fault> {
    let LocalObjectReference { group, kind, name } = reference;
    if (group.as_str(), kind.as_str()) != ("", "ConfigMap") {
        let message = format!("{kind} {name:?}: certificates of authorities are in a ConfigMap");
        return Err(Fault::new("InvalidKind", message));
    }
    let invalid = |message| Fault::new("InvalidCACertificateRef", message);
    let Some(found) = objects.config_maps.get(namespace, name) else {
        return Err(invalid(format!("there is no ConfigMap {namespace}/{name}")));
    };
    certificate::of_config_map(found).map_err(invalid)
}
