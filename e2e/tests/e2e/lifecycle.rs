//! What happens to a running service.

use std::{
    collections::BTreeSet,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, ensure};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_e2e::{PODINFO, PODINFO_1, condition, eventually, in_namespace, kubectl};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, Service},
};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};

fn podinfo(replicas: i32) -> Value {
    json!({
        "image": PODINFO,
        "replicas": replicas,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "probes": {"readiness": {"http": {"path": "/readyz"}, "periodSeconds": 1}},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "lifecycle": {"drainSeconds": 1},
    })
}

fn names(pods: &[Pod]) -> BTreeSet<String> {
    pods.iter().map(ResourceExt::name_any).collect()
}

/// Pains 14 and 15: the real error is on the object, and it stays Ready while its pods are replaced.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_new_image_replaces_the_pods_and_a_broken_one_says_why() -> Result<()> {
    in_namespace("image", |namespace| async move {
        let mut old = podinfo(1);
        old["image"] = json!(PODINFO_1);
        namespace.apply("web", old).await?;
        namespace.until_ready("web").await?;
        let first = names(&namespace.pods("web").await?);
        namespace.until_says("web:http", "/version", r#""version": "1.8.0""#).await?;

        namespace.apply("web", podinfo(1)).await?;
        let failed = AtomicBool::new(false);
        namespace
            .until("web", "the pods are replaced", |_, status| {
                let ready = condition(status, "Ready").is_some_and(|ready| ready.status == "True");
                failed.fetch_or(!ready, Ordering::Relaxed);
                ready && condition(status, "Reconciling").is_none()
            })
            .await?;
        ensure!(!failed.into_inner(), "it was not Ready while its pods were replaced");
        let replaced = names(&namespace.pods("web").await?);
        ensure!(first.is_disjoint(&replaced), "{first:?} {replaced:?}");
        namespace.until_says("web:http", "/version", r#""version": "6.9.2""#).await?;

        let mut broken = podinfo(1);
        broken["image"] = json!("registry.invalid/podinfo:none");
        namespace.apply("web", broken).await?;
        let failing = namespace
            .until("web", "the pull fails on the object", |_, status| {
                condition(status, "Ready").is_some_and(|ready| ready.reason == "ImagePullFailed")
            })
            .await?;
        let status = failing.status.unwrap();
        let ready = condition(&status, "Ready").unwrap();
        ensure!(ready.status == "True", "the former version goes on serving: {ready:?}");
        ensure!(
            ready.message.contains("container \"web\"")
                && ready.message.contains("registry.invalid/podinfo:none"),
            "{ready:?}"
        );
        ensure!(condition(&status, "Reconciling").is_some());
        ensure!(replaced.is_subset(&names(&namespace.pods("web").await?)));

        namespace.until_warned("web", "ImagePullFailed").await?;

        namespace.apply("web", podinfo(1)).await?;
        let mended = namespace.until_ready("web").await?;
        ensure!(condition(&mended.status.unwrap(), "Ready").unwrap().reason == "Available");
        Ok(())
    })
    .await
}

/// Pain 14, by the exit code and by the scheduler's words.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_crash_and_an_impossible_pod_are_named() -> Result<()> {
    in_namespace("crash", |namespace| async move {
        let mut crashing = podinfo(1);
        crashing["command"] = json!(["./podinfo", "--no-such-flag"]);
        namespace.apply("crashing", crashing).await?;
        let mut huge = podinfo(1);
        huge["resources"] = json!({"requests": {"memory": "900Ti"}});
        namespace.apply("huge", huge).await?;
        let mut unset = podinfo(1);
        unset["env"] =
            json!([{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "no-such-secret", "key": "key"}}}]);
        namespace.apply("unset", unset).await?;
        for (name, reason, part) in [
            ("crashing", "CrashLoop", "ended with exit code"),
            ("huge", "Unschedulable", "Insufficient memory"),
            ("unset", "ContainerConfigInvalid", "no-such-secret"),
        ] {
            let failing = namespace
                .until(name, &format!("{name} is {reason}"), |_, status| {
                    condition(status, "Ready").is_some_and(|ready| ready.reason == reason)
                })
                .await?;
            let status = failing.status.unwrap();
            let ready = condition(&status, "Ready").unwrap();
            ensure!(ready.status == "False" && ready.message.contains(part), "{ready:?}");
        }
        Ok(())
    })
    .await
}

