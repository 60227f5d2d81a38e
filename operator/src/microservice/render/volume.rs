//! The volumes of the pods and where the container that runs the image has them.

use flotilla_crds::v1alpha1::{Binding, BindingForm, FileSource, Volume as ApiVolume};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, PersistentVolumeClaimVolumeSource, SecretVolumeSource,
    Volume, VolumeMount,
};

use super::{Error, config_map, core_shape};
use crate::microservice::validate::{Credentials, ExtraContainer, Validated};

/// The volume of the inline configuration.
const CONFIG: &str = "flotilla-config";

/// Every volume of the pods.
pub(super) fn volumes(service: &Validated) -> Result<Vec<Volume>, Error> {
    let mut volumes = Vec::new();
    if let Some(config) = &service.config {
        volumes.push(Volume {
            name: CONFIG.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: config_map::name(&service.name, &config.data),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    for (index, file) in service.files.iter().enumerate() {
        volumes.push(of_file(index, file)?);
    }
    for binding in file_bindings(service) {
        volumes.push(Volume {
            name: binding_name(binding),
            secret: Some(SecretVolumeSource {
                secret_name: Some(binding.secret().to_owned()),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        });
    }
    for volume in &service.volumes {
        volumes.push(of_volume(volume)?);
    }
    let writable = writable_paths(service)
        .filter(|(_, path)| !is_taken(service, path) || has_extra_containers(service))
        .map(|(index, _)| Volume {
            name: writable_name(index),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        });
    volumes.extend(writable);
    Ok(volumes)
}

/// What the container that runs the image has of them.
pub(super) fn mounts(service: &Validated) -> Result<Vec<VolumeMount>, Error> {
    let mut mounts = Vec::new();
    if let Some(config) = &service.config {
        mounts.push(VolumeMount {
            name: CONFIG.to_owned(),
            mount_path: config.mount_path.clone(),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
    for (index, file) in service.files.iter().enumerate() {
        mounts.push(VolumeMount {
            name: file_name(index),
            mount_path: file.mount_path.clone(),
            ..VolumeMount::default()
        });
    }
    for binding in file_bindings(service) {
        mounts.push(VolumeMount {
            name: binding_name(binding),
            mount_path: format!("{}/{}", Binding::ROOT, binding.name),
            read_only: Some(true),
            ..VolumeMount::default()
        });
    }
    for mount in &service.volume_mounts {
        mounts.push(core_shape(mount)?);
    }
    let writable = writable_paths(service).filter(|(_, path)| !is_taken(service, path));
    mounts.extend(writable.map(|(index, path)| VolumeMount {
        name: writable_name(index),
        mount_path: path.clone(),
        ..VolumeMount::default()
    }));
    Ok(mounts)
}

/// The bindings that are files.
pub(super) fn file_bindings(service: &Validated) -> impl Iterator<Item = &Credentials> {
    service.bindings.iter().filter(|binding| binding.form == BindingForm::Files)
}

fn binding_name(binding: &Credentials) -> String {
    format!("flotilla-binding-{}", binding.name)
}

/// What a sidecar or an init container has of them: its own mounts, and a writable folder of its own at each path.
pub(super) fn extra_mounts(
    service: &Validated,
    container: &ExtraContainer,
) -> Result<Vec<VolumeMount>, Error> {
    let mut mounts: Vec<VolumeMount> =
        container.volume_mounts.iter().map(core_shape).collect::<Result<_, _>>()?;
    for (index, path) in writable_paths(service) {
        if mounts.iter().all(|own| own.mount_path != *path) {
            mounts.push(VolumeMount {
                name: writable_name(index),
                mount_path: path.clone(),
                sub_path: Some(container.name.clone()),
                ..VolumeMount::default()
            });
        }
    }
    Ok(mounts)
}

/// The folders that are writable although the root is read-only.
fn writable_paths(service: &Validated) -> impl Iterator<Item = (usize, &String)> {
    service.security.writable_paths.iter().enumerate()
}

fn has_extra_containers(service: &Validated) -> bool {
    !service.sidecars.is_empty() || !service.init_containers.is_empty()
}

/// Whether the container that runs the image has something else at this path.
fn is_taken(service: &Validated, path: &str) -> bool {
    service.config.as_ref().is_some_and(|config| config.mount_path == path)
        || service.files.iter().any(|file| file.mount_path == path)
        || service.volume_mounts.iter().any(|mount| mount.mount_path == path)
}

/// Paths are sorted, so the numbers are stable.
fn writable_name(index: usize) -> String {
    format!("flotilla-writable-{index}")
}

fn file_name(index: usize) -> String {
    format!("flotilla-file-{index}")
}

fn of_file(index: usize, file: &FileSource) -> Result<Volume, Error> {
    let mut volume = Volume { name: file_name(index), ..Volume::default() };
    if let Some(source) = &file.config_map {
        volume.config_map = Some(core_shape::<_, ConfigMapVolumeSource>(source)?);
    }
    if let Some(source) = &file.secret {
        volume.secret = Some(core_shape::<_, SecretVolumeSource>(source)?);
    }
    if let Some(source) = &file.empty_dir {
        volume.empty_dir = Some(core_shape::<_, EmptyDirVolumeSource>(source)?);
    }
    if let Some(source) = &file.persistent_volume_claim {
        volume.persistent_volume_claim = Some(core_shape::<_, PersistentVolumeClaimVolumeSource>(source)?);
    }
    Ok(canonical(volume))
}

fn of_volume(volume: &ApiVolume) -> Result<Volume, Error> {
    core_shape(volume).map(canonical)
}

/// With quantities as the API server stores them.
fn canonical(mut volume: Volume) -> Volume {
    if let Some(limit) = volume.empty_dir.as_mut().and_then(|folder| folder.size_limit.as_mut()) {
        limit.0 = super::container::canonical(&limit.0);
    }
    let downward = volume.downward_api.iter_mut().flat_map(|files| files.items.iter_mut().flatten());
    let projected = volume
        .projected
        .iter_mut()
        .flat_map(|projected| projected.sources.iter_mut().flatten())
        .filter_map(|source| source.downward_api.as_mut())
        .flat_map(|files| files.items.iter_mut().flatten());
    for file in downward.chain(projected) {
        if let Some(divisor) = file.resource_field_ref.as_mut().and_then(|field| field.divisor.as_mut()) {
            divisor.0 = super::container::canonical(&divisor.0);
        }
    }
    volume
}
