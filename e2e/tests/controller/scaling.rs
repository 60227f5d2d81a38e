//! Who says how many pods run: the operator, an autoscaler, and one after the other.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flotilla_e2e::{PODINFO, TestNamespace, eventually, in_namespace, kubectl};
use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::{
    apps::v1::Deployment, autoscaling::v2::HorizontalPodAutoscaler, core::v1::Pod,
    policy::v1::PodDisruptionBudget,
};
use kube::{
    Api, ResourceExt,
    api::EvictParams,
    runtime::{WatchStreamExt, watcher},
};
use serde_json::{Value, json};
use tokio::{sync::mpsc::UnboundedReceiver, time::timeout};

use crate::support::TestOperator;

/// Pods of this image never start, which does not matter to any count.
fn service(scale: Value) -> Value {
    let mut spec = json!({"image": "registry.invalid/orders:1"});
    spec.as_object_mut().unwrap().extend(scale.as_object().unwrap().clone());
    spec
}

async fn until_replicas(namespace: &TestNamespace, count: i32, autoscaled: bool) -> Result<()> {
    let (deployments, autoscalers): (Api<Deployment>, Api<HorizontalPodAutoscaler>) =
        (namespace.api(), namespace.api());
    let (deployments, autoscalers) = (&deployments, &autoscalers);
    eventually(&format!("{count} replicas"), || async move {
        let live = deployments.get_opt("web").await?.and_then(|live| live.spec?.replicas);
        let has_autoscaler = autoscalers.get_opt("web").await?.is_some();
        let seen = (live, has_autoscaler);
        Ok(if seen == (Some(count), autoscaled) { Ok(()) } else { Err(seen) })
    })
    .await
}

/// Scales as the autoscaler does: through `/scale`.
async fn scale(namespace: &TestNamespace, count: i32) -> Result<()> {
    let count = format!("--replicas={count}");
    kubectl(&["scale", "deployment/web", &count, "-n", &namespace.name], "").await.map(drop)
}

/// The next state that a watch tells, which may be late.
async fn next(states: &mut UnboundedReceiver<Option<i32>>) -> Result<i32> {
    let told = timeout(Duration::from_secs(60), states.recv()).await.context("no state is told")?;
    Ok(told.context("the watch has ended")?.unwrap_or_default())
}

