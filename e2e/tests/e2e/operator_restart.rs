//! The operator dies in the middle of its work, in both ways.

use std::time::Duration;

use anyhow::{Result, ensure};
use flotilla_e2e::{AuditLog, OPERATOR_NAMESPACE, PODINFO, in_namespace, kubectl};
use serde_json::json;

/// Ends the operator's pods: with a grace period they get SIGTERM first, without one only SIGKILL.
async fn end_operator(grace_seconds: u32) -> Result<()> {
    let grace = format!("--grace-period={grace_seconds}");
    let mut arguments = vec![
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/name=flotilla",
        "-n",
        OPERATOR_NAMESPACE,
        "--wait=false",
        &grace,
    ];
    if grace_seconds == 0 {
        arguments.push("--force");
    }
    let told = kubectl(&arguments, "").await?;
    ensure!(told.contains("deleted"), "the operator has pods: {told}");
    Ok(())
}

async fn survives(test: &str, grace_seconds: u32) -> Result<()> {
    in_namespace(test, |namespace| async move {
        let audit = AuditLog::from_environment()?;
        let position = audit.position()?;
        let names: Vec<_> = (0..30).map(|index| format!("service-{index}")).collect();
        for (index, name) in names.iter().enumerate() {
            let spec = json!({
                "image": PODINFO,
                "replicas": i32::from(index % 10 == 0),
                "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
                "resources": {"requests": {"cpu": "1m", "memory": "32Mi"}},
            });
            namespace.apply(name, spec).await?;
            if index == names.len() / 2 {
                end_operator(grace_seconds).await?;
            }
        }
        for name in &names {
            let ready = namespace.until_ready(name).await?;
            ensure!(namespace.owned(&ready).await?.len() == 3, "{name}");
        }
        kubectl(
            &[
                "rollout",
                "status",
                "deployment/flotilla-operator",
                "-n",
                OPERATOR_NAMESPACE,
                "--timeout=120s",
            ],
            "",
        )
        .await?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        let requests = audit.since(position, "flotilla-operator/")?;
        for name in &names {
            for plural in ["serviceaccounts", "services", "deployments"] {
                let path = format!("/namespaces/{}/{plural}/{name}?", namespace.name);
                let writes = requests
                    .iter()
                    .filter(|request| request.is_write() && request.request_uri.contains(&path));
                let codes: Vec<_> = writes.map(flotilla_e2e::Request::code).collect();
                // One creation, and at most one more try: of a write whose answer a killed operator did not wait for.
                let created = codes.iter().filter(|code| **code == 201).count();
                ensure!(created <= 1 && (1..=2).contains(&codes.len()), "{plural}/{name}: {codes:?}");
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_restart_in_the_middle_converges() -> Result<()> {
    survives("restart", 30).await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_kill_in_the_middle_converges() -> Result<()> {
    survives("kill", 0).await
}
