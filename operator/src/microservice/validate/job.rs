//! Jobs of the service's image.

use flotilla_crds::v1alpha1::{MicroserviceSpec, Migration, Resources, Schedule};

use super::{ContainerResources, Error, resources};

/// A job that must succeed before a version runs.
#[derive(Clone, Debug, PartialEq)]
pub struct MigrationJob {
    /// Its name.
    pub name: String,
    /// Entrypoint; that of the image when empty.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// How often it is tried again.
    pub backoff_limit: Option<i32>,
    /// Seconds after which it has failed.
    pub timeout_seconds: Option<i64>,
    /// Resources.
    pub resources: ContainerResources,
}

/// A job that runs by the clock.
#[derive(Clone, Debug, PartialEq)]
pub struct ScheduledJob {
    /// As it is written.
    pub written: Schedule,
    /// Resources.
    pub resources: ContainerResources,
}

pub(super) fn migrations(
    spec: &MicroserviceSpec,
    service: Option<&Resources>,
) -> Result<Vec<MigrationJob>, Error> {
    let of = |written: &Migration| {
        Ok(MigrationJob {
            name: written.name.clone(),
            command: written.command.clone(),
            args: written.args.clone(),
            backoff_limit: written.backoff_limit,
            timeout_seconds: written.timeout_seconds,
            resources: resources::resolve(written.resources.as_ref().or(service))?,
        })
    };
    spec.migrations.iter().map(of).collect()
}

pub(super) fn schedules(
    spec: &MicroserviceSpec,
    service: Option<&Resources>,
) -> Result<Vec<ScheduledJob>, Error> {
    let of = |written: &Schedule| {
        let resources = resources::resolve(written.resources.as_ref().or(service))?;
        Ok(ScheduledJob { written: written.clone(), resources })
    };
    spec.schedules.iter().map(of).collect()
}