/// Pain 8: no hand-over of `replicas` ever takes a pod away (kubernetes#67135).
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn an_autoscaler_comes_and_goes_without_a_dip() -> Result<()> {
    in_namespace("handover", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("web", service(json!({"replicas": 4}))).await?;
        until_replicas(&namespace, 4, false).await?;

        // Every state that the Deployment ever has from here on.
        let watched = watcher(namespace.api::<Deployment>(), watcher::Config::default());
        let (seen, mut states) = tokio::sync::mpsc::unbounded_channel();
        let watch = tokio::spawn(async move {
            let mut objects = watched.applied_objects().boxed();
            while let Some(live) = objects.try_next().await.unwrap() {
                seen.send(live.spec.unwrap().replicas).unwrap();
            }
        });

        let mut all = vec![next(&mut states).await?];

        let autoscaling = json!({"min": 4, "max": 9});
        namespace.apply("web", service(json!({"autoscaling": autoscaling}))).await?;
        until_replicas(&namespace, 4, true).await?;
        scale(&namespace, 7).await?;
        until_replicas(&namespace, 7, true).await?;
        // The operator does not fight: it looks at the change and leaves it.
        tokio::time::sleep(Duration::from_secs(1)).await;
        until_replicas(&namespace, 7, true).await?;
        namespace.apply("web", service(json!({}))).await?;
        until_replicas(&namespace, 7, false).await?;
        namespace.apply("web", service(json!({"autoscaling": autoscaling}))).await?;
        until_replicas(&namespace, 7, true).await?;
        namespace.apply("web", service(json!({"replicas": 8}))).await?;
        until_replicas(&namespace, 8, false).await?;
        namespace.apply("web", service(json!({}))).await?;
        until_replicas(&namespace, 1, false).await?;

        while all.last() != Some(&1) {
            all.push(next(&mut states).await?);
        }
        watch.abort();
        all.dedup();
        ensure!(all == [4, 7, 8, 1], "{all:?}");
        operator.stop().await
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn an_autoscaler_starts_with_its_minimum() -> Result<()> {
    in_namespace("minimum", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("web", service(json!({"autoscaling": {"min": 3, "max": 5}}))).await?;
        until_replicas(&namespace, 3, true).await?;
        let owner = |live: &Deployment| {
            let mut managers = live.metadata.managed_fields.iter().flatten();
            managers
                .find(|entry| {
                    let fields = entry.fields_v1.as_ref().map(|fields| &fields.0);
                    fields.is_some_and(|fields| fields.pointer("/f:spec/f:replicas").is_some())
                })
                .and_then(|entry| entry.manager.clone())
        };
        let deployments: &Api<Deployment> = &namespace.api();
        eventually("the operator lets go of replicas", || async move {
            let manager = owner(&deployments.get("web").await?);
            Ok(if manager.as_deref() == Some("flotilla-replicas") { Ok(()) } else { Err(manager) })
        })
        .await?;
        operator.stop().await
    })
    .await
}

/// Pains 5 and 6: a budget for every service, and none that blocks a drain.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_budget_is_there_from_two_pods_on() -> Result<()> {
    in_namespace("budget", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        let budgets: &Api<PodDisruptionBudget> = &namespace.api();
        for (scale, wanted) in [
            (json!({"replicas": 1}), None),
            (json!({"replicas": 2}), Some(json!(1))),
            (json!({"replicas": 4, "disruption": {"maxUnavailable": "50%"}}), Some(json!("50%"))),
            (json!({"replicas": 4, "disruption": {"disabled": true}}), None),
            (json!({"autoscaling": {"min": 2, "max": 4}}), Some(json!(1))),
            (json!({"autoscaling": {"min": 1, "max": 4}}), None),
        ] {
            namespace.apply("web", service(scale.clone())).await?;
            let wanted = &wanted;
            eventually(&format!("the budget of {scale}"), || async move {
                let found = budgets.get_opt("web").await?.and_then(|budget| budget.spec);
                let seen = found.map(|spec| {
                    assert_eq!(spec.unhealthy_pod_eviction_policy.as_deref(), Some("AlwaysAllow"));
                    serde_json::to_value(spec.max_unavailable).unwrap()
                });
                Ok(if seen == *wanted { Ok(()) } else { Err(seen) })
            })
            .await?;
        }
        operator.stop().await
    })
    .await
}

/// Evicts every pod of a service, one after the other, as a drain does; a refusal is tried again.
async fn drain(namespace: &TestNamespace) -> Result<()> {
    let pods: &Api<Pod> = &namespace.api();
    for pod in namespace.pods("web").await? {
        let name = &pod.name_any();
        eventually(&format!("pod {name} is evicted"), || async move {
            match pods.evict(name, &EvictParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 429 => Ok(Err(status.message)),
                answer => Ok(Ok(answer.map(drop)?)),
            }
        })
        .await?;
    }
    Ok(())
}

/// Pain 6, by the eviction API: what `kubectl drain` asks for.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_drain_gets_through_with_one_pod_with_two_and_with_broken_ones() -> Result<()> {
    in_namespace("drain", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        let runs = json!({"image": PODINFO, "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
            "lifecycle": {"drainSeconds": 0, "terminationGracePeriodSeconds": 1}});
        for (count, is_good) in [(1, true), (2, true), (2, false)] {
            let mut spec = service(if is_good { runs.clone() } else { json!({}) });
            spec["replicas"] = json!(count);
            namespace.apply("web", spec).await?;
            if is_good {
                namespace.until_ready("web").await?;
            } else {
                namespace
                    .until("web", "the image cannot be pulled", |_, status| {
                        status.problems.iter().any(|found| found.reason == "ImagePullFailed")
                    })
                    .await?;
            }
            drain(&namespace).await?;
        }
        operator.stop().await
    })
    .await
}
