//! The containers of a pod: the one that runs the image, and those beside it.

use std::collections::{BTreeMap, BTreeSet};

use flotilla_crds::v1alpha1::{
    self as api, Binding, BindingForm, ImagePullPolicy, SecurityProfile, SidecarPort,
};
use k8s_openapi::{
    api::core::v1::{
        Capabilities, ConfigMapEnvSource, ConfigMapKeySelector, Container, ContainerPort, EnvFromSource,
        EnvVar, EnvVarSource, Lifecycle, LifecycleHandler, ObjectFieldSelector, ResourceFieldSelector,
        ResourceRequirements, SecretEnvSource, SecretKeySelector, SecurityContext, SleepAction,
    },
    apimachinery::pkg::api::resource::Quantity,
};

use super::{Error, pod::Program, probe, volume};
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
        env: some(environment(service, peers)),
        env_from: some(env_from_all(service)),
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

/// The container of a job: the image, environment and volumes of the service, with another program.
pub(super) fn job(service: &Validated, peers: &[Peer], program: &Program<'_>) -> Result<Container, Error> {
    Ok(Container {
        name: service.name.clone(),
        image: Some(service.image.clone()),
        image_pull_policy: service.image_pull_policy.map(|policy| pull_policy(policy).to_owned()),
        command: some(program.command.to_vec()),
        args: some(program.args.to_vec()),
        env: some(environment(service, peers)),
        env_from: some(env_from_all(service)),
        resources: Some(resources(program.resources)),
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

/// What the service is told beside what it writes itself: first, so that its own variables can use it. What it writes
/// itself wins.
fn environment(service: &Validated, peers: &[Peer]) -> Vec<EnvVar> {
    let taken: BTreeSet<_> = service.env.iter().map(|variable| variable.name.as_str()).collect();
    let mut variables = Vec::new();
    let addresses = peers.iter().flat_map(|peer| peer.env.clone());
    let root = volume::file_bindings(service)
        .next()
        .map(|_| ("SERVICE_BINDING_ROOT".to_owned(), Binding::ROOT.to_owned()));
    for (name, value) in addresses.chain(root).chain(tracing(service)) {
        if !taken.contains(name.as_str()) {
            variables.push(EnvVar { name, value: Some(value), value_from: None });
        }
    }
    // The first of two peers that are given one name has it.
    let mut seen = BTreeSet::new();
    variables.retain(|variable| seen.insert(variable.name.clone()));
    variables.extend(service.env.iter().map(env));
    variables
}

/// Variables of the OpenTelemetry specification, which its libraries read.
fn tracing(service: &Validated) -> Vec<(String, String)> {
    let Some(tracing) = &service.observability.tracing else {
        return Vec::new();
    };
    if !tracing.enabled.unwrap_or(true) {
        return Vec::new();
    }
    let attributes =
        format!("service.namespace={},k8s.namespace.name={}", service.namespace, service.namespace);
    let mut variables =
        vec![("OTEL_SERVICE_NAME", service.name.clone()), ("OTEL_RESOURCE_ATTRIBUTES", attributes)];
    if let Some(endpoint) = &tracing.endpoint {
        variables.push(("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.clone()));
    }
    if let Some(ratio) = &tracing.sample_ratio {
        variables.push(("OTEL_TRACES_SAMPLER", "parentbased_traceidratio".to_owned()));
        variables.push(("OTEL_TRACES_SAMPLER_ARG", ratio.clone()));
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Whole objects that become variables: those that are written, and bindings.
fn env_from_all(service: &Validated) -> Vec<EnvFromSource> {
    let bindings =
        service.bindings.iter().filter(|binding| binding.form == BindingForm::Env).map(|binding| {
            EnvFromSource {
                prefix: binding.prefix.clone(),
                secret_ref: Some(SecretEnvSource { name: binding.secret().to_owned(), optional: None }),
                config_map_ref: None,
            }
        });
    service.env_from.iter().map(env_from).chain(bindings).collect()
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
