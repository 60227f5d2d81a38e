//! The Helm installation: what it may do, what it shows, and that it is quiet.

use std::time::Duration;

use anyhow::{Result, ensure};
use flotilla_e2e::{
    AuditLog, OPERATOR_NAMESPACE, PODINFO, TEST_LABEL, client, eventually, in_namespace, kubectl,
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;

/// How many services there are while nothing happens.
const SERVICES: usize = 5;

/// The service account of the operator, as the API server names it.
fn account() -> String {
    format!("system:serviceaccount:{OPERATOR_NAMESPACE}:flotilla-operator")
}

async fn pods() -> Result<Vec<Pod>> {
    let pods: Api<Pod> = Api::namespaced(client().await?, OPERATOR_NAMESPACE);
    Ok(pods.list(&ListParams::default().labels("app.kubernetes.io/name=flotilla")).await?.items)
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn the_operator_may_do_what_it_needs_and_nothing_more() -> Result<()> {
    let account = format!("--as={}", account());
    let may = |verb: &'static str, resource: &'static str| {
        let account = account.clone();
        async move {
            let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
            let subresource = format!("--subresource={subresource}");
            let question = ["auth", "can-i", verb, resource, &subresource, &account, "--all-namespaces"];
            // kubectl exits with 1 for "no".
            kubectl(&question, "").await.is_ok()
        }
    };
    for (verb, resource) in [
        ("watch", "microservices.flotilla.dev"),
        ("patch", "microservices.flotilla.dev/status"),
        ("patch", "deployments.apps"),
        ("delete", "services"),
        ("watch", "pods"),
        // Of their metadata, which Kubernetes has no right of its own for; and of the certificates of gateways.
        ("watch", "secrets"),
        // What gateways take: their configurations, certificates of authorities, what runs them and may read them.
        ("create", "secrets"),
        ("get", "configmaps"),
        ("create", "microservices.flotilla.dev"),
        ("patch", "gateways.gateway.networking.k8s.io/status"),
        ("create", "roles.rbac.authorization.k8s.io"),
    ] {
        ensure!(may(verb, resource).await, "it must be able to {verb} {resource}");
    }
    for (verb, resource) in [
        ("update", "secrets"),
        ("create", "pods"),
        ("create", "pods/exec"),
        ("create", "serviceaccounts/token"),
        ("patch", "gateways.gateway.networking.k8s.io"),
        ("patch", "namespaces"),
        ("create", "clusterroles.rbac.authorization.k8s.io"),
        ("create", "clusterrolebindings.rbac.authorization.k8s.io"),
        ("patch", "clusterrolebindings.rbac.authorization.k8s.io"),
        ("escalate", "roles.rbac.authorization.k8s.io"),
        ("bind", "clusterroles.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
        ("delete", "nodes"),
    ] {
        ensure!(!may(verb, resource).await, "it must not be able to {verb} {resource}");
    }
    Ok(())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn each_replica_is_ready_and_shows_its_metrics() -> Result<()> {
    let client = client().await?;
    let client = &client;
    eventually("two replicas, of which one leads", || async move {
        let mut leaders = 0;
        let pods = pods().await?;
        for pod in &pods {
            let path = |what: &str| {
                format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{}:8080/proxy/{what}", pod.name_any())
            };
            for (endpoint, expected) in [
                ("livez", "ok"),
                ("readyz", "ok"),
                ("metrics", "controller_runtime_max_concurrent_reconciles"),
            ] {
                match client.request_text(http::Request::get(path(endpoint)).body(Vec::new())?).await {
                    Ok(text) if text.contains(expected) => {
                        leaders += usize::from(
                            text.contains("leader_election_master_status{name=\"flotilla-operator\"} 1"),
                        );
                    }
                    // A pod of a test that restarts the operator may be on its way out.
                    Ok(text) => return Ok(Err(text)),
                    Err(error) => return Ok(Err(error.to_string())),
                }
            }
        }
        Ok(if (pods.len(), leaders) == (2, 1) {
            Ok(())
        } else {
            Err(format!("{} pods, {leaders} leaders", pods.len()))
        })
    })
    .await
}

/// Pods that run as the operator are of the restricted kind themselves, log JSON, and do not log what they should not.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn the_log_is_json() -> Result<()> {
    let logs = kubectl(&["logs", "deployment/flotilla-operator", "-n", OPERATOR_NAMESPACE], "").await?;
    ensure!(!logs.is_empty());
    for line in logs.lines() {
        let entry: serde_json::Value = serde_json::from_str(line)?;
        ensure!(
            entry["timestamp"].is_string() && entry["level"].is_string() && entry["message"].is_string(),
            "{line}"
        );
    }
    Ok(())
}

/// What the API server recorded of the installed operator while its services run and nothing happens: watches and the
/// Lease.
///
/// Run alone (`cargo xtask test e2e` does): other tests make things happen.
#[tokio::test]
#[ignore = "needs a cluster and silence: cargo xtask test e2e"]
async fn quiet_when_nothing_happens() -> Result<()> {
    let audit = AuditLog::from_environment()?;
    no_test_goes_on().await?;
    in_namespace("quiet", |namespace| async move {
        for index in 0..SERVICES {
            let spec = json!({"image": PODINFO, "ports": [{"name": "http", "port": 9898}]});
            namespace.apply(&format!("service-{index}"), spec).await?;
        }
        for index in 0..SERVICES {
            namespace.until_ready(&format!("service-{index}")).await?;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let position = audit.position()?;
        tokio::time::sleep(Duration::from_secs(30)).await;
        let requests: Vec<_> = audit
            .since(position, "flotilla-operator/")?
            .into_iter()
            .filter(|request| request.user.username == account())
            .collect();
        ensure!(requests.iter().any(flotilla_e2e::Request::is_election), "the log records this operator");
        let others: Vec<_> =
            requests.iter().filter(|request| !request.is_election() && request.verb != "watch").collect();
        ensure!(others.is_empty(), "{others:#?}");
        Ok(())
    })
    .await
}

/// Waits until the namespaces of other tests, whose services the operator still sees go, are gone.
async fn no_test_goes_on() -> Result<()> {
    let namespaces: Api<Namespace> = Api::all(client().await?);
    let namespaces = &namespaces;
    eventually("the namespaces of other tests are gone", || async move {
        let left = namespaces.list_metadata(&ListParams::default().labels(TEST_LABEL)).await?;
        let left: Vec<_> = left.iter().map(ResourceExt::name_any).collect();
        Ok(if left.is_empty() { Ok(()) } else { Err(left) })
    })
    .await
}
