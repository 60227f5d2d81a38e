//! What only events say of a pod is on the object: volumes that cannot be mounted and probes that fail.

use anyhow::{Result, ensure};
use flotilla_e2e::{PODINFO, condition, in_namespace, kubectl};
use serde_json::{Value, json};

fn podinfo(more: Value) -> Value {
    let mut spec = json!({
        "image": PODINFO,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "lifecycle": {"drainSeconds": 1},
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// Pain 14, with the wording of the kubelet.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_volume_that_cannot_be_mounted_is_named_and_mended() -> Result<()> {
    in_namespace("mount", |namespace| async move {
        let files = json!({"files": [{"mountPath": "/keys", "secret": {"secretName": "keys"}}]});
        namespace.apply("web", podinfo(files)).await?;
        let failing = namespace
            .until("web", "the mount fails", |_, status| {
                condition(status, "Ready").is_some_and(|ready| ready.reason == "MountFailed")
            })
            .await?;
        let status = failing.status.unwrap();
        let said = &condition(&status, "Ready").unwrap().message;
        ensure!(said.contains("secret \"keys\" not found"), "{said}");
        let place = ["-n", &namespace.name];
        kubectl(
            &[&["create", "secret", "generic", "keys", "--from-literal=a=b"], place.as_slice()].concat(),
            "",
        )
        .await?;
        namespace.until_ready("web").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_probe_that_fails_is_named_with_its_answer() -> Result<()> {
    in_namespace("probe", |namespace| async move {
        let readiness =
            json!({"probes": {"readiness": {"http": {"path": "/status/503"}, "periodSeconds": 1}}});
        namespace.apply("web", podinfo(readiness)).await?;
        let failing = namespace
            .until("web", "the probe fails", |_, status| {
                condition(status, "Ready").is_some_and(|ready| ready.reason == "ProbeFailed")
            })
            .await?;
        let status = failing.status.unwrap();
        let said = &condition(&status, "Ready").unwrap().message;
        ensure!(said.contains("container \"web\"") && said.contains("statuscode: 503"), "{said}");
        let good = json!({"probes": {"readiness": {"http": {"path": "/readyz"}, "periodSeconds": 1}}});
        namespace.apply("web", podinfo(good)).await?;
        namespace.until_ready("web").await?;
        let liveness = json!({"probes": {
            "readiness": {"http": {"path": "/readyz"}, "periodSeconds": 1},
            "liveness": {"http": {"path": "/status/500"}, "periodSeconds": 1, "failureThreshold": 3},
        }});
        namespace.apply("alive", podinfo(liveness)).await?;
        let killed = namespace
            .until("alive", "the kubelet ends it", |_, status| {
                condition(status, "Ready").is_some_and(|ready| {
                    ready.reason == "ProbeFailed" && ready.message.contains("again and again")
                })
            })
            .await?;
        let status = killed.status.unwrap();
        let said = &condition(&status, "Ready").unwrap().message;
        ensure!(said.contains("liveness probe failed") && said.contains("statuscode: 500"), "{said}");
        Ok(())
    })
    .await
}
