//! Init containers and sidecars.

use std::collections::BTreeSet;

use flotilla_crds::v1alpha1::{
    EnvFromSource, EnvVar, InitContainer, MicroserviceSpec, Probe, Probes, Sidecar, SidecarPort, VolumeMount,
};

use super::{ContainerResources, Error, ProbeSet, probes, resources};

/// A container beside the one that runs the image.
#[derive(Clone, Debug, PartialEq)]
pub struct ExtraContainer {
    /// Name.
    pub name: String,
    /// Image.
    pub image: String,
    /// Entrypoint; that of the image when empty.
    pub command: Vec<String>,
    /// Arguments; those of the image when empty.
    pub args: Vec<String>,
    /// Environment.
    pub env: Vec<EnvVar>,
    /// Environment from whole objects.
    pub env_from: Vec<EnvFromSource>,
    /// Ports; empty for an init container.
    pub ports: Vec<SidecarPort>,
    /// Where it has volumes.
    pub volume_mounts: Vec<VolumeMount>,
    /// Resources.
    pub resources: ContainerResources,
    /// Health checks; none for an init container.
    pub probes: ProbeSet,
}

pub(super) fn init(spec: &MicroserviceSpec) -> Result<Vec<ExtraContainer>, Error> {
    spec.init_containers.iter().map(|container| of_init(container, &spec.image)).collect()
}

fn of_init(container: &InitContainer, image: &str) -> Result<ExtraContainer, Error> {
    Ok(ExtraContainer {
        name: container.name.clone(),
        image: container.image.clone().unwrap_or_else(|| image.to_owned()),
        command: container.command.clone(),
        args: container.args.clone(),
        env: container.env.clone(),
        env_from: container.env_from.clone(),
        ports: Vec::new(),
        volume_mounts: container.volume_mounts.clone(),
        resources: resources::resolve(container.resources.as_ref())?,
        probes: ProbeSet::default(),
    })
}

pub(super) fn sidecars(spec: &MicroserviceSpec) -> Result<Vec<ExtraContainer>, Error> {
    spec.sidecars.iter().map(of_sidecar).collect()
}

fn of_sidecar(sidecar: &Sidecar) -> Result<ExtraContainer, Error> {
    // A check that is left out is no check, whatever ports there are.
    let written =
        |probe: &Option<Probe>| probe.clone().unwrap_or(Probe { disabled: Some(true), ..Probe::default() });
    let checks = Probes {
        readiness: Some(written(&sidecar.readiness)),
        liveness: Some(written(&sidecar.liveness)),
        startup: None,
    };
    let mut resolved = probes::resolve(Some(&checks), &[])?;
    resolved.startup = match &sidecar.startup {
        Some(probe) => probes::timed("startup", probe, &[])?,
        None => None,
    };
    Ok(ExtraContainer {
        name: sidecar.name.clone(),
        image: sidecar.image.clone(),
        command: sidecar.command.clone(),
        args: sidecar.args.clone(),
        env: sidecar.env.clone(),
        env_from: sidecar.env_from.clone(),
        ports: sidecar.ports.clone(),
        volume_mounts: sidecar.volume_mounts.clone(),
        resources: resources::resolve(sidecar.resources.as_ref())?,
        probes: resolved,
    })
}

/// Names that two containers of a pod share, if there are any.
pub(super) fn refuse_same_names(service: &str, containers: &[&[ExtraContainer]]) -> Result<(), Error> {
    let mut seen = BTreeSet::from([service]);
    for container in containers.iter().copied().flatten() {
        if !seen.insert(&container.name) {
            return Err(Error::ContainerName(container.name.clone()));
        }
    }
    Ok(())
}
