//! Bindings whose Secret another object names.

use crate::microservice::{
    dereference::Observed,
    provisioned::Provision,
    revision::Wait,
    validate::{CredentialSource, Credentials},
};

/// Puts the Secrets in the place of the objects that name them. Returns what has to be waited for.
pub(super) fn resolve(bindings: &mut [Credentials], observed: &Observed) -> Option<Wait> {
    let mut waiting = Vec::new();
    for binding in bindings {
        let CredentialSource::Service(reference) = &binding.source else {
            continue;
        };
        match observed.provisioned.get(reference) {
            Some(Provision::Secret(name)) => binding.source = CredentialSource::Secret(name.clone()),
            Some(Provision::Missing(why) | Provision::Pending(why)) => {
                waiting.push(format!("spec.bindings[{}]: {why}", binding.name))
            }
            None => waiting.push(format!(
                "spec.bindings[{}]: only a cluster can tell which Secret {} {:?} names",
                binding.name, reference.kind, reference.name
            )),
        }
    }
    (!waiting.is_empty()).then(|| Wait {
        reason: "WaitingForBindings",
        message: format!("waiting: {}", waiting.join("; ")),
        is_failure: false,
        job: None,
    })
}
