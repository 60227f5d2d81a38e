//! The operator dies in the middle of its work, in both ways.

use std::{fs, process::Command, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use flotilla_e2e::{AuditLog, OPERATOR_NAMESPACE, PODINFO, client, in_namespace, kubectl};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt, api::ListParams};
use serde_json::json;
use tokio::sync::Mutex;

/// One end at a time: the other test's pods may be neither there nor gone.
static ALONE: Mutex<()> = Mutex::const_new(());

/// How the operator's replicas end.
#[derive(Clone, Copy)]
enum End {
    /// Their pods are deleted: SIGTERM, and new pods.
    Deleted,
    /// Their processes are killed with SIGKILL; the kubelet starts them again.
    Killed,
}

impl End {
    async fn come(self) -> Result<()> {
        let pods: Api<Pod> = Api::namespaced(client().await?, OPERATOR_NAMESPACE);
        let mut pods =
            pods.list(&ListParams::default().labels("app.kubernetes.io/name=flotilla")).await?.items;
        pods.retain(|pod| pod.metadata.deletion_timestamp.is_none());
        ensure!(!pods.is_empty(), "the operator has pods");
        for pod in pods {
            match self {
                Self::Deleted => {
                    let name = pod.name_any();
                    kubectl(&["delete", "pod", &name, "-n", OPERATOR_NAMESPACE, "--wait=false"], "").await?;
                }
                Self::Killed => kill(&pod.uid().context("a pod has a UID")?)?,
            }
        }
        Ok(())
    }
}

/// Kills the operator's process of a pod. The nodes of a cluster that `cargo xtask cluster` made show their processes
/// to this machine.
fn kill(pod_uid: &str) -> Result<()> {
    let uids = [pod_uid.to_owned(), pod_uid.replace('-', "_")];
    for entry in fs::read_dir("/proc")? {
        let folder = entry?.path();
        // A process may be gone meanwhile.
        let read = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
        let in_pod = uids.iter().any(|uid| read("cgroup").contains(uid));
        if in_pod && read("cmdline").starts_with("/flotilla-operator") {
            let pid = folder.file_name().context("a process has an id")?;
            ensure!(Command::new("kill").arg("-KILL").arg(pid).status()?.success());
            return Ok(());
        }
    }
    bail!("no process of pod {pod_uid} can be seen here: this test needs a cluster on this machine")
}

async fn survives(test: &str, end: End) -> Result<()> {
    let _alone = ALONE.lock().await;
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
                end.come().await?;
            }
        }
        for name in &names {
            let ready = namespace.until_ready(name).await?;
            ensure!(namespace.owned(&ready).await?.len() == 5, "{name}");
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
    survives("restart", End::Deleted).await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_kill_in_the_middle_converges() -> Result<()> {
    survives("kill", End::Killed).await
}
