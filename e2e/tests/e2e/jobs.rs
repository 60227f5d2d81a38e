//! Programs of a service's image that run to an end: migrations and schedules.

use anyhow::{Result, ensure};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_e2e::{PODINFO, condition, eventually, in_namespace, kubectl};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

fn podinfo(migration: Value, version: &str) -> Value {
    json!({
        "image": PODINFO,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "lifecycle": {"drainSeconds": 1},
        "env": [{"name": "VERSION", "value": version}],
        "migrations": [migration],
    })
}

/// Ends with 0 when the variable of the service has this value, which only the migration of that version sees.
fn succeeding() -> Value {
    json!({"name": "schema", "command": ["podcli", "version"]})
}

/// Pain 19: once for each version, before it, and never waiting for the service itself.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_migration_gates_each_version_and_runs_once() -> Result<()> {
    in_namespace("migrate", |namespace| async move {
        let jobs: &Api<Job> = &namespace.api();
        namespace.apply("web", podinfo(succeeding(), "1")).await?;
        let ready = namespace.until_ready("web").await?;
        let status = ready.status.unwrap();
        ensure!(condition(&status, "MigrationsComplete").is_some_and(|found| found.status == "True"));
        let first = jobs.list(&ListParams::default()).await?.items;
        ensure!(first.len() == 1 && first[0].status.as_ref().unwrap().succeeded == Some(1), "{first:?}");
        let made = namespace.deployment("web").await?.metadata.creation_timestamp.unwrap();
        let ended = first[0].status.as_ref().unwrap().completion_time.clone().unwrap();
        ensure!(ended <= made, "the Deployment came before the migration had ended");

        // Scaling, a restart of nothing, a deleted record: none of them runs it again.
        kubectl(&["scale", "msvc/web", "--replicas=2", "-n", &namespace.name], "").await?;
        namespace.until("web", "two pods", |_, status| status.ready.as_deref() == Some("2/2")).await?;
        jobs.delete(&first[0].name_any(), &DeleteParams::background()).await?;
        tokio::time::sleep(std::time::Duration::from_secs(3)).await;
        ensure!(jobs.list(&ListParams::default()).await?.items.is_empty());

        // One that fails holds its version back, and what runs goes on.
        let before = namespace.deployment("web").await?.metadata.generation;
        let failing = json!({"name": "schema", "command": ["podcli", "no-such-command"], "backoffLimit": 0});
        namespace.apply("web", podinfo(failing, "2")).await?;
        let failed = namespace
            .until("web", "the migration has failed", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.reason == "MigrationFailed")
            })
            .await?;
        let status = failed.status.unwrap();
        let said = &condition(&status, "Stalled").unwrap().message;
        ensure!(said.contains("kubectl logs job/web-schema-"), "{said}");
        ensure!(condition(&status, "Ready").unwrap().status == "True", "the former version goes on serving");
        ensure!(namespace.deployment("web").await?.metadata.generation == before);

        namespace.apply("web", podinfo(succeeding(), "3")).await?;
        namespace.until_ready("web").await?;
        ensure!(namespace.deployment("web").await?.metadata.generation > before);
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_schedule_runs_with_the_environment_of_the_service() -> Result<()> {
    in_namespace("schedule", |namespace| async move {
        let mut spec = podinfo(succeeding(), "1");
        spec.as_object_mut().unwrap().remove("migrations");
        spec["schedules"] = json!([{"name": "nightly", "cron": "0 3 * * *", "timeZone": "Europe/Madrid", "command": ["podcli", "version"]}]);
        namespace.apply("web", spec.clone()).await?;
        namespace.until_ready("web").await?;
        kubectl(&["create", "job", "now", "--from=cronjob/web-nightly", "-n", &namespace.name], "").await?;
        let jobs: &Api<Job> = &namespace.api();
        let job = eventually("the run ends", || async move {
            let job = jobs.get("now").await?;
            let succeeded = job.status.as_ref().and_then(|status| status.succeeded) == Some(1);
            Ok(if succeeded { Ok(job) } else { Err(job.status) })
        })
        .await?;
        let container = job.spec.unwrap().template.spec.unwrap().containers.remove(0);
        ensure!(container.env.unwrap_or_default().iter().any(|variable| variable.name == "VERSION"));
        // Its pod is none of those that serve.
        let status = namespace.api::<Microservice>().get("web").await?.status.unwrap();
        ensure!(status.ready.as_deref() == Some("1/1"), "{status:?}");

        spec.as_object_mut().unwrap().remove("schedules");
        namespace.apply("web", spec).await?;
        let schedules: &Api<CronJob> = &namespace.api();
        eventually("the CronJob is pruned", || async move {
            Ok(if schedules.get_opt("web-nightly").await?.is_none() { Ok(()) } else { Err("still there") })
        })
        .await
    })
    .await
}

/// What keeps a migration from running is on the object, not only on a pod that nobody looks at.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_migration_that_cannot_start_says_why() -> Result<()> {
    in_namespace("stuck-job", |namespace| async move {
        let spec = json!({
            "image": "registry.invalid/app:none",
            "migrations": [{"name": "schema", "command": ["/migrate"]}],
        });
        namespace.apply("web", spec).await?;
        namespace
            .until("web", "the pull of the migration's image fails", |_, status| {
                condition(status, "MigrationsComplete").is_some()
                    && condition(status, "Reconciling").is_some_and(|found| {
                        found.reason == "Migrating"
                            && found.message.contains("container \"web\": cannot pull image")
                    })
            })
            .await?;
        Ok(())
    })
    .await
}
