//! The cluster becomes what `spec` says, stays so, and is left alone.

use std::time::Duration;

use anyhow::{Result, ensure};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_e2e::{AuditLog, eventually, in_namespace};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Service, ServiceAccount},
};
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::{Value, json};

use crate::support::TestOperator;

/// Milliseconds that the killed operators live.
const LIVES: [u64; 6] = [40, 60, 80, 100, 150, 200];

fn service() -> Value {
    json!({"image": "registry.example.com/orders:1", "replicas": 0, "ports": [{"name": "http", "port": 8080, "protocol": "HTTP"}]})
}

/// The kinds of objects that are written as `Kind/name`.
fn kinds(objects: &[String]) -> Vec<&str> {
    objects.iter().filter_map(|object| object.split('/').next()).collect()
}

/// Pain 20: what is no longer wanted goes, and nothing else.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_service_gets_its_objects_and_loses_what_it_no_longer_wants() -> Result<()> {
    in_namespace("objects", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("orders", service()).await?;
        let ready = namespace.until_ready("orders").await?;
        ensure!(
            kinds(&namespace.owned(&ready).await?)
                == ["Deployment", "MicroserviceRevision", "NetworkPolicy", "Service", "ServiceAccount"],
            "{:?}",
            namespace.owned(&ready).await?
        );
        let status = ready.status.unwrap();
        ensure!(status.url.as_deref() == Some(&*format!("http://orders.{}.svc:8080", namespace.name)));
        ensure!(status.selector.as_deref() == Some("flotilla.dev/microservice=orders"));
        ensure!(status.inventory.len() == 5, "{:?}", status.inventory);

        namespace.apply("orders", json!({"image": "registry.example.com/orders:1", "replicas": 0})).await?;
        let worker = namespace
            .until("orders", "the Service is pruned", |_, status| {
                status.inventory.iter().all(|entry| entry.kind != "Service")
            })
            .await?;
        let left = namespace.owned(&worker).await?;
        // Without ports there is another template, and so another revision; the first one is kept.
        ensure!(
            kinds(&left)
                == [
                    "Deployment",
                    "MicroserviceRevision",
                    "MicroserviceRevision",
                    "NetworkPolicy",
                    "ServiceAccount"
                ],
            "{left:?}"
        );
        operator.stop().await
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_deleted_child_comes_back_and_an_edited_one_is_put_right() -> Result<()> {
    in_namespace("drift", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("orders", service()).await?;
        namespace.until_ready("orders").await?;

        let services: Api<Service> = namespace.api();
        let former = services.get("orders").await?.uid();
        services.delete("orders", &DeleteParams::default()).await?;
        let (services, former) = (&services, &former);
        eventually("the Service is back", || async move {
            let found = services.get_opt("orders").await?;
            Ok(found.filter(|service| service.uid() != *former).ok_or("gone"))
        })
        .await?;

        let _: Deployment = namespace
            .edit(
                "orders",
                json!({"spec": {"template": {"spec": {"enableServiceLinks": true}}, "paused": true}}),
            )
            .await?;
        let deployments: &Api<Deployment> = &namespace.api();
        let spec = eventually("the Deployment is repaired", || async move {
            let spec = serde_json::to_value(deployments.get("orders").await?.spec)?;
            Ok(if spec["template"]["spec"]["enableServiceLinks"] == false {
                Ok(spec)
            } else {
                Err("as it was edited")
            })
        })
        .await?;
        // What the operator does not want either way belongs to whoever set it.
        ensure!(spec["paused"] == true);

        let labels: ServiceAccount = namespace
            .edit(
                "orders",
                json!({"metadata": {"labels": {"flotilla.dev/microservice": null, "team": "payments"}}}),
            )
            .await?;
        ensure!(!labels.labels().contains_key("flotilla.dev/microservice"));
        let accounts: &Api<ServiceAccount> = &namespace.api();
        let account = eventually("the label is back", || async move {
            let found = accounts.get("orders").await?;
            Ok(if found.labels().contains_key("flotilla.dev/microservice") {
                Ok(found)
            } else {
                Err(found.metadata)
            })
        })
        .await?;
        ensure!(account.labels()["team"] == "payments", "labels of others are left alone");
        operator.stop().await
    })
    .await
}

