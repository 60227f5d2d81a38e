//! A service whose pods have a name and volumes of their own.

use anyhow::{Result, ensure};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_e2e::{allow_callers, condition, eventually, in_namespace, kubectl};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

const REDIS: &str = "docker.io/library/redis:7.0.15";

fn redis(policy: &str) -> Value {
    json!({
        "image": REDIS,
        "command": ["redis-server"],
        "args": ["--dir", "/data", "--appendonly", "yes", "--protected-mode", "no"],
        "ports": [{"name": "redis", "port": 6379}],
        "workload": {"kind": "StatefulSet", "volumeClaimTemplates": [{"name": "data", "storage": "64Mi"}]},
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        "deletionPolicy": {"data": policy},
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}},
        "lifecycle": {"drainSeconds": 0},
        "network": allow_callers(),
    })
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn each_pod_keeps_its_data_and_the_policy_says_what_stays() -> Result<()> {
    in_namespace("stateful", |namespace| async move {
        let cli = |arguments: &'static [&'static str]| {
            let name = namespace.name.clone();
            async move {
                let exec = ["exec", "cache-0", "-n", &name, "--", "redis-cli"];
                kubectl(&[exec.as_slice(), arguments].concat(), "").await
            }
        };
        namespace.apply("cache", redis("Retain")).await?;
        let ready = namespace.until_ready("cache").await?;
        ensure!(ready.status.unwrap().ready.as_deref() == Some("1/1"));
        ensure!(cli(&["set", "order", "42"]).await?.trim() == "OK");
        let host = format!("cache-0.cache-pods.{}.svc", namespace.name);
        let ping = namespace.run_pod("ping", REDIS, &["redis-cli", "-h", &host, "ping"]).await?;
        ensure!(ping.trim() == "PONG", "{ping}");

        namespace.api::<Pod>().delete("cache-0", &DeleteParams::default()).await?;
        let read = &cli;
        eventually("the next pod has the data", || async move {
            let answer = read(&["get", "order"]).await.map_err(|error| error.to_string());
            Ok(answer.and_then(|text| if text.trim() == "42" { Ok(()) } else { Err(text) }))
        })
        .await?;

        let changed = json!({"spec": {"workload": {"kind": "Deployment", "volumeClaimTemplates": null}, "volumeMounts": null}});
        let refused = kubectl(&["patch", "msvc", "cache", "--type=merge", "-p", &changed.to_string(), "-n", &namespace.name], "").await;
        let said = refused.unwrap_err().to_string();
        ensure!(said.contains("workload.kind cannot be changed"), "{said}");

        let claims: &Api<PersistentVolumeClaim> = &namespace.api();
        let delete = async || namespace.api::<Microservice>().delete("cache", &DeleteParams::background()).await;
        let pods: &Api<Pod> = &namespace.api();
        let gone = async || {
            eventually("the pods are gone", || async move {
                let left = pods.list(&ListParams::default()).await?.items.len();
                Ok(if left == 0 { Ok(()) } else { Err(left) })
            })
            .await
        };
        delete().await?;
        gone().await?;
        ensure!(claims.list(&ListParams::default()).await?.items.len() == 1, "the data stays");
        namespace.apply("cache", redis("Delete")).await?;
        namespace.until_ready("cache").await?;
        ensure!(cli(&["get", "order"]).await?.trim() == "42", "a service of the same name finds it again");
        delete().await?;
        gone().await?;
        eventually("the data is gone", || async move {
            let left = claims.list(&ListParams::default()).await?.items.len();
            Ok(if left == 0 { Ok(()) } else { Err(left) })
        })
        .await
    })
    .await
}

/// A StatefulSet that went back still waits for its broken pod: the operator takes that out of its way.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_failed_version_is_rolled_back_with_its_data() -> Result<()> {
    in_namespace("sts-back", |namespace| async move {
        let mut spec = redis("Delete");
        spec["rollout"] = json!({"progressDeadlineSeconds": 8});
        namespace.apply("cache", spec.clone()).await?;
        let first = namespace.until_ready("cache").await?.status.unwrap().revisions.unwrap();
        let exec = ["exec", "cache-0", "-n", &namespace.name, "--", "redis-cli"];
        ensure!(kubectl(&[exec.as_slice(), &["set", "order", "42"]].concat(), "").await?.trim() == "OK");
        spec["command"] = json!(["redis-server", "--no-such-option"]);
        namespace.apply("cache", spec).await?;
        let back = namespace
            .until("cache", "it is rolled back and serves", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.reason == "RolledBack")
                    && status.ready.as_deref() == Some("1/1")
            })
            .await?;
        let revisions = back.status.unwrap().revisions.unwrap();
        ensure!(revisions.current == first.latest && revisions.latest != first.latest, "{revisions:?}");
        let answer = kubectl(&[exec.as_slice(), &["get", "order"]].concat(), "").await?;
        ensure!(answer.trim() == "42", "{answer}");
        Ok(())
    })
    .await
}

/// A StatefulSet has no deadline of its own; the operator holds it to ours.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_version_that_makes_no_progress_is_named() -> Result<()> {
    in_namespace("stuck", |namespace| async move {
        let mut spec = redis("Delete");
        spec["command"] = json!(["redis-server", "--no-such-option"]);
        spec["rollout"] = json!({"progressDeadlineSeconds": 5});
        namespace.apply("cache", spec).await?;
        namespace
            .until("cache", "it takes too long", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.reason == "ProgressDeadlineExceeded")
            })
            .await?;
        Ok(())
    })
    .await
}
