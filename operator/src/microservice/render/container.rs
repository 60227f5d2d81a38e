//! The containers of a pod: the one that runs the image, and those beside it.

use std::collections::{BTreeMap, BTreeSet};

use flotilla_crds::v1alpha1::{self as api, ImagePullPolicy, SecurityProfile, SidecarPort};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapEnvSource, ConfigMapKeySelector, Container, ContainerPort, EnvFromSource,
        EnvVar, EnvVarSource, Lifecycle, LifecycleHandler, ObjectFieldSelector, ResourceFieldSelector,
        ResourceRequirements, SecretEnvSource, SecretKeySelector, SecurityContext, SleepAction,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use super::{Error, probe, volume};
use crate::microservice::{
    peers::Peer,
    validate::{CanonicalQuantity, ContainerResources, ExtraContainer, Validated},
};

/// The container that runs the image.
pub(super) fn main(service: &Validated, peers: &[Peer]) -> Result<Container, Error> {
    Ok(Container {
        name: service.name.clone(),
        image: Some(service.image.clone()),
        image_pull_policy: service.image_pull_policy.map(|policy| pull_policy(policy).to_owned()),
        command: some(service.command.clone()),
        args: some(service.args.clone()),
        // Those of sidecars too: it is the pod that has an address.
        ports: some(service.ports.iter().map(port).collect()),
        env: some(addresses(service, peers).chain(service.env.iter().map(env)).collect()),
        env_from: some(service.env_from.iter().map(env_from).collect()),
        resources: Some(resources(&service.resources)),
        readiness_probe: service.probes.readiness.as_ref().map(probe::render),
        liveness_probe: service.probes.liveness.as_ref().map(probe::render),
        startup_probe: service.probes.startup.as_ref().map(probe::render),
        lifecycle: (service.drain_seconds > 0).then(|| Lifecycle {
            pre_stop: Some(LifecycleHandler {
                // The kubelet sleeps, so the image needs no shell (KEP-3960).
                sleep: Some(SleepAction { seconds: service.drain_seconds }),
                ..LifecycleHandler::default()
            }),
            ..Lifecycle::default()
        }),
        security_context: security(service),
        volume_mounts: some(volume::mounts(service)?),
        ..Container::default()
    })
}

/// Sidecars and init containers, in the order of their start: an init container may need a sidecar.
pub(super) fn before(service: &Validated) -> Result<Vec<Container>, Error> {
    let sidecars = service.sidecars.iter().map(|sidecar| {
        // Restarts for ever, so it runs beside the service (KEP-753).
        Ok(Container { restart_policy: Some("Always".to_owned()), ..extra(sidecar, service)? })
    });
    let init = service.init_containers.iter().map(|container| extra(container, service));
    sidecars.chain(init).collect()
}

fn extra(container: &ExtraContainer, service: &Validated) -> Result<Container, Error> {
    let port = |port: &SidecarPort| ContainerPort {
        name: Some(port.name.clone()),
        container_port: port.port.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    Ok(Container {
        name: container.name.clone(),
        image: Some(container.image.clone()),
        command: some(container.command.clone()),
        args: some(container.args.clone()),
        ports: some(container.ports.iter().map(port).collect()),
        env: some(container.env.iter().map(env).collect()),
        env_from: some(container.env_from.iter().map(env_from).collect()),
        resources: Some(resources(&container.resources)),
        readiness_probe: container.probes.readiness.as_ref().map(probe::render),
        liveness_probe: container.probes.liveness.as_ref().map(probe::render),
        startup_probe: container.probes.startup.as_ref().map(probe::render),
        security_context: security(service),
        volume_mounts: some(volume::extra_mounts(service, container)?),
        ..Container::default()
    })
}

/// Addresses of what the service calls: first, so that its own variables can use them. What it writes itself wins.
fn addresses(service: &Validated, peers: &[Peer]) -> impl Iterator<Item = EnvVar> {
    let mut taken: BTreeSet<_> = service.env.iter().map(|variable| variable.name.as_str()).collect();
    let mut variables = Vec::new();
    for (name, value) in peers.iter().flat_map(|peer| &peer.env) {
        if taken.insert(name) {
            variables.push(EnvVar { name: name.clone(), value: Some(value.clone()), value_from: None });
        }
    }
    variables.into_iter()
}

fn resources(resources: &ContainerResources) -> ResourceRequirements {
    ResourceRequirements {
        requests: Some(quantities(&resources.requests)),
        limits: Some(quantities(&resources.limits)),
        claims: None,
    }
}

/// `None` for an empty list: an empty list would be a field that we own.
fn some<T>(items: Vec<T>) -> Option<Vec<T>> {
    (!items.is_empty()).then_some(items)
}

fn pull_policy(policy: ImagePullPolicy) -> &'static str {
    match policy {
        ImagePullPolicy::Always => "Always",
        ImagePullPolicy::IfNotPresent => "IfNotPresent",
        ImagePullPolicy::Never => "Never",
    }
}

