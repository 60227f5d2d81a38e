//! Changes to objects that no field can say.

use anyhow::{Context, Result, ensure};
use flotilla_e2e::{PODINFO, condition, in_namespace, kubectl};
use serde_json::{Value, json};

fn podinfo(overlays: Value) -> Value {
    json!({
        "image": PODINFO,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "lifecycle": {"drainSeconds": 1},
        "overlays": overlays,
    })
}

/// Pain 16: what no field can say can be said.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn an_overlay_is_applied_repaired_and_taken_back() -> Result<()> {
    in_namespace("overlays", |namespace| async move {
        let overlays = json!([
            {"target": {"kind": "Deployment"}, "patch": {
                "metadata": {"annotations": {"example.com/team": "a"}},
                "spec": {"template": {"spec": {
                    "dnsConfig": {"options": [{"name": "ndots", "value": "2"}]},
                    "containers": [{"name": "web", "resources": {"limits": {"cpu": "0.5"}}}],
                }}}}},
            {"target": {"kind": "Service"}, "patch": {"spec": {"trafficDistribution": "PreferClose"}}},
        ]);
        namespace.apply("web", podinfo(overlays)).await?;
        namespace.until_ready("web").await?;
        let deployment = namespace.deployment("web").await?;
        let version = deployment.metadata.resource_version.clone();
        let pod = deployment.spec.context("spec")?.template.spec.context("pod")?;
        ensure!(pod.dns_config.is_some(), "{pod:?}");
        let place = ["-n", &*namespace.name];
        let traffic = [&["get", "service", "web", "-o", "jsonpath={.spec.trafficDistribution}"], place.as_slice()].concat();
        ensure!(kubectl(&traffic, "").await? == "PreferClose");

        kubectl(&[&["annotate", "deployment", "web", "example.com/team-"], place.as_slice()].concat(), "").await?;
        let team = [&["get", "deployment", "web", "-o", r"jsonpath={.metadata.annotations.example\.com/team}"], place.as_slice()].concat();
        flotilla_e2e::eventually("the annotation is back", || async {
            let now = kubectl(&team, "").await?;
            Ok(if now == "a" { Ok(()) } else { Err(now) })
        })
        .await?;
        ensure!(namespace.deployment("web").await?.metadata.resource_version != version);

        let wrong = json!([{"target": {"kind": "CronJob"}, "patch": {"metadata": {"labels": {"a": "b"}}}}]);
        namespace.apply("web", podinfo(wrong)).await?;
        let stalled = namespace
            .until("web", "the target is missing", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.reason == "OverlayWithoutTarget")
            })
            .await?;
        let said = condition(&stalled.status.unwrap(), "Stalled").unwrap().message.clone();
        ensure!(said.contains("spec.overlays[0].target: this service has no CronJob"), "{said}");
        let pod = namespace.deployment("web").await?.spec.context("spec")?.template.spec.context("pod")?;
        ensure!(pod.dns_config.is_none(), "what is no longer written is taken back");
        let unknown = json!([{"target": {"kind": "Deployment"}, "patch": {"spec": {"template": {"spec": {"dnsPolcy": "Default"}}}}}]);
        namespace.apply("web", podinfo(unknown)).await?;
        let refused = namespace
            .until("web", "the API server refuses it", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.reason == "Refused")
            })
            .await?;
        let said = condition(&refused.status.unwrap(), "Stalled").unwrap().message.clone();
        ensure!(said.contains("dnsPolcy"), "{said}");
        Ok(())
    })
    .await
}
