//! What a service uses and what is wrong with it, as its status lists both.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flotilla_crds::v1alpha1::{Microservice, MicroserviceStatus, Problem, Severity, UseState};
use flotilla_e2e::{AuditLog, PODINFO, TestNamespace, in_namespace, stays};
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

use crate::support::TestOperator;

fn service(more: Value) -> Value {
    let mut spec = json!({"image": "registry.invalid/orders:1", "replicas": 0,
        "ports": [{"name": "http", "port": 8080, "protocol": "HTTP"}]});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// What is used of a kind, and how that is.
fn state(status: &MicroserviceStatus, kind: &str, name: &str) -> Option<UseState> {
    let found = status.uses.iter().find(|used| used.kind == kind && used.name == name);
    found.map(|used| used.state)
}

fn problem<'s>(status: &'s MicroserviceStatus, kind: &str, name: &str) -> Option<&'s Problem> {
    status.problems.iter().find(|problem| {
        problem.object.as_ref().is_some_and(|object| object.kind == kind && object.name == name)
    })
}

async fn create_secret(namespace: &TestNamespace, name: &str) -> Result<()> {
    let secret =
        serde_json::from_value(json!({"metadata": {"name": name}, "stringData": {"password": "x"}}))?;
    namespace.api::<Secret>().create(&PostParams::default(), &secret).await?;
    Ok(())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_secret_of_a_binding_that_is_missing_is_named_until_it_is_there() -> Result<()> {
    in_namespace("uses", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        let bindings = json!({"bindings": [{"name": "smtp", "secretRef": {"name": "smtp-creds"}}]});
        namespace.apply("orders", service(bindings)).await?;
        let is_missing = |_: &Microservice, status: &MicroserviceStatus| {
            state(status, "Secret", "smtp-creds") == Some(UseState::Missing)
                && problem(status, "Secret", "smtp-creds").is_some()
        };
        let lacking = namespace.until("orders", "the Secret is missing", is_missing).await?;
        let status = lacking.status.unwrap();
        let found = problem(&status, "Secret", "smtp-creds").unwrap();
        ensure!(found.field.as_deref() == Some("spec.bindings[smtp]"), "{found:?}");
        ensure!((&*found.reason, found.severity) == ("NotFound", Severity::Warning), "{found:?}");
        ensure!(status.uses[0].message.as_ref() == Some(&found.message), "{:?}", status.uses);
        ensure!(status.problems.len() == 1, "{:?}", status.problems);

        let is_there = |_: &Microservice, status: &MicroserviceStatus| {
            state(status, "Secret", "smtp-creds") == Some(UseState::Ready) && status.problems.is_empty()
        };
        create_secret(&namespace, "smtp-creds").await?;
        namespace.until("orders", "the Secret is there", is_there).await?;
        namespace.api::<Secret>().delete("smtp-creds", &DeleteParams::default()).await?;
        namespace.until("orders", "the Secret is missing again", is_missing).await?;
        // Also when its change replaces no pods.
        let bindings = json!({"bindings": [{"name": "smtp", "secretRef": {"name": "smtp-creds"}}],
            "config": {"reload": "None"}});
        namespace.apply("orders", service(bindings)).await?;
        namespace
            .until("orders", "the Secret is missing for a service that does not reload", is_missing)
            .await?;
        create_secret(&namespace, "smtp-creds").await?;
        namespace.until("orders", "the Secret is there for it too", is_there).await?;
        operator.stop().await
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn whoever_is_called_and_is_not_there_is_named_until_they_are() -> Result<()> {
    in_namespace("called", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        let calls = json!({"dependsOn": [{"name": "payments"},
            {"name": "stripe", "external": {"host": "api.stripe.com", "port": 443}}]});
        namespace.apply("orders", service(calls)).await?;
        let lacking = namespace
            .until("orders", "payments is missing", |_, status| {
                state(status, "Microservice", "payments") == Some(UseState::Missing)
                    && problem(status, "Microservice", "payments").is_some()
            })
            .await?;
        let status = lacking.status.unwrap();
        ensure!(state(&status, "Host", "api.stripe.com") == Some(UseState::Unknown), "{:?}", status.uses);
        let found = problem(&status, "Microservice", "payments").unwrap();
        ensure!(found.reason == "NotFound" && found.field.as_deref() == Some("spec.dependsOn[payments]"));
        ensure!(status.problems.len() == 1, "{:?}", status.problems);

        namespace.apply("payments", service(json!({}))).await?;
        let served = namespace
            .until("orders", "payments is there", |_, status| {
                state(status, "Microservice", "payments") == Some(UseState::Ready)
                    && status.problems.is_empty()
            })
            .await?;
        let url = format!("http://payments.{}.svc:8080", namespace.name);
        ensure!(served.status.unwrap().uses[0].url.as_ref() == Some(&url));
        namespace.api::<Microservice>().delete("payments", &DeleteParams::default()).await?;
        let gone = namespace
            .until("orders", "payments is gone", |_, status| {
                state(status, "Microservice", "payments") == Some(UseState::Missing)
            })
            .await?;
        ensure!(gone.status.unwrap().uses[0].url.as_ref() == Some(&url), "its last address is kept");
        operator.stop().await
    })
    .await
}

/// Pain 14, for programs: the container is a field, and the wording of the kubelet does not move the status.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_pod_s_error_has_the_name_of_its_container_and_a_time_that_stays() -> Result<()> {
    in_namespace("pods", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("unpulled", service(json!({"replicas": 1}))).await?;
        let runs = |command: Value| service(json!({"image": PODINFO, "replicas": 1, "command": command}));
        namespace.apply("crashing", runs(json!(["./podinfo", "--no-such-flag"]))).await?;
        namespace.apply("unstarted", runs(json!(["/no-such-program"]))).await?;
        let expected = [
            ("unpulled", "ImagePullFailed"),
            ("crashing", "CrashLoop"),
            ("unstarted", "ContainerCannotStart"),
        ];
        for (name, reason) in expected {
            let failing = namespace
                .until(name, reason, |_, status| {
                    problem(status, "Deployment", name).is_some_and(|found| found.reason == reason)
                })
                .await?;
            let status = failing.status.unwrap();
            let found = problem(&status, "Deployment", name).unwrap().clone();
            ensure!(found.container.as_deref() == Some(name), "{found:?}");
            ensure!(found.severity == Severity::Error, "{found:?}");
            ensure!(status.problems == [found.clone()], "{:?}", status.problems);
            let ready = flotilla_e2e::condition(&status, "Ready").context("Ready")?;
            ensure!(ready.message.contains(&found.message), "the same words: {} {}", ready.message, found.message);
        }
        // The kubelet backs off and tries again meanwhile.
        let services: &Api<Microservice> = &namespace.api();
        let mut before = Vec::new();
        for (name, _) in expected {
            before.push(services.get(name).await?.status.unwrap().problems);
        }
        let before = &before;
        stays(Duration::from_secs(30), || async move {
            for ((name, _), before) in expected.iter().zip(before) {
                let now = services.get(name).await?.status.unwrap().problems;
                ensure!(now == *before, "{now:#?} is not {before:#?}");
            }
            Ok(())
        })
        .await?;
        for (name, _) in expected {
            let good = json!({"image": PODINFO, "replicas": 1, "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}]});
            namespace.apply(name, good).await?;
            let well = namespace.until_ready(name).await?;
            ensure!(well.status.as_ref().unwrap().problems.is_empty(), "{:#?}", well.status);
        }
        operator.stop().await
    })
    .await
}

/// A pod that waits for a Secret says so, and the Secret is the one problem that there is.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_pod_without_its_secret_is_one_problem() -> Result<()> {
    in_namespace("one", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        let spec = json!({"image": PODINFO, "replicas": 1,
            "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
            "bindings": [{"name": "smtp", "secretRef": {"name": "smtp-creds"}}]});
        namespace.apply("orders", spec).await?;
        let failing = namespace
            .until("orders", "the pod waits for its Secret", |_, status| {
                flotilla_e2e::condition(status, "Ready")
                    .is_some_and(|ready| ready.reason == "ContainerConfigInvalid")
            })
            .await?;
        let status = failing.status.unwrap();
        let [found] = &status.problems[..] else { anyhow::bail!("{:?}", status.problems) };
        ensure!((&*found.reason, found.severity) == ("NotFound", Severity::Error), "{found:?}");
        create_secret(&namespace, "smtp-creds").await?;
        let well = namespace.until_ready("orders").await?;
        ensure!(well.status.unwrap().problems.is_empty());
        operator.stop().await
    })
    .await
}

