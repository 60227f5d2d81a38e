//! What the tools of GitOps see: kstatus as Flux computes it, the health check of Argo CD, and no drift.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_e2e::{
    OPERATOR_NAMESPACE, PODINFO, TestNamespace, condition, eventually, in_namespace, kubectl, program,
    server_side_diff,
};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use kube::Api;
use serde_json::{Value, json};

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn podinfo(more: Value) -> Value {
    let mut spec = json!({
        "image": PODINFO,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "probes": {"readiness": {"http": {"path": "/readyz"}, "periodSeconds": 1}},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "lifecycle": {"drainSeconds": 1},
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// The health check as the document has it.
fn health_check() -> Result<String> {
    let document = std::fs::read_to_string(root().join("docs/gitops.md"))?;
    let (_, rest) = document.split_once("```lua\n").context("the document has the script")?;
    let (script, _) = rest.split_once("```").context("the script ends")?;
    let path = std::env::temp_dir().join(format!("flotilla-health-{}.lua", std::process::id()));
    std::fs::write(&path, script)?;
    Ok(path.to_str().context("a path of the file system")?.to_owned())
}

/// What kstatus and Argo CD call an object, in one word each.
async fn seen(object: &Value) -> Result<(String, String)> {
    let say = |arguments: Vec<String>, input: String| async move {
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        let ended = program("FLOTILLA_GITOPS", None, &arguments, &input).await?;
        ensure!(ended.code == Some(0), "{}", ended.stderr);
        anyhow::Ok(ended.stdout.split(':').next().unwrap_or_default().to_owned())
    };
    let kstatus = say(vec!["kstatus".to_owned()], object.to_string()).await?;
    let health = say(vec!["health".to_owned(), health_check()?], object.to_string()).await?;
    Ok((kstatus, health))
}

async fn now(namespace: &TestNamespace, name: &str) -> Result<Value> {
    let text = kubectl(&["get", "msvc", name, "-n", &namespace.name, "-o", "json"], "").await?;
    Ok(serde_json::from_str(&text)?)
}

async fn until_seen(namespace: &TestNamespace, name: &str, kstatus: &str, health: &str) -> Result<()> {
    eventually(&format!("{name} is {kstatus} and {health}"), || async {
        let object = now(namespace, name).await?;
        let found = seen(&object).await?;
        Ok(if found == (kstatus.to_owned(), health.to_owned()) { Ok(()) } else { Err((found, object)) })
    })
    .await
}

/// Pain 27, and kstatus at each stage of a service's life.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn every_stage_has_its_name_in_kstatus_and_in_argo_cd() -> Result<()> {
    in_namespace("gitops", |namespace| async move {
        // As a client creates it, nobody has seen it yet.
        let mut unseen = json!({"apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice",
            "metadata": {"name": "web", "generation": 1}, "spec": {"image": "app"}});
        ensure!(seen(&unseen).await?.1 == "Progressing");
        unseen["status"] = json!({"observedGeneration": 1, "conditions": []});
        unseen["metadata"]["generation"] = json!(2);
        ensure!(seen(&unseen).await? == ("InProgress".to_owned(), "Progressing".to_owned()));

        let slow = podinfo(json!({"probes": {"readiness": {"http": {"path": "/readyz"}, "initialDelaySeconds": 5, "periodSeconds": 1}}}));
        namespace.apply("web", slow).await?;
        until_seen(&namespace, "web", "InProgress", "Progressing").await?;
        until_seen(&namespace, "web", "Current", "Healthy").await?;

        let broken = podinfo(json!({"image": "registry.invalid/app:none", "rollout": {"progressDeadlineSeconds": 5}}));
        namespace.apply("web", broken).await?;
        namespace
            .until("web", "it is rolled back", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.reason == "RolledBack")
            })
            .await?;
        until_seen(&namespace, "web", "Failed", "Degraded").await?;
        namespace.apply("web", podinfo(json!({"suspend": true}))).await?;
        until_seen(&namespace, "web", "Current", "Suspended").await
    })
    .await
}

/// Pain 7: what was applied stays as it was applied.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_server_side_diff_is_empty_also_while_an_autoscaler_works() -> Result<()> {
    in_namespace("diff", |namespace| async move {
        let scaled = podinfo(json!({"autoscaling": {"min": 2, "max": 3, "memory": 1},
            "routes": [{"name": "public", "hostnames": ["diff.example.com"], "parentRefs": [{"name": "edge"}]}]}));
        let object = json!({"apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice",
            "metadata": {"name": "web", "namespace": namespace.name}, "spec": scaled})
        .to_string();
        let manager = "argocd-controller";
        let field_manager = format!("--field-manager={manager}");
        kubectl(&["apply", "--server-side", &field_manager, "-f", "-"], &object).await?;
        let autoscalers: &Api<HorizontalPodAutoscaler> = &namespace.api();
        eventually("the autoscaler has added a pod", || async move {
            let found = autoscalers.get_opt("web").await?.and_then(|found| found.status);
            let pods = found.as_ref().and_then(|status| status.current_replicas);
            Ok(if pods == Some(3) { Ok(()) } else { Err(found) })
        })
        .await?;
        // A status that is written between the two halves of a diff would be in it.
        namespace
            .until("web", "the added pod is ready", |_, status| {
                status.ready.as_deref() == Some("3/3") && condition(status, "Reconciling").is_none()
            })
            .await?;
        let diff = server_side_diff(manager, &[], &object).await?;
        ensure!(diff.is_empty(), "{diff}");
        // What is in Git has no word of the number of pods, and none comes in.
        let live: Microservice = namespace.api().get("web").await?;
        ensure!(live.spec.replicas.is_none());
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn the_rendered_chart_has_no_drift() -> Result<()> {
    chart_has_no_drift().await
}

/// The chart as it is rendered is the chart as it is installed.
pub(crate) async fn chart_has_no_drift() -> Result<()> {
    let chart = root().join("charts/flotilla");
    let chart = chart.to_str().context("a path of the file system")?;
    let arguments =
        ["template", "flotilla", chart, "--namespace", OPERATOR_NAMESPACE, "--kube-version", "1.37.0"];
    let rendered = program("HELM", Some("helm"), &arguments, "").await?;
    ensure!(rendered.code == Some(0), "{}", rendered.stderr);
    let diff = server_side_diff("argocd-controller", &["--force-conflicts"], &rendered.stdout).await?;
    let changed: Vec<_> =
        diff.lines().filter(|line| line.starts_with(['+', '-']) && !is_header(line)).collect();
    ensure!(changed.is_empty(), "{diff}");
    Ok(())
}

fn is_header(line: &str) -> bool {
    line.starts_with("+++") || line.starts_with("---")
}
