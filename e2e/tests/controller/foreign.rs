//! What belongs to somebody else is refused, named and untouched.

use anyhow::{Result, ensure};
use flotilla_e2e::{condition, in_namespace, kubectl};
use k8s_openapi::api::apps::v1::Deployment;
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::json;

use crate::support::TestOperator;

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_foreign_deployment_is_refused_named_and_untouched() -> Result<()> {
    in_namespace("foreign", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        let create = ["create", "deployment", "orders", "--image=registry.example.com/theirs:1", "--replicas=0", "-n", &namespace.name];
        kubectl(&create, "").await?;
        let before = namespace.deployment("orders").await?;
        namespace.apply("orders", json!({"image": "registry.example.com/ours:1", "replicas": 0, "ports": [{"name": "http", "port": 80}]})).await?;
        let refused = namespace
            .until("orders", "Stalled", |_, status| condition(status, "Stalled").is_some())
            .await?;
        let status = refused.status.clone().unwrap();
        let ready = condition(&status, "Ready").unwrap();
        ensure!(ready.status == "False" && ready.reason == "ForeignObject", "{ready:?}");
        ensure!(ready.message.contains("Deployment \"orders\"") && ready.message.contains("kubectl-create"), "{}", ready.message);
        let [found] = &status.problems[..] else { anyhow::bail!("{:?}", status.problems) };
        ensure!(found.object.as_ref().is_some_and(|object| (&*object.kind, &*object.name) == ("Deployment", "orders")), "{found:?}");
        ensure!(ready.message == found.message);
        ensure!(namespace.owned(&refused).await?.is_empty(), "nothing else was made either");
        let after = namespace.deployment("orders").await?;
        ensure!(before.spec == after.spec && before.metadata.labels == after.metadata.labels);
        ensure!(after.owner_references().is_empty());

        // As soon as it goes, the way is free: nobody needs to touch the Microservice.
        let deployments: Api<Deployment> = namespace.api();
        deployments.delete("orders", &DeleteParams::background()).await?;
        let ready = namespace.until_ready("orders").await?;
        ensure!(namespace.owned(&ready).await?.len() == 5);
        operator.stop().await
    })
    .await
}
