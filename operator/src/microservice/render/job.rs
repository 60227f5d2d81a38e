//! Jobs of the service's image: migrations, one for each version, and runs by the clock.

use std::collections::BTreeMap;

use flotilla_crds::v1alpha1::{ConcurrencyPolicy, Migration};
use k8s_openapi::{
    api::{
        batch::v1::{CronJob, CronJobSpec, Job, JobSpec, JobTemplateSpec},
        core::v1::PodTemplateSpec,
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use serde_json::json;

use super::{Error, labels, metadata, pod};
use crate::{
    cluster::REVISION_ANNOTATION,
    microservice::{
        dereference::Observed,
        digest,
        validate::{MigrationJob, ScheduledJob, Validated},
    },
};

/// The longest name of a Job: its pods carry it as the value of a label.
const NAME_MAX_LENGTH: usize = 63;

/// How many ended runs are kept, to look at their logs.
const KEPT_RUNS: i32 = 3;

/// The name of the Job of a migration for a revision.
pub(super) fn migration_name(service: &Validated, migration: &MigrationJob, revision: &str) -> String {
    let content = json!([revision, migration.command, migration.args]);
    let end = format!("-{}-{}", migration.name, digest::short(&digest::of(&content)));
    let room = NAME_MAX_LENGTH.saturating_sub(end.len());
    let beginning = service.name.get(..room).unwrap_or(&service.name).trim_end_matches('-');
    format!("{beginning}{end}")
}

pub(super) fn migration(
    service: &Validated,
    observed: &Observed,
    migration: &MigrationJob,
    revision: &str,
) -> Result<Job, Error> {
    let annotations = BTreeMap::from([(REVISION_ANNOTATION.to_owned(), revision.to_owned())]);
    let program =
        pod::Program { command: &migration.command, args: &migration.args, resources: &migration.resources };
    Ok(Job {
        metadata: ObjectMeta {
            name: Some(migration_name(service, migration, revision)),
            annotations: Some(annotations),
            ..metadata(service)
        },
        spec: Some(JobSpec {
            backoff_limit: Some(migration.backoff_limit.unwrap_or(Migration::DEFAULT_BACKOFF_LIMIT)),
            active_deadline_seconds: Some(
                migration.timeout_seconds.unwrap_or(Migration::DEFAULT_TIMEOUT_SECONDS),
            ),
            template: template(service, observed, &program)?,
            ..JobSpec::default()
        }),
        status: None,
    })
}

pub(super) fn scheduled(
    service: &Validated,
    observed: &Observed,
    schedule: &ScheduledJob,
) -> Result<CronJob, Error> {
    let written = &schedule.written;
    let program =
        pod::Program { command: &written.command, args: &written.args, resources: &schedule.resources };
    let policy = match written.concurrency_policy.unwrap_or_default() {
        ConcurrencyPolicy::Allow => "Allow",
        ConcurrencyPolicy::Forbid => "Forbid",
        ConcurrencyPolicy::Replace => "Replace",
    };
    Ok(CronJob {
        metadata: ObjectMeta {
            name: Some(format!("{}-{}", service.name, written.name)),
            ..metadata(service)
        },
        spec: Some(CronJobSpec {
            schedule: written.cron.clone(),
            time_zone: written.time_zone.clone(),
            concurrency_policy: Some(policy.to_owned()),
            starting_deadline_seconds: written.starting_deadline_seconds,
            suspend: Some(written.suspend.unwrap_or(false)),
            successful_jobs_history_limit: Some(KEPT_RUNS),
            failed_jobs_history_limit: Some(KEPT_RUNS),
            job_template: JobTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels::of_jobs(&service.name)),
                    ..ObjectMeta::default()
                }),
                spec: Some(JobSpec {
                    backoff_limit: Some(written.backoff_limit.unwrap_or(Migration::DEFAULT_BACKOFF_LIMIT)),
                    active_deadline_seconds: written.timeout_seconds,
                    template: template(service, observed, &program)?,
                    ..JobSpec::default()
                }),
            },
        }),
        status: None,
    })
}

/// Pods that belong to the service and are none of those that serve: no Service leads to them.
fn template(
    service: &Validated,
    observed: &Observed,
    program: &pod::Program<'_>,
) -> Result<PodTemplateSpec, Error> {
    Ok(PodTemplateSpec {
        metadata: Some(ObjectMeta { labels: Some(labels::of_jobs(&service.name)), ..ObjectMeta::default() }),
        spec: Some(pod::of_job(service, observed, program)?),
    })
}