/// Times move when something flips, so whoever looks again writes nothing.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_converged_service_with_problems_is_not_written_again() -> Result<()> {
    in_namespace("quiet", |namespace| async move {
        let audit = AuditLog::from_environment()?;
        let operator = TestOperator::start(&namespace, &[]).await?;
        let lacking = json!({"bindings": [{"name": "smtp", "secretRef": {"name": "smtp-creds"}}],
            "dependsOn": [{"name": "payments"}]});
        namespace.apply("orders", service(lacking)).await?;
        namespace
            .until("orders", "both are missing", |_, status| {
                status.problems.len() == 2 && flotilla_e2e::condition(status, "Reconciling").is_none()
            })
            .await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let before: Microservice = namespace.api().get("orders").await?;
        let mark = &format!("/namespaces/{}/", namespace.name);
        let position = audit.position()?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        operator.stop().await?;
        let operator = TestOperator::start(&namespace, &[]).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        // What has nothing to do with it is no news, and what has only brings it to the same end.
        create_secret(&namespace, "other").await?;
        let _: Microservice =
            namespace.edit("orders", json!({"metadata": {"annotations": {"team": "payments"}}})).await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let requests = audit.since(position, "flotilla-operator/")?;
        let mine: Vec<_> = requests.iter().filter(|request| request.request_uri.contains(mark)).collect();
        ensure!(mine.iter().any(|request| request.verb == "list"), "the restart is in the log: {mine:#?}");
        let writes: Vec<_> = mine.iter().filter(|request| request.is_write()).collect();
        ensure!(writes.is_empty(), "a converged operator wrote: {writes:#?}");
        let after: Microservice = namespace.api().get("orders").await?;
        ensure!(after.status == before.status, "{:#?} is not {:#?}", after.status, before.status);
        operator.stop().await
    })
    .await
}
