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

pub(super) fn migrations(spec: &MicroserviceSpec) -> Result<Vec<MigrationJob>, Error> {
    let of = |written: &Migration| {
        Ok(MigrationJob {
            name: written.name.clone(),
            command: written.command.clone(),
            args: written.args.clone(),
            backoff_limit: written.backoff_limit,
            timeout_seconds: written.timeout_seconds,
            resources: own_or_service(written.resources.as_ref(), spec)?,
        })
    };
    spec.migrations.iter().map(of).collect()
}

pub(super) fn schedules(spec: &MicroserviceSpec) -> Result<Vec<ScheduledJob>, Error> {
    let of = |written: &Schedule| {
        let resources = own_or_service(written.resources.as_ref(), spec)?;
        Ok(ScheduledJob { written: written.clone(), resources })
    };
    spec.schedules.iter().map(of).collect()
}

fn own_or_service(own: Option<&Resources>, spec: &MicroserviceSpec) -> Result<ContainerResources, Error> {
    resources::resolve(own.or(spec.resources.as_ref()))
}
