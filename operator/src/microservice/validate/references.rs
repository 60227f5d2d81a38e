//! The ConfigMaps and Secrets that a service refers to.

use std::collections::BTreeSet;

use flotilla_crds::v1alpha1::{
    ConfigMapVolume, EnvFromSource, EnvVar, InitContainer, KeySelector, MicroserviceSpec, ObjectProjection,
    Reload, SecretVolume, Sidecar, SourceReference, TlsMode,
};

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

/// A place in `spec` that names a ConfigMap or Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// What is named.
    pub reference: Reference,
    /// The field, such as `spec.env[API_KEY]`.
    pub field: String,
    /// Whether the service starts without it.
    pub is_optional: bool,
    /// Whether containers read it, so that its change replaces the pods.
    pub is_read: bool,
}

/// Those whose change replaces the pods: all that containers read, or none when `spec.config.reload` says so.
pub fn references(spec: &MicroserviceSpec) -> BTreeSet<Reference> {
    if !replaces_pods(spec) {
        return BTreeSet::new();
    }
    mentions(spec).into_iter().filter(|mention| mention.is_read).map(|mention| mention.reference).collect()
}

/// Every place that names one, bindings first.
pub fn mentions(spec: &MicroserviceSpec) -> Vec<Mention> {
    let mut found = Found::default();
    for binding in &spec.bindings {
        if let CredentialSource::Secret(name) = source(binding) {
            found.add(Reference::Secret(name), format!("spec.bindings[{}]", binding.name), None);
        }
    }
    found.env("spec", &spec.env, &spec.env_from);
    for InitContainer { name, env, env_from, .. } in &spec.init_containers {
        found.env(&format!("spec.initContainers[{name}]"), env, env_from);
    }
    for Sidecar { name, env, env_from, .. } in &spec.sidecars {
        found.env(&format!("spec.sidecars[{name}]"), env, env_from);
    }
    for file in &spec.files {
        let field = || format!("spec.files[{}]", file.mount_path);
        found.volume(field, file.config_map.as_ref(), file.secret.as_ref());
    }
    for volume in &spec.volumes {
        let field = || format!("spec.volumes[{}]", volume.name);
        found.volume(field, volume.config_map.as_ref(), volume.secret.as_ref());
        for source in volume.projected.iter().flat_map(|projected| &projected.sources) {
            if let Some(ObjectProjection { name, optional, .. }) = &source.config_map {
                found.add(Reference::ConfigMap(name.clone()), field(), *optional);
            }
            if let Some(ObjectProjection { name, optional, .. }) = &source.secret {
                found.add(Reference::Secret(name.clone()), field(), *optional);
            }
        }
    }
    let mut mentions = found.0;
    let mut by_others = |name: &str, field: String| {
        let reference = Reference::Secret(name.to_owned());
        mentions.push(Mention { reference, field, is_optional: false, is_read: false });
    };
    for secret in &spec.image_pull_secrets {
        by_others(&secret.name, "spec.imagePullSecrets".to_owned());
    }
    for route in &spec.routes {
        let own = route.tls.as_ref().filter(|tls| tls.mode == TlsMode::Secret);
        if let Some(secret) = own.and_then(|tls| tls.secret_name.as_ref()) {
            by_others(secret, format!("spec.routes[{}].tls", route.name));
        }
    }
    mentions
}

#[derive(Default)]
struct Found(Vec<Mention>);

impl Found {
    fn add(&mut self, reference: Reference, field: String, optional: Option<bool>) {
        let is_optional = optional.unwrap_or(false);
        self.0.push(Mention { reference, field, is_optional, is_read: true });
    }

    fn env(&mut self, of: &str, env: &[EnvVar], env_from: &[EnvFromSource]) {
        for variable in env {
            let Some(source) = &variable.value_from else { continue };
            let field = || format!("{of}.env[{}]", variable.name);
            if let Some(KeySelector { name, optional, .. }) = &source.config_map_key_ref {
                self.add(Reference::ConfigMap(name.clone()), field(), *optional);
            }
            if let Some(KeySelector { name, optional, .. }) = &source.secret_key_ref {
                self.add(Reference::Secret(name.clone()), field(), *optional);
            }
        }
        for source in env_from {
            if let Some(SourceReference { name, optional }) = &source.config_map_ref {
                self.add(Reference::ConfigMap(name.clone()), format!("{of}.envFrom"), *optional);
            }
            if let Some(SourceReference { name, optional }) = &source.secret_ref {
                self.add(Reference::Secret(name.clone()), format!("{of}.envFrom"), *optional);
            }
        }
    }

    fn volume(
        &mut self,
        field: impl Fn() -> String,
        config_map: Option<&ConfigMapVolume>,
        secret: Option<&SecretVolume>,
    ) {
        if let Some(source) = config_map {
            self.add(Reference::ConfigMap(source.name.clone()), field(), source.optional);
        }
        if let Some(source) = secret {
            self.add(Reference::Secret(source.secret_name.clone()), field(), source.optional);
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
    fn each_place_is_named_with_whether_the_service_starts_without_it() {
        let spec = "
            imagePullSecrets: [{name: pull}],
            routes: [{name: public, tls: {mode: Secret, secretName: tls}}],
            bindings: [{name: smtp, secretRef: {name: mail}},
                {name: db, serviceRef: {apiVersion: v1, kind: Secret, name: direct}},
                {name: queue, serviceRef: {apiVersion: example.com/v1, kind: Queue, name: main}}],
            env: [{name: A, valueFrom: {secretKeyRef: {name: s1, key: k, optional: true}}}],
            sidecars: [{name: j, image: k, envFrom: [{configMapRef: {name: c1}}]}],
            volumes: [{name: v, projected: {sources: [{secret: {name: s2, optional: true}}]}}],
            files: [{mountPath: /b, secret: {secretName: s3}}]";
        let service = microservice(&format!("spec: {{image: app, {spec}}}"));
        let shown = mentions(&service.spec).into_iter().map(|mention| {
            let (Reference::ConfigMap(name) | Reference::Secret(name)) = mention.reference;
            let mark = |is: bool, word| if is { word } else { "" };
            let marks = (mark(mention.is_optional, " optional"), mark(mention.is_read, " read"));
            format!("{name} {}{}{}", mention.field, marks.0, marks.1)
        });
        assert_eq!(
            shown.collect::<Vec<_>>(),
            [
                "mail spec.bindings[smtp] read",
                "direct spec.bindings[db] read",
                "s1 spec.env[A] optional read",
                "c1 spec.sidecars[j].envFrom read",
                "s3 spec.files[/b] read",
                "s2 spec.volumes[v] optional read",
                "pull spec.imagePullSecrets",
                "tls spec.routes[public].tls",
            ]
        );
    }

    #[test]
    fn none_count_when_a_change_shall_do_nothing() {
        assert_eq!(of("config: {reload: None}, envFrom: [{secretRef: {name: s}}]"), []);
    }
}
