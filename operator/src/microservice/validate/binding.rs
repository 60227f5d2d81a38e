//! Which Secrets a service is bound to, as far as `spec` alone can say.

use flotilla_crds::v1alpha1::{Binding, BindingForm, ServiceReference};

/// The credentials of something that the service uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// The name of the binding.
    pub name: String,
    /// Where they are.
    pub source: CredentialSource,
    /// How the service has them.
    pub form: BindingForm,
    /// Put in front of every key that becomes a variable.
    pub prefix: Option<String>,
}

impl Credentials {
    /// The Secret that has them. An object that has not said yet counts as a Secret of its own name; nothing runs with
    /// that, since the version waits.
    pub fn secret(&self) -> &str {
        match &self.source {
            CredentialSource::Secret(name) => name,
            CredentialSource::Service(service) => &service.name,
        }
    }
}

/// Where credentials are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialSource {
    /// In this Secret.
    Secret(String),
    /// In the Secret that this object names.
    Service(ServiceReference),
}

/// A reference to a Secret by its kind is a reference to that Secret (servicebinding.io, Direct Secret Reference).
pub fn source(binding: &Binding) -> CredentialSource {
    match (&binding.secret_ref, &binding.service_ref) {
        (None, Some(service)) if service.api_version == "v1" && service.kind == "Secret" => {
            CredentialSource::Secret(service.name.clone())
        }
        (None, Some(service)) => CredentialSource::Service(service.clone()),
        (secret, _) => {
            CredentialSource::Secret(secret.as_ref().map(|secret| secret.name.clone()).unwrap_or_default())
        }
    }
}

pub(super) fn resolve(bindings: &[Binding]) -> Vec<Credentials> {
    bindings
        .iter()
        .map(|binding| Credentials {
            name: binding.name.clone(),
            source: source(binding),
            form: binding.as_.unwrap_or_default(),
            prefix: binding.prefix.clone(),
        })
        .collect()
}
