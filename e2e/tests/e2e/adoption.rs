//! A Deployment and a Service that somebody else made become those of a `Microservice`, and no pod notices.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use flotilla_e2e::{PODINFO, condition, eventually, in_namespace, kubectl};
use k8s_openapi::api::core::v1::{Pod, Service};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;

fn theirs() -> String {
    let pod = json!({
        "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [{
            "name": "main",
            "image": PODINFO,
            "env": [{"name": "FORMER", "value": "yes"}],
            "ports": [{"containerPort": 9898}],
            "readinessProbe": {"httpGet": {"path": "/readyz", "port": 9898}, "periodSeconds": 1},
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
        }],
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": pod}},
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"},
        "spec": {"selector": {"app": "web"}, "ports": [{"name": "old", "port": 80, "targetPort": 9898}, {"name": "http", "port": 9898}]},
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [deployment, service]}).to_string()
}

/// Pain 10: taking over what runs costs nobody a request.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn what_others_made_is_taken_over_without_a_restart() -> Result<()> {
    in_namespace("adopt", |namespace| async move {
        let place = &namespace.name;
        let run = |arguments: Vec<&'static str>, input: String| async move {
            kubectl(&[arguments.as_slice(), &["-n", place]].concat(), &input).await
        };
        run(vec!["apply", "-f", "-"], theirs()).await?;
        run(vec!["rollout", "status", "deployment/web", "--timeout=120s"], String::new()).await?;
        let pods: &Api<Pod> = &namespace.api();
        let uids = || async {
            let list = pods.list(&ListParams::default().labels("app=web")).await?;
            let living = list.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
            anyhow::Ok(living.filter_map(|pod| pod.uid()).collect::<BTreeSet<_>>())
        };
        let before = uids().await?;
        ensure!(before.len() == 2);

        let mut spec = json!({
            "image": PODINFO,
            "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
            "probes": {"readiness": {"http": {"path": "/readyz"}, "periodSeconds": 1}},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "lifecycle": {"drainSeconds": 1},
        });
        namespace.apply("web", spec.clone()).await?;
        let refused = namespace
            .until("web", "it is refused", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.reason == "ForeignObject")
            })
            .await?;
        let said = condition(&refused.status.unwrap(), "Stalled").unwrap().message.clone();
        ensure!(said.contains("flotilla.dev/adopt"), "the message says how: {said}");

        run(vec!["annotate", "deployment/web", "service/web", "flotilla.dev/adopt=web"], String::new())
            .await?;
        let ready = namespace.until_ready("web").await?;
        ensure!(uids().await? == before, "pods were replaced");
        let status = ready.status.unwrap();
        ensure!(
            status.ready.as_deref() == Some("2/2") && status.selector.as_deref() == Some("app=web"),
            "{status:?}"
        );
        let owned = namespace.owned(&namespace.api().get("web").await?).await?;
        ensure!(
            owned.contains(&"Deployment/web".to_owned()) && owned.contains(&"Service/web".to_owned()),
            "{owned:?}"
        );
        namespace.until_says("web:http", "/version", "6.9.2").await?;

        // The next version is ours, and nothing of theirs is left in it.
        spec["env"] = json!([{"name": "OURS", "value": "yes"}]);
        namespace.apply("web", spec).await?;
        eventually("the pods are replaced", || async {
            let now = uids().await?;
            Ok(if now.is_disjoint(&before) && now.len() == 2 { Ok(()) } else { Err(now) })
        })
        .await?;
        namespace.until_ready("web").await?;
        let pod = namespace.deployment("web").await?.spec.context("spec")?.template.spec.context("pod")?;
        let env: Vec<_> = pod
            .containers
            .iter()
            .flat_map(|container| container.env.iter().flatten())
            .map(|variable| &variable.name)
            .collect();
        ensure!(pod.containers.len() == 1 && env == ["OURS"], "{:?} {env:?}", pod.containers);
        let services: Api<Service> = namespace.api();
        let ports = services.get("web").await?.spec.context("spec")?.ports.unwrap_or_default();
        ensure!(ports.len() == 1, "{ports:?}");
        namespace.until_says("web:http", "/version", "6.9.2").await?;
        Ok(())
    })
    .await
}
