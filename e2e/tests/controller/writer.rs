//! A write is for the object that was seen, never for another one of the same name that came after it.

use anyhow::{Result, ensure};
use flotilla_e2e::{TestNamespace, client, in_namespace};
use flotilla_operator::{
    cluster::{
        kind::Kind,
        writer::{Error, Writer},
    },
    leader::Leadership,
    metrics::Metrics,
};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, PostParams},
};
use serde_json::{Value, json};

async fn writer() -> Result<Writer> {
    Ok(Writer::new(client().await?, Leadership::alone(), Metrics::default().writes.clone()))
}

fn account(team: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "orders", "labels": {"team": team}}})
}

/// Makes an account and another one in its place. Returns the UID of the first, which is gone.
async fn replaced(namespace: &TestNamespace) -> Result<String> {
    let accounts: Api<ServiceAccount> = namespace.api();
    let made = accounts.create(&PostParams::default(), &serde_json::from_value(account("first"))?).await?;
    accounts.delete("orders", &DeleteParams::default()).await?;
    accounts.create(&PostParams::default(), &serde_json::from_value(account("second"))?).await?;
    Ok(made.uid().unwrap_or_default())
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_successor_of_the_same_name_is_not_written() -> Result<()> {
    in_namespace("successor", |namespace| async move {
        let gone = replaced(&namespace).await?;
        let written =
            writer().await?.update(Kind::ServiceAccount, &namespace.name, &account("ours"), &gone).await;
        ensure!(matches!(written, Err(Error::Outdated { .. })), "{written:?}");
        let live: ServiceAccount = namespace.api().get("orders").await?;
        ensure!(live.labels().get("team").is_some_and(|team| team == "second"), "{live:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_successor_of_the_same_name_is_not_deleted() -> Result<()> {
    in_namespace("successor", |namespace| async move {
        let gone = replaced(&namespace).await?;
        let deleted = writer().await?.delete(Kind::ServiceAccount, &namespace.name, "orders", &gone).await;
        ensure!(matches!(deleted, Err(Error::Outdated { .. })), "{deleted:?}");
        let live: ServiceAccount = namespace.api().get("orders").await?;
        ensure!(live.metadata.deletion_timestamp.is_none());
        Ok(())
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn what_is_there_is_not_created() -> Result<()> {
    in_namespace("successor", |namespace| async move {
        replaced(&namespace).await?;
        let created = writer().await?.create(Kind::ServiceAccount, &namespace.name, &account("ours")).await;
        ensure!(matches!(created, Err(Error::Outdated { .. })), "{created:?}");
        let live: ServiceAccount = namespace.api().get("orders").await?;
        ensure!(live.labels().get("team").is_some_and(|team| team == "second"), "{live:?}");
        Ok(())
    })
    .await
}
