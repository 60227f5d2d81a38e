//! A Deployment that runs already and belongs to somebody else.

use anyhow::{Result, ensure};
use flotilla_crds::v1alpha1::{InventoryEntry, InventoryState};
use flotilla_e2e::{PODINFO, PODINFO_1, condition, in_namespace, kubectl};
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::{
    Api,
    api::{DeleteParams, ListParams},
};
use serde_json::json;

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_foreign_deployment_runs_on_until_it_is_given_up() -> Result<()> {
    in_namespace("foreign", |namespace| async move {
        let theirs = json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "web"},
            "spec": {
                "selector": {"matchLabels": {"app": "theirs"}},
                "template": {
                    "metadata": {"labels": {"app": "theirs"}},
                    "spec": {
                        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
                        "containers": [{
                            "name": "theirs",
                            "image": PODINFO_1,
                            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
                        }],
                    },
                },
            },
        });
        kubectl(&["apply", "-f", "-", "-n", &namespace.name], &theirs.to_string()).await?;
        kubectl(&["rollout", "status", "deployment/web", "-n", &namespace.name, "--timeout=120s"], "").await?;
        let pods: Api<Pod> = namespace.api();
        let pods_of_theirs = ListParams::default().labels("app=theirs");
        let before = (namespace.deployment("web").await?, pods.list(&pods_of_theirs).await?.items);

        let ours = json!({"image": PODINFO, "ports": [{"name": "http", "port": 9898}]});
        namespace.apply("web", ours).await?;
        let refused =
            namespace.until("web", "Stalled", |_, status| condition(status, "Stalled").is_some()).await?;
        let described = kubectl(&["describe", "msvc", "web", "-n", &namespace.name], "").await?;
        ensure!(described.contains("ForeignObject") && described.contains("Deployment \"web\""), "{described}");
        let inventory = refused.status.clone().unwrap_or_default().inventory;
        let stands_in_the_way = |entry: &InventoryEntry| {
            let message = entry.message.as_deref().unwrap_or_default();
            entry.state == InventoryState::Failed && message.contains("belongs to")
        };
        ensure!(inventory.len() == 1 && inventory.iter().all(stands_in_the_way), "{inventory:?}");
        ensure!(namespace.owned(&refused).await?.is_empty(), "nothing else was made either");
        let after = (namespace.deployment("web").await?, pods.list(&pods_of_theirs).await?.items);
        ensure!(before.0.spec == after.0.spec && before.0.metadata.uid == after.0.metadata.uid);
        let uids = |pods: &[Pod]| pods.iter().map(|pod| pod.metadata.uid.clone()).collect::<Vec<_>>();
        ensure!(uids(&before.1) == uids(&after.1), "its pods were replaced");

        namespace.api::<Deployment>().delete("web", &DeleteParams::background()).await?;
        let ready = namespace.until_ready("web").await?;
        let inventory = ready.status.clone().unwrap_or_default().inventory;
        let is_there = |entry: &InventoryEntry| entry.state == InventoryState::Applied && entry.message.is_none();
        ensure!(inventory.len() > 3 && inventory.iter().all(is_there), "{inventory:?}");
        ensure!(namespace.pods("web").await?.len() == 1);
        Ok(())
    })
    .await
}