fn port(port: &api::Port) -> ContainerPort {
    ContainerPort {
        name: Some(port.name.clone()),
        container_port: port.port.into(),
        protocol: Some(port.protocol().transport().to_owned()),
        ..ContainerPort::default()
    }
}

fn quantities(quantities: &BTreeMap<String, String>) -> BTreeMap<String, Quantity> {
    quantities.iter().map(|(name, quantity)| (name.clone(), Quantity(quantity.clone()))).collect()
}

fn env(variable: &api::EnvVar) -> EnvVar {
    EnvVar {
        name: variable.name.clone(),
        value: variable.value.clone(),
        value_from: variable.value_from.as_ref().map(env_source),
    }
}

fn env_source(source: &api::EnvVarSource) -> EnvVarSource {
    EnvVarSource {
        secret_key_ref: source.secret_key_ref.as_ref().map(|reference| SecretKeySelector {
            name: reference.name.clone(),
            key: reference.key.clone(),
            optional: reference.optional,
        }),
        config_map_key_ref: source.config_map_key_ref.as_ref().map(|reference| ConfigMapKeySelector {
            name: reference.name.clone(),
            key: reference.key.clone(),
            optional: reference.optional,
        }),
        field_ref: source.field_ref.as_ref().map(|reference| ObjectFieldSelector {
            field_path: reference.field_path.clone(),
            api_version: reference.api_version.clone(),
        }),
        resource_field_ref: source.resource_field_ref.as_ref().map(|reference| ResourceFieldSelector {
            resource: reference.resource.clone(),
            divisor: reference.divisor.as_ref().map(|divisor| Quantity(canonical(&divisor.0))),
            container_name: None,
        }),
    }
}

/// As the API server stores it; what it will refuse is passed on as it is, so that its error names the field.
pub(super) fn canonical(quantity: &str) -> String {
    CanonicalQuantity::parse(quantity).map_or_else(|_| quantity.to_owned(), |parsed| parsed.to_string())
}

fn env_from(source: &api::EnvFromSource) -> EnvFromSource {
    EnvFromSource {
        prefix: source.prefix.clone(),
        config_map_ref: source.config_map_ref.as_ref().map(|reference| ConfigMapEnvSource {
            name: reference.name.clone(),
            optional: reference.optional,
        }),
        secret_ref: source
            .secret_ref
            .as_ref()
            .map(|reference| SecretEnvSource { name: reference.name.clone(), optional: reference.optional }),
    }
}

fn security(service: &Validated) -> Option<SecurityContext> {
    let wanted = &service.security;
    let restricted = wanted.profile == SecurityProfile::Restricted;
    let add = some(wanted.add_capabilities.clone());
    let drop = restricted.then(|| vec!["ALL".to_owned()]);
    let context = SecurityContext {
        allow_privilege_escalation: restricted.then_some(false),
        capabilities: (add.is_some() || drop.is_some()).then_some(Capabilities { add, drop }),
        read_only_root_filesystem: (restricted || wanted.read_only_root_filesystem)
            .then_some(wanted.read_only_root_filesystem),
        ..SecurityContext::default()
    };
    (context != SecurityContext::default()).then_some(context)
}
