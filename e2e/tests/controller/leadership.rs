//! Several replicas, one writer.

use std::time::Duration;

use anyhow::{Result, ensure};
use flotilla_e2e::{eventually, in_namespace};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;

use crate::support::TestOperator;

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn the_lease_is_given_back_and_the_other_replica_goes_on() -> Result<()> {
    in_namespace("lease", |namespace| async move {
        let lease = ["--lease-namespace", &namespace.name, "--lease-name", "operator", "--identity"];
        let leases: &Api<Lease> = &namespace.api();
        let holder = |wanted: &'static str| async move {
            eventually(&format!("{wanted} leads"), || async move {
                let lease = leases.get_opt("operator").await?;
                let holder = lease.and_then(|lease| lease.spec?.holder_identity);
                Ok(if holder.as_deref() == Some(wanted) { Ok(()) } else { Err(holder) })
            })
            .await
        };
        let first = TestOperator::start(&namespace, &[&lease, ["first"].as_slice()].concat()).await?;
        holder("first").await?;
        let second = TestOperator::start(&namespace, &[&lease, ["second"].as_slice()].concat()).await?;
        namespace.apply("one", json!({"image": "app:1", "replicas": 0})).await?;
        namespace.until_ready("one").await?;
        tokio::time::sleep(Duration::from_secs(5)).await;
        holder("first").await?;

        let began = tokio::time::Instant::now();
        first.stop().await?;
        holder("second").await?;
        ensure!(began.elapsed() < Duration::from_secs(10), "the Lease was given back, not waited for");
        namespace.apply("two", json!({"image": "app:1", "replicas": 0})).await?;
        namespace.until_ready("two").await?;
        second.stop().await
    })
    .await
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn a_killed_leader_is_followed_when_its_lease_is_over() -> Result<()> {
    in_namespace("succession", |namespace| async move {
        let lease = ["--lease-namespace", &namespace.name, "--lease-name", "operator", "--identity"];
        let first = TestOperator::start(&namespace, &[&lease, ["first"].as_slice()].concat()).await?;
        namespace.apply("one", json!({"image": "app:1", "replicas": 0})).await?;
        namespace.until_ready("one").await?;
        first.kill();
        namespace.apply("two", json!({"image": "app:1", "replicas": 0})).await?;
        let second = TestOperator::start(&namespace, &[&lease, ["second"].as_slice()].concat()).await?;
        namespace.until_ready("two").await?;
        second.stop().await
    })
    .await
}
