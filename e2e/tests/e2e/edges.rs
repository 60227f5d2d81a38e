//! `dependsOn` and `network`: who gets through to whom, on a cluster that enforces NetworkPolicy.

use anyhow::{Context, Result, ensure};
use flotilla_crds::v1alpha1::{DependencyState, Microservice};
use flotilla_e2e::{PODINFO, TestNamespace, condition, eventually, in_namespace};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Api, api::DeleteParams};
use serde_json::{Value, json};

fn server(network: Value) -> Value {
    json!({
        "image": PODINFO,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "lifecycle": {"drainSeconds": 1},
        "network": network,
    })
}

fn client(dependencies: Value) -> Value {
    json!({
        "image": PODINFO,
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "dependsOn": dependencies,
    })
}

/// Calls a service from the pod of another; the error is what the caller's client says.
async fn call(from: &TestNamespace, caller: &str, host: &str) -> Result<(), String> {
    let url = format!("http://{host}:9898/healthz");
    let check = ["podcli", "check", "http", &url, "--timeout=2s", "--retry=1"];
    from.exec(caller, &check).await.map(drop).map_err(|error| error.to_string())
}

async fn gets_through(from: &TestNamespace, caller: &str, host: &str) -> Result<()> {
    eventually(&format!("{caller} gets through to {host}"), || async { Ok(call(from, caller, host).await) })
        .await
}

/// The call is refused by policy: the name is found, and no answer comes. Until the Service has its endpoints everywhere,
/// the answer is another.
async fn is_refused(from: &TestNamespace, caller: &str, host: &str) -> Result<()> {
    eventually(&format!("{caller} is refused by {host}"), || async {
        let said = call(from, caller, host).await.err();
        let said = said.with_context(|| format!("{caller} gets through to {host}"))?;
        let is_unanswered = said.contains("deadline exceeded") || said.contains("Client.Timeout");
        Ok(if is_unanswered && !said.contains("no such host") { Ok(()) } else { Err(said) })
    })
    .await
}

fn state(service: &Microservice) -> Option<DependencyState> {
    service.status.as_ref()?.dependencies.first().map(|found| found.state)
}

/// Pain 25, and the edge that nobody else has: one declaration opens both sides.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_declared_edge_opens_both_sides_and_nothing_else_passes() -> Result<()> {
    in_namespace("edge", |namespace| async move {
        namespace.apply("payments", server(json!({}))).await?;
        namespace.apply("web", client(json!([{"name": "payments"}]))).await?;
        namespace.apply("stranger", client(json!([]))).await?;
        for name in ["payments", "web", "stranger"] {
            namespace.until_ready(name).await?;
        }
        let host = format!("payments.{}.svc", namespace.name);
        gets_through(&namespace, "web", &host).await?;
        is_refused(&namespace, "stranger", &host).await?;

        let env = namespace.exec("web", &["podcli", "check", "http", "--help"]).await;
        ensure!(env.is_ok(), "{env:?}");
        let web = namespace
            .until("web", "the edge is ready", |service, _| state(service) == Some(DependencyState::Ready))
            .await?;
        let edge = web.status.unwrap().dependencies.remove(0);
        ensure!(edge.url.as_deref() == Some(&*format!("http://{host}:9898")), "{edge:?}");
        let template = namespace.deployment("web").await?.spec.unwrap().template.spec.unwrap();
        let env = template.containers[0].env.clone().unwrap_or_default();
        let value = |name: &str| env.iter().find(|variable| variable.name == name)?.value.clone();
        ensure!(
            value("PAYMENTS_URL") == edge.url && value("PAYMENTS_PORT").as_deref() == Some("9898"),
            "{env:?}"
        );
        let called = namespace
            .until("payments", "the caller is shown", |_, status| !status.dependents.is_empty())
            .await?;
        let dependents = called.status.unwrap().dependents;
        ensure!(
            dependents.len() == 1 && dependents[0].name == "web" && dependents[0].allowed,
            "{dependents:?}"
        );

        // What is taken back is closed again.
        namespace.apply("web", client(json!([]))).await?;
        let here = &namespace;
        eventually("the way is closed", || async move {
            Ok(call(here, "web", &format!("payments.{}.svc", here.name)).await.err().ok_or("open"))
        })
        .await?;
        Ok(())
    })
    .await
}

