//! The ConfigMaps and Secrets that a service refers to.

use std::collections::BTreeSet;

use flotilla_crds::v1alpha1::{EnvFromSource, EnvVar, MicroserviceSpec, Reload};

use super::binding::{CredentialSource, source};

/// A ConfigMap or Secret of the namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// A ConfigMap of this name.
    ConfigMap(String),
    /// A Secret of this name.
    Secret(String),
}

/// Whether a change of what containers read replaces the pods.
pub fn replaces_pods(spec: &MicroserviceSpec) -> bool {
    spec.config.as_ref().and_then(|config| config.reload).unwrap_or_default() != Reload::None
}

/// Those whose change replaces the pods: all that containers read, or none when `spec.config.reload` says so.
pub fn references(spec: &MicroserviceSpec) -> BTreeSet<Reference> {
    if !replaces_pods(spec) {
        return BTreeSet::new();
    }
    let mut found = Found::default();
    found.env(&spec.env, &spec.env_from);
    for container in &spec.init_containers {
        found.env(&container.env, &container.env_from);
    }
    for container in &spec.sidecars {
        found.env(&container.env, &container.env_from);
    }
    for binding in &spec.bindings {
        if let CredentialSource::Secret(name) = source(binding) {
            found.secret(Some(&name));
        }
    }
    for file in &spec.files {
        found.config_map(file.config_map.as_ref().map(|source| &source.name));
        found.secret(file.secret.as_ref().map(|source| &source.secret_name));
    }
    for volume in &spec.volumes {
        found.config_map(volume.config_map.as_ref().map(|source| &source.name));
        found.secret(volume.secret.as_ref().map(|source| &source.secret_name));
        for source in volume.projected.iter().flat_map(|projected| &projected.sources) {
            found.config_map(source.config_map.as_ref().map(|source| &source.name));
            found.secret(source.secret.as_ref().map(|source| &source.name));
        }
    }
    found.0
}

#[derive(Default)]
struct Found(BTreeSet<Reference>);

impl Found {
    fn config_map(&mut self, name: Option<&String>) {
        self.0.extend(name.cloned().map(Reference::ConfigMap));
    }

    fn secret(&mut self, name: Option<&String>) {
        self.0.extend(name.cloned().map(Reference::Secret));
    }

    fn env(&mut self, env: &[EnvVar], env_from: &[EnvFromSource]) {
        for source in env.iter().filter_map(|variable| variable.value_from.as_ref()) {
            self.config_map(source.config_map_key_ref.as_ref().map(|key| &key.name));
            self.secret(source.secret_key_ref.as_ref().map(|key| &key.name));
        }
        for source in env_from {
            self.config_map(source.config_map_ref.as_ref().map(|reference| &reference.name));
            self.secret(source.secret_ref.as_ref().map(|reference| &reference.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::microservice::render::tests::microservice;

    fn of(spec: &str) -> Vec<Reference> {
        references(&microservice(&format!("spec: {{image: app, {spec}}}")).spec).into_iter().collect()
    }

    #[test]
    fn every_place_is_found() {
        let config_map = |name: &str| Reference::ConfigMap(name.to_owned());
        let secret = |name: &str| Reference::Secret(name.to_owned());
        let spec = "
            env: [{name: A, valueFrom: {secretKeyRef: {name: s1, key: k}}}, {name: B, value: x}],
            envFrom: [{configMapRef: {name: c1}}, {secretRef: {name: s2}}],
            files: [{mountPath: /a, configMap: {name: c2}}, {mountPath: /b, secret: {secretName: s3}}],
            volumes: [{name: v, projected: {sources: [{secret: {name: s4}}, {configMap: {name: c3}}]}}],
            initContainers: [{name: i, envFrom: [{secretRef: {name: s5}}]}],
            sidecars: [{name: j, image: k, env: [{name: A, valueFrom: {configMapKeyRef: {name: c4, key: k}}}]}]";
        assert_eq!(
            of(spec),
            [
                config_map("c1"),
                config_map("c2"),
                config_map("c3"),
                config_map("c4"),
                secret("s1"),
                secret("s2"),
                secret("s3"),
                secret("s4"),
                secret("s5")
            ]
        );
    }

    #[test]
    fn none_count_when_a_change_shall_do_nothing() {
        assert_eq!(of("config: {reload: None}, envFrom: [{secretRef: {name: s}}]"), []);
    }
}
