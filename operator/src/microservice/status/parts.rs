//! The conditions of what a service needs beside its pods: whom it calls, its credentials, its migrations.

use flotilla_crds::v1alpha1::{DependencyState, Microservice, condition};

use super::{Outcome, conditions::Wanted};
use crate::microservice::{
    dereference::Observed,
    peers::Peer,
    validate::{CredentialSource, credential_source},
};

/// Whether everything can be called; `None` when nothing is.
pub(super) fn dependencies(peers: &[Peer]) -> Option<Wanted> {
    if peers.is_empty() {
        return None;
    }
    let wrong: Vec<_> = peers.iter().filter_map(|peer| peer.message.clone()).collect();
    Some(if wrong.is_empty() {
        let message = format!("{} can be called", peers.len());
        Wanted::new(condition::DEPENDENCIES_READY, Some(true), "Ready", message)
    } else {
        let is_missing =
            |peer: &&Peer| matches!(peer.state, DependencyState::Missing | DependencyState::NotAllowed);
        let reason = match peers.iter().find(is_missing).map(|peer| peer.state) {
            Some(DependencyState::NotAllowed) => "NotAllowed",
            Some(_) => "NotFound",
            None => "NotReady",
        };
        Wanted::new(condition::DEPENDENCIES_READY, Some(false), reason, wrong.join("; "))
    })
}

/// Whether every object that a binding names has said which Secret it is; `None` when none names any.
pub(super) fn bindings(microservice: &Microservice, observed: &Observed) -> Option<Wanted> {
    let named = microservice.spec.bindings.iter().filter_map(|binding| match credential_source(binding) {
        CredentialSource::Service(reference) => Some((binding, reference)),
        CredentialSource::Secret(_) => None,
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return None;
    }
    let pending = named.iter().filter_map(|(binding, reference)| {
        let why = observed.provisioned.get(reference)?.lack()?;
        Some(format!("{}: {why}", binding.name))
    });
    let pending: Vec<_> = pending.collect();
    Some(if pending.is_empty() {
        let message = format!("{} objects have named their Secrets", named.len());
        Wanted::new(condition::BINDINGS_READY, Some(true), "Ready", message)
    } else {
        Wanted::new(condition::BINDINGS_READY, Some(false), "Pending", pending.join("; "))
    })
}

/// Whether every migration of the version has succeeded; `None` when there is none.
pub(super) fn migrations(microservice: &Microservice, outcome: &Outcome) -> Option<Wanted> {
    let Outcome::Applied { waits, .. } = outcome else {
        return None;
    };
    if microservice.spec.migrations.is_empty() {
        return None;
    }
    let migrating = waits.as_ref().filter(|wait| wait.reason.starts_with("Migrati"));
    let (status, reason, message) = migrating.map_or_else(
        || (true, "Complete", "every migration of the version has succeeded".to_owned()),
        |wait| (false, wait.reason, wait.message.clone()),
    );
    Some(Wanted::new(condition::MIGRATIONS_COMPLETE, Some(status), reason, message))
}