/// Pain 28: nothing goes to zero unless somebody asks, and comes back at once.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn kubectl_scales_up_down_and_to_nothing() -> Result<()> {
    in_namespace("scale", |namespace| async move {
        namespace.apply("web", podinfo(1)).await?;
        namespace.until_ready("web").await?;
        for count in [3_usize, 0, 1] {
            kubectl(&["scale", "msvc/web", &format!("--replicas={count}"), "-n", &namespace.name], "")
                .await?;
            let scaled = namespace
                .until("web", &format!("{count} pods"), |object, status| {
                    object.spec.replicas == i32::try_from(count).ok()
                        && condition(status, "Reconciling").is_none()
                        && status.ready_replicas == i32::try_from(count).ok()
                })
                .await?;
            ensure!(scaled.status.unwrap().ready.as_deref() == Some(&*format!("{count}/{count}")));
            let left = &namespace;
            eventually("the pods", || async move {
                let pods = left.pods("web").await?;
                Ok(if pods.len() == count { Ok(()) } else { Err(names(&pods)) })
            })
            .await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_deleted_child_is_back_at_once_and_an_edited_one_is_put_right() -> Result<()> {
    in_namespace("children", |namespace| async move {
        namespace.apply("web", podinfo(1)).await?;
        namespace.until_ready("web").await?;

        let services: &Api<Service> = &namespace.api();
        let former = &services.get("web").await?.uid();
        services.delete("web", &DeleteParams::default()).await?;
        eventually("the Service is back", || async move {
            let found = services.get_opt("web").await?;
            Ok(found.filter(|service| service.uid() != *former).map(drop).ok_or("gone"))
        })
        .await?;

        let deployments: &Api<Deployment> = &namespace.api();
        let former = &deployments.get("web").await?.uid();
        deployments.delete("web", &DeleteParams::background()).await?;
        eventually("the Deployment is back", || async move {
            let found = deployments.get_opt("web").await?;
            Ok(found.filter(|deployment| deployment.uid() != *former).map(drop).ok_or("gone"))
        })
        .await?;
        namespace.until_ready("web").await?;

        kubectl(
            &["set", "image", "deployment/web", "web=registry.invalid/edited:1", "-n", &namespace.name],
            "",
        )
        .await?;
        eventually("the image is put right", || async move {
            let spec = deployments.get("web").await?.spec.context("spec")?;
            let image = spec.template.spec.context("pod")?.containers[0].image.clone();
            Ok(if image.as_deref() == Some(PODINFO) { Ok(()) } else { Err(image) })
        })
        .await?;
        namespace.until_ready("web").await?;
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn suspend_holds_and_resume_goes_on() -> Result<()> {
    in_namespace("suspend", |namespace| async move {
        namespace.apply("web", podinfo(1)).await?;
        namespace.until_ready("web").await?;
        kubectl(
            &[
                "patch",
                "msvc/web",
                "--type=merge",
                "-p",
                r#"{"spec":{"suspend":true,"replicas":2}}"#,
                "-n",
                &namespace.name,
            ],
            "",
        )
        .await?;
        let held =
            namespace.until("web", "Suspended", |_, status| condition(status, "Suspended").is_some()).await?;
        ensure!(held.status.unwrap().ready.as_deref() == Some("1/1"), "it goes on running as it is");
        kubectl(
            &[
                "patch",
                "msvc/web",
                "--type=merge",
                "-p",
                r#"{"spec":{"suspend":false}}"#,
                "-n",
                &namespace.name,
            ],
            "",
        )
        .await?;
        let resumed = namespace.until_ready("web").await?;
        ensure!(resumed.status.unwrap().ready.as_deref() == Some("2/2"));
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_deleted_service_takes_everything_with_it() -> Result<()> {
    in_namespace("delete", |namespace| async move {
        namespace.apply("web", podinfo(2)).await?;
        let ready = &namespace.until_ready("web").await?;
        namespace.api::<Microservice>().delete("web", &DeleteParams::background()).await?;
        let place = &namespace;
        eventually("everything is gone", || async move {
            let mut left = place.owned(ready).await?;
            left.extend(names(&place.api::<Pod>().list(&ListParams::default()).await?.items));
            Ok(if left.is_empty() { Ok(()) } else { Err(left) })
        })
        .await
    })
    .await
}