/// skiperator#24: one unresolved peer once meant no policy at all.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn an_unresolved_peer_narrows_the_policy_and_a_deleted_one_keeps_the_address() -> Result<()> {
    in_namespace("peer", |namespace| async move {
        namespace.apply("other", server(json!({}))).await?;
        namespace.apply("web", client(json!([{"name": "missing"}]))).await?;
        namespace.until_ready("other").await?;
        let web = namespace
            .until("web", "the missing service is named", |_, status| {
                condition(status, "DependenciesReady").is_some_and(|found| {
                    found.reason == "NotFound" && found.message.contains("no Microservice \"missing\"")
                })
            })
            .await?;
        ensure!(state(&web) == Some(DependencyState::Missing));
        let policies: Api<NetworkPolicy> = namespace.api();
        let egress = policies.get("web").await?.spec.unwrap().egress.unwrap_or_default();
        ensure!(egress.len() == 2, "DNS alone: {egress:?}");
        namespace.until_ready("web").await?;
        is_refused(&namespace, "web", &format!("other.{}.svc", namespace.name)).await?;

        namespace.apply("missing", server(json!({}))).await?;
        namespace
            .until("web", "it is found", |service, _| state(service) == Some(DependencyState::Ready))
            .await?;
        namespace.until_ready("web").await?;
        gets_through(&namespace, "web", &format!("missing.{}.svc", namespace.name)).await?;
        let before = namespace.deployment("web").await?;
        namespace.api::<Microservice>().delete("missing", &DeleteParams::background()).await?;
        let gone = namespace
            .until("web", "it is gone", |service, _| state(service) == Some(DependencyState::Missing))
            .await?;
        ensure!(gone.status.unwrap().dependencies[0].url.is_some());
        let after = namespace.deployment("web").await?;
        ensure!(
            before.spec.unwrap().template == after.spec.unwrap().template,
            "a caller must not be rolled because somebody else is gone"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn another_namespace_needs_consent() -> Result<()> {
    in_namespace("bank", |bank| async move {
        in_namespace("shop", |shop| {
            let bank = &bank;
            async move {
                bank.apply("pay", server(json!({}))).await?;
                let edge = json!([{"name": "pay", "microservice": {"namespace": bank.name}}]);
                shop.apply("web", client(edge)).await?;
                bank.until_ready("pay").await?;
                let refused = shop
                    .until("web", "consent is missing", |service, _| {
                        state(service) == Some(DependencyState::NotAllowed)
                    })
                    .await?;
                let said = refused.status.unwrap().dependencies.remove(0).message.unwrap_or_default();
                ensure!(said.contains("spec.network.allowFrom"), "{said}");
                shop.until_ready("web").await?;
                let host = format!("pay.{}.svc", bank.name);
                is_refused(&shop, "web", &host).await?;

                let consent = json!({"allowFrom": [{"microservice": "web", "namespace": shop.name}]});
                bank.apply("pay", server(consent)).await?;
                shop.until("web", "consent", |service, _| state(service) == Some(DependencyState::Ready))
                    .await?;
                gets_through(&shop, "web", &host).await
            }
        })
        .await
    })
    .await
}

/// Pain 18: order of start only where it is asked for.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_gate_holds_the_first_rollout_until_the_other_is_ready() -> Result<()> {
    in_namespace("gate", |namespace| async move {
        namespace.apply("web", client(json!([{"name": "payments", "gate": "FirstRollout"}]))).await?;
        namespace
            .until("web", "it waits", |_, status| {
                condition(status, "Reconciling").is_some_and(|found| found.reason == "WaitingForDependencies")
            })
            .await?;
        ensure!(namespace.deployment("web").await.is_err(), "nothing runs yet");
        namespace.apply("payments", server(json!({}))).await?;
        namespace.until_ready("web").await?;

        // Two that need each other start all the same, when neither asks to wait.
        namespace.apply("a", client(json!([{"name": "b"}]))).await?;
        namespace.apply("b", client(json!([{"name": "a"}]))).await?;
        namespace.until_ready("a").await?;
        namespace.until_ready("b").await?;
        Ok(())
    })
    .await
}