/// Whoever compares carelessly writes for ever. What the API server itself recorded counts.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_converged_cluster_sees_no_request_and_a_restart_no_write() -> Result<()> {
    in_namespace("steady", |namespace| async move {
        let audit = AuditLog::from_environment()?;
        let mark = &format!("/namespaces/{}/", namespace.name);
        let operator = TestOperator::start(&namespace, &[]).await?;
        for index in 0..5 {
            let mut spec = service();
            spec["env"] = json!([{"name": "EMPTY", "value": ""}, {"name": "ZERO", "value": "0"}]);
            spec["resources"] = json!({"requests": {"cpu": "0.5", "memory": "1024Mi"}});
            spec["probes"] = json!({"readiness": {"http": {}, "initialDelaySeconds": 0}});
            namespace.apply(&format!("orders-{index}"), spec).await?;
        }
        for index in 0..5 {
            namespace.until_ready(&format!("orders-{index}")).await?;
        }
        tokio::time::sleep(Duration::from_secs(2)).await;

        let agent = "flotilla-operator/";
        let position = audit.position()?;
        tokio::time::sleep(Duration::from_secs(10)).await;
        let steady: Vec<_> = audit.since(position, agent)?;
        let steady: Vec<_> = steady
            .iter()
            .filter(|request| request.request_uri.contains(mark) && request.verb != "watch")
            .collect();
        ensure!(steady.is_empty(), "a converged operator asked: {steady:#?}");

        operator.stop().await?;
        let position = audit.position()?;
        let operator = TestOperator::start(&namespace, &[]).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let requests = audit.since(position, agent)?;
        let mine: Vec<_> = requests.iter().filter(|request| request.request_uri.contains(mark)).collect();
        ensure!(mine.iter().any(|request| request.verb == "list"), "the restart is in the log: {mine:#?}");
        let writes: Vec<_> = mine.iter().filter(|request| request.is_write()).collect();
        ensure!(writes.is_empty(), "a restarted operator wrote: {writes:#?}");
        operator.stop().await
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn each_object_is_written_once() -> Result<()> {
    in_namespace("once", |namespace| async move {
        let audit = AuditLog::from_environment()?;
        let position = audit.position()?;
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("orders", service()).await?;
        namespace.until_ready("orders").await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        for plural in ["serviceaccounts", "services", "deployments"] {
            let path = format!("/namespaces/{}/{plural}/orders", namespace.name);
            let writes: Vec<_> = audit
                .since(position, "flotilla-operator/")?
                .into_iter()
                .filter(|request| request.is_write() && request.request_uri.contains(&path))
                .collect();
            ensure!(writes.len() == 1, "{plural}: {writes:#?}");
        }
        operator.stop().await
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_suspended_service_is_left_as_it_is() -> Result<()> {
    in_namespace("suspend", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("orders", service()).await?;
        namespace.until_ready("orders").await?;

        let mut suspended = service();
        suspended["suspend"] = json!(true);
        suspended["image"] = json!("registry.example.com/orders:2");
        namespace.apply("orders", suspended).await?;
        namespace
            .until("orders", "Suspended", |_, status| flotilla_e2e::condition(status, "Suspended").is_some())
            .await?;
        let services: Api<Service> = namespace.api();
        services.delete("orders", &DeleteParams::default()).await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        ensure!(services.get_opt("orders").await?.is_none(), "a suspended operator repairs nothing");
        let image = |deployment: Deployment| {
            deployment.spec.unwrap().template.spec.unwrap().containers[0].image.clone().unwrap()
        };
        ensure!(image(namespace.deployment("orders").await?) == "registry.example.com/orders:1");

        let mut resumed = service();
        resumed["image"] = json!("registry.example.com/orders:2");
        namespace.apply("orders", resumed).await?;
        let done = namespace.until_ready("orders").await?;
        ensure!(flotilla_e2e::condition(&done.status.unwrap(), "Suspended").is_none());
        ensure!(image(namespace.deployment("orders").await?) == "registry.example.com/orders:2");
        ensure!(services.get_opt("orders").await?.is_some());
        operator.stop().await
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_killed_operator_leaves_nothing_undone_and_nothing_twice() -> Result<()> {
    in_namespace("kill", |namespace| async move {
        let audit = AuditLog::from_environment()?;
        let position = audit.position()?;
        let names: Vec<_> = (0..20).map(|index| format!("orders-{index}")).collect();
        for name in &names {
            namespace.apply(name, service()).await?;
        }
        // Each is killed a little later than the one before: in the middle of another write.
        for life in LIVES {
            let operator = TestOperator::start(&namespace, &[]).await?;
            tokio::time::sleep(Duration::from_millis(life)).await;
            operator.kill();
        }
        let operator = TestOperator::start(&namespace, &[]).await?;
        for name in &names {
            let ready = namespace.until_ready(name).await?;
            ensure!(namespace.owned(&ready).await?.len() == 5);
        }
        operator.stop().await?;
        let requests = audit.since(position, "flotilla-operator/")?;
        for name in &names {
            for plural in ["serviceaccounts", "services", "deployments"] {
                let path = format!("/namespaces/{}/{plural}/{name}?", namespace.name);
                let writes = requests
                    .iter()
                    .filter(|request| request.is_write() && request.request_uri.contains(&path));
                let codes: Vec<_> = writes.map(flotilla_e2e::Request::code).collect();
                let created = codes.iter().filter(|code| **code == 201).count();
                // A write whose answer a killed operator did not wait for is recorded as 504, whether it happened or
                // not, and may be tried once more by its successor.
                ensure!(
                    created <= 1 && (1..=LIVES.len()).contains(&codes.len()),
                    "{plural}/{name}: {codes:?}"
                );
            }
            let deployment = namespace.deployment(name).await?;
            ensure!(deployment.metadata.generation == Some(1), "{name} was changed after it was made");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_new_object_counts_as_in_progress_before_anything_is_made() -> Result<()> {
    in_namespace("kstatus", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("orders", json!({"image": "registry.example.com/orders:1"})).await?;
        let progressing = namespace
            .until("orders", "a status", |_, status| flotilla_e2e::condition(status, "Reconciling").is_some())
            .await?;
        let status = progressing.status.unwrap();
        let ready = flotilla_e2e::condition(&status, "Ready").unwrap();
        ensure!(ready.status != "True" && ready.observed_generation == Some(1), "{ready:?}");
        operator.stop().await
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn what_the_api_server_refuses_is_on_the_object() -> Result<()> {
    in_namespace("refused", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        let spec = json!({"image": "app:1", "resources": {"requests": {"example.com/gpu": "1"}, "limits": {"bad name": "1"}}});
        namespace.apply("orders", spec).await?;
        let stalled = namespace
            .until("orders", "Stalled", |_, status| flotilla_e2e::condition(status, "Stalled").is_some())
            .await?;
        let status = stalled.status.unwrap();
        let ready = flotilla_e2e::condition(&status, "Ready").unwrap();
        ensure!(ready.reason == "Refused" && ready.message.contains("bad name"), "{ready:?}");
        namespace.apply("orders", json!({"image": "app:1", "replicas": 0})).await?;
        namespace.until_ready("orders").await?;
        operator.stop().await
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_deleted_service_takes_everything_with_it() -> Result<()> {
    in_namespace("delete", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("orders", service()).await?;
        let ready = &namespace.until_ready("orders").await?;
        let api: Api<Microservice> = namespace.api();
        api.delete("orders", &DeleteParams::background()).await?;
        let place = &namespace;
        eventually("everything is gone", || async move {
            let left = place.owned(ready).await?;
            Ok(if left.is_empty() { Ok(()) } else { Err(left) })
        })
        .await?;
        operator.stop().await
    })
    .await
}
