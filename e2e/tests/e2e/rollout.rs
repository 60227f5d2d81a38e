//! Versions: how a bad one gives way, how a former one comes back, and what makes a new one.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flotilla_crds::v1alpha1::{Microservice, MicroserviceRevision, MicroserviceStatus, Revisions};
use flotilla_e2e::{PODINFO, Prober, condition, in_namespace, kubectl, stays};
use kube::{ResourceExt, api::ListParams};
use serde_json::{Value, json};

/// An empty block is left out: the API server stores one that becomes empty as null, which its schema refuses.
fn podinfo(rollout: Value) -> Value {
    let mut spec = json!({
        "image": PODINFO,
        "replicas": 2,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "probes": {"readiness": {"http": {"path": "/readyz"}, "periodSeconds": 1}},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "lifecycle": {"drainSeconds": 3},
    });
    if rollout != json!({}) {
        spec["rollout"] = rollout;
    }
    spec
}

fn revisions(status: &MicroserviceStatus) -> Revisions {
    status.revisions.clone().unwrap_or_default()
}

fn stalled(status: &MicroserviceStatus) -> Option<&str> {
    condition(status, "Stalled").map(|found| found.reason.as_str())
}

/// Pain 2: a version that fails gives way by itself, and `spec` is not touched. Pains 9 and 11: then it is quiet, and
/// nothing of the failed version is left to pay for.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_failed_version_is_rolled_back_while_the_stable_one_serves() -> Result<()> {
    // In a box: a future of this size does not belong on the stack.
    in_namespace("rollback", |namespace| {
        Box::pin(async move {
            namespace.apply("web", podinfo(json!({}))).await?;
            let good = namespace.until_ready("web").await?;
            let stable = revisions(&good.status.unwrap()).stable.context("a stable revision")?;
            let prober = Prober::of_service(&namespace, "web", "http", "/version").await?;

            // Of the bad one alone: a good one may take its time on a busy machine.
            let mut bad = podinfo(json!({"progressDeadlineSeconds": 8}));
            bad["command"] = json!(["./podinfo", "--no-such-flag"]);
            let applied = namespace.apply("web", bad.clone()).await?;
            let back = namespace
                .until("web", "rolled back", |_, status| stalled(status) == Some("RolledBack"))
                .await?;
            ensure!(back.spec == applied.spec && back.metadata.generation == applied.metadata.generation);
            let settled = namespace
                .until("web", "the stable version runs again", |_, status| {
                    revisions(status).current.as_ref() == Some(&stable)
                        && condition(status, "Reconciling").is_none()
                        && status.ready.as_deref() == Some("2/2")
                })
                .await?;
            let status = settled.status.unwrap();
            let why = condition(&status, "Stalled").unwrap();
            ensure!(why.message.contains("exit code") && why.message.contains(&stable), "{why:?}");
            ensure!(condition(&status, "Ready").unwrap().status == "True");
            let failed = revisions(&status).failed.context("the failed revision")?.name;
            ensure!(Some(&failed) == revisions(&status).latest.as_ref());
            namespace.until_warned("web", "RolledBack").await?;

            let generation = namespace.deployment("web").await?.metadata.generation;
            stays(Duration::from_secs(5), || async {
                let pods = namespace.pods("web").await?;
                ensure!(pods.len() == 2, "{} pods", pods.len());
                ensure!(namespace.deployment("web").await?.metadata.generation == generation, "it goes on");
                Ok(())
            })
            .await?;

            // Scaling is no new try.
            kubectl(&["scale", "msvc/web", "--replicas=3", "-n", &namespace.name], "").await?;
            namespace
                .until("web", "three stable pods", |_, status| status.ready.as_deref() == Some("3/3"))
                .await?;
            let still = namespace.api::<Microservice>().get("web").await?.status.unwrap();
            ensure!(revisions(&still).current.as_ref() == Some(&stable));

            let mut fixed = podinfo(json!({}));
            fixed["env"] = json!([{"name": "FIXED", "value": "yes"}]);
            namespace.apply("web", fixed).await?;
            let done = namespace.until_ready("web").await?.status.unwrap();
            ensure!(revisions(&done).failed.is_none() && revisions(&done).stable != Some(stable));
            let answers = prober.end().await?;
            ensure!(answers > 50, "{answers} answers are too few to say anything");
            Ok(())
        })
    })
    .await
}

