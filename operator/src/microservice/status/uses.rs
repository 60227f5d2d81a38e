//! What a service uses: what `spec` names and the operator does not make, each with whether it is there.

use std::collections::BTreeSet;

use flotilla_crds::v1alpha1::{DependencyState, Gate, Microservice, Use, UseState};
use kube::ResourceExt;

use super::shortened;
use crate::microservice::{
    dereference::Observed,
    peers::{Peer, Place},
    provisioned::Provision,
    validate::{CredentialSource, Mention, Reference, credential_source, mentions},
};

/// How many are shown.
const SHOWN: usize = 64;

/// Something that a service uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// As the status shows it.
    pub(super) shown: Use,
    /// The reason of the problem, when the service lacks it.
    pub(super) lack: Option<&'static str>,
    /// Whether a version may have to wait for it.
    pub(super) is_waited_for: bool,
}

/// Everything that a service uses, in the order in which people think of it: whom it calls, its credentials, its
/// configuration, the rest.
pub(super) fn find(microservice: &Microservice, observed: &Observed) -> Vec<Used> {
    let namespace = microservice.namespace().unwrap_or_default();
    let mut all: Vec<_> = observed.peers.iter().map(|peer| of_peer(peer, &namespace)).collect();
    let mut named = Vec::new();
    for binding in &microservice.spec.bindings {
        let CredentialSource::Service(service) = credential_source(binding) else { continue };
        let field = format!("spec.bindings[{}]", binding.name);
        let provision = observed.provisioned.get(&service);
        all.push(of_provision(service.kind, service.name, field.clone(), provision));
        if let Some(Provision::Secret(secret)) = provision {
            let reference = Reference::Secret(secret.clone());
            named.push(Mention { reference, field, is_optional: false, is_read: true });
        }
    }
    named.extend(mentions(&microservice.spec));
    let mut seen = BTreeSet::new();
    for Mention { reference, field, .. } in &named {
        if seen.insert(reference) {
            let of_it = |mention: &&Mention| mention.reference == *reference;
            let is_optional = named.iter().filter(of_it).all(|mention| mention.is_optional);
            let exists = observed.named.get(reference).copied();
            all.push(of_reference(reference, field.clone(), is_optional, exists));
        }
    }
    all.extend(of_others(microservice));
    all
}

/// As the status shows them. What is ready gives way when there are too many.
pub(super) fn shown(all: &[Used]) -> Vec<Use> {
    let mut shown: Vec<_> = all.iter().map(|used| used.shown.clone()).collect();
    if shown.len() > SHOWN {
        shown.sort_by_key(|used| matches!(used.state, UseState::Ready | UseState::Unknown));
        shown.truncate(SHOWN);
    }
    shown
}

fn of_peer(peer: &Peer, namespace: &str) -> Used {
    let (kind, key) = match &peer.place {
        Place::Service { key, .. } => ("Microservice", key.clone()),
        Place::External { host, .. } => ("Host", (namespace.to_owned(), host.clone())),
    };
    let (state, lack) = match peer.state {
        DependencyState::Ready => (UseState::Ready, None),
        DependencyState::NotReady => (UseState::NotReady, Some("NotReady")),
        DependencyState::Missing => (UseState::Missing, Some("NotFound")),
        DependencyState::NotAllowed => (UseState::NotAllowed, Some("NotAllowed")),
        DependencyState::External => (UseState::Unknown, None),
    };
    let (of, name) = key;
    let shown = Use {
        kind: kind.to_owned(),
        namespace: Some(of).filter(|of| of != namespace),
        name,
        field: format!("spec.dependsOn[{}]", peer.name),
        state,
        url: peer.status().url,
        message: peer.message.as_deref().map(shortened),
    };
    Used { shown, lack, is_waited_for: peer.gate != Gate::None }
}

fn of_provision(kind: String, name: String, field: String, provision: Option<&Provision>) -> Used {
    let (state, lack) = match provision {
        Some(Provision::Secret(_)) => (UseState::Ready, None),
        Some(Provision::Missing(_)) => (UseState::Missing, Some("NotFound")),
        Some(Provision::Pending(_)) => (UseState::NotReady, Some("Pending")),
        None => (UseState::Unknown, None),
    };
    let message = provision.and_then(Provision::lack).map(shortened);
    let shown = Use { kind, namespace: None, name, field, state, url: None, message };
    Used { shown, lack, is_waited_for: true }
}

fn of_reference(reference: &Reference, field: String, is_optional: bool, exists: Option<bool>) -> Used {
    let (kind, name) = match reference {
        Reference::ConfigMap(name) => ("ConfigMap", name),
        Reference::Secret(name) => ("Secret", name),
    };
    let missing = || format!("there is no {kind} {name:?} in this namespace");
    let (state, lack, message) = match exists {
        Some(true) => (UseState::Ready, None, None),
        Some(false) if is_optional => {
            (UseState::Missing, None, Some(format!("{}, and the service starts without it", missing())))
        }
        Some(false) => (UseState::Missing, Some("NotFound"), Some(missing())),
        None => (UseState::Unknown, None, None),
    };
    let (kind, name) = (kind.to_owned(), name.clone());
    let shown = Use { kind, namespace: None, name, field, state, url: None, message };
    Used { shown, lack, is_waited_for: false }
}

/// What is not looked at. When it is missing, the pods say so.
fn of_others(microservice: &Microservice) -> Vec<Used> {
    let spec = &microservice.spec;
    let mut named = Vec::new();
    for file in &spec.files {
        if let Some(claim) = &file.persistent_volume_claim {
            let field = format!("spec.files[{}]", file.mount_path);
            named.push(("PersistentVolumeClaim", &claim.claim_name, field));
        }
    }
    for volume in &spec.volumes {
        if let Some(claim) = &volume.persistent_volume_claim {
            let field = format!("spec.volumes[{}]", volume.name);
            named.push(("PersistentVolumeClaim", &claim.claim_name, field));
        }
    }
    if let Some(name) = spec.service_account.as_ref().and_then(|account| account.name.as_ref()) {
        named.push(("ServiceAccount", name, "spec.serviceAccount".to_owned()));
    }
    for trigger in spec.autoscaling.iter().flat_map(|block| &block.triggers) {
        if let Some(name) = &trigger.authentication {
            named.push(("TriggerAuthentication", name, "spec.autoscaling.triggers".to_owned()));
        }
    }
    let mut seen = BTreeSet::new();
    named.retain(|(kind, name, _)| seen.insert((*kind, *name)));
    let used = |(kind, name, field): (&str, &String, String)| {
        let (kind, name) = (kind.to_owned(), name.clone());
        let state = UseState::Unknown;
        let shown = Use { kind, namespace: None, name, field, state, url: None, message: None };
        Used { shown, lack: None, is_waited_for: false }
    };
    named.into_iter().map(used).collect()
}