/// Pain 1, its sharper half: the configuration comes back with the image. And pain 12: scaling makes no version.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_pinned_revision_brings_its_configuration_back() -> Result<()> {
    in_namespace("pin", |namespace| async move {
        let versioned = |color: &str, rollout: Value| {
            let mut spec = podinfo(rollout);
            spec["replicas"] = json!(1);
            spec["command"] = json!(["./podinfo", "--config-path=/etc/shop"]);
            spec["config"] = json!({"data": {"color.txt": color}, "mountPath": "/etc/shop"});
            spec
        };
        let place = &namespace;
        let shows = |color| place.until_says("web:http", "/configs", color);
        place.apply("web", versioned("red", json!({}))).await?;
        let red = revisions(&place.until_ready("web").await?.status.unwrap()).stable.unwrap();
        shows("red").await?;
        place.apply("web", versioned("blue", json!({}))).await?;
        let blue = revisions(&place.until_ready("web").await?.status.unwrap()).stable.unwrap();
        shows("blue").await?;
        ensure!(red != blue);

        place.apply("web", versioned("blue", json!({"revision": red}))).await?;
        place.until("web", "pinned", |_, status| revisions(status).current.as_ref() == Some(&red)).await?;
        place.until_ready("web").await?;
        shows("red").await?;
        let unknown = versioned("blue", json!({"revision": "web-0123456789"}));
        place.apply("web", unknown).await?;
        let blocked = place
            .until("web", "an unknown pin", |_, status| stalled(status) == Some("RevisionUnavailable"))
            .await?;
        let status = blocked.status.unwrap();
        ensure!(condition(&status, "Stalled").unwrap().message.contains(&red), "{status:?}");
        place.apply("web", versioned("blue", json!({}))).await?;
        place.until("web", "unpinned", |_, status| revisions(status).current.as_ref() == Some(&blue)).await?;
        place.until_ready("web").await?;
        shows("blue").await?;

        kubectl(&["scale", "msvc/web", "--replicas=2", "-n", &place.name], "").await?;
        place.until("web", "two pods", |_, status| status.ready.as_deref() == Some("2/2")).await?;
        let kept = place.api::<MicroserviceRevision>().list(&ListParams::default()).await?;
        let mut names: Vec<_> = kept.iter().map(ResourceExt::name_any).collect();
        let mut expected = [red, blue];
        names.sort();
        expected.sort();
        ensure!(names == expected, "{names:?}");
        let refused = kubectl(
            &[
                "patch",
                "msvcrev",
                &names[0],
                "--type=merge",
                "-p",
                r#"{"spec":{"digest":"0000000000000000000000000000000000000000000000000000000000000000"}}"#,
                "-n",
                &place.name,
            ],
            "",
        )
        .await;
        ensure!(refused.unwrap_err().to_string().contains("a MicroserviceRevision never changes"));
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_paused_rollout_waits() -> Result<()> {
    in_namespace("pause", |namespace| async move {
        namespace.apply("web", podinfo(json!({}))).await?;
        let first = revisions(&namespace.until_ready("web").await?.status.unwrap()).current;
        let mut next = podinfo(json!({"paused": true}));
        next["env"] = json!([{"name": "NEXT", "value": "1"}]);
        namespace.apply("web", next.clone()).await?;
        let held = namespace
            .until("web", "a version waits", |_, status| revisions(status).latest != first)
            .await?
            .status
            .unwrap();
        ensure!(revisions(&held).current == first, "{held:?}");
        next["rollout"] = json!({"paused": false});
        namespace.apply("web", next).await?;
        namespace.until("web", "it goes on", |_, status| revisions(status).stable != first).await?;
        namespace.until_ready("web").await?;
        Ok(())
    })
    .await
}

/// Pain 1: a change of what pods refer to replaces them, without a look at the data.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_changed_secret_or_config_map_replaces_the_pods() -> Result<()> {
    in_namespace("reload", |namespace| async move {
        let make = |kind: &'static str, literal: &'static str| {
            let name = namespace.name.clone();
            async move {
                let arguments = [
                    &["create"],
                    kind.split(' ').collect::<Vec<_>>().as_slice(),
                    &["settings", literal, "-n", &name, "--dry-run=client", "-o", "yaml"],
                ]
                .concat();
                let object = kubectl(&arguments, "").await?;
                kubectl(&["apply", "-n", &name, "-f", "-"], &object).await
            }
        };
        make("secret generic", "--from-literal=SECRET=one").await?;
        make("configmap", "--from-literal=COLOR=red").await?;
        let mut spec = podinfo(json!({}));
        spec["replicas"] = json!(1);
        spec["envFrom"] =
            json!([{"secretRef": {"name": "settings"}}, {"configMapRef": {"name": "settings"}}]);
        namespace.apply("web", spec.clone()).await?;
        namespace.until_ready("web").await?;
        let shows = |text| namespace.until_says("web:http", "/env", text);
        shows("SECRET=one").await?;
        make("secret generic", "--from-literal=SECRET=two").await?;
        shows("SECRET=two").await?;
        make("configmap", "--from-literal=COLOR=green").await?;
        shows("COLOR=green").await?;
        namespace.until_ready("web").await?;

        spec["config"] = json!({"reload": "None"});
        namespace.apply("web", spec).await?;
        namespace.until_ready("web").await?;
        let before = namespace.deployment("web").await?.metadata.generation;
        make("secret generic", "--from-literal=SECRET=three").await?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        ensure!(namespace.deployment("web").await?.metadata.generation == before);
        Ok(())
    })
    .await
}
