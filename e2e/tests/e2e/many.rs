//! Two hundred services at once.

use anyhow::{Result, ensure};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_e2e::{PODINFO, condition, eventually_within, in_namespace};
use futures::{StreamExt, TryStreamExt, stream};
use kube::{Api, api::ListParams};
use serde_json::json;

const SERVICES: usize = 200;

/// Every so many services has a pod: the node of a developer's machine does not hold two hundred of them.
const WITH_POD: usize = 10;

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn two_hundred_services_at_once() -> Result<()> {
    in_namespace("many", |namespace| async move {
        let place = &namespace;
        stream::iter(0..SERVICES)
            .map(|index| async move {
                let spec = json!({
                    "image": PODINFO,
                    "replicas": i32::from(index % WITH_POD == 0),
                    "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
                    "resources": {"requests": {"cpu": "1m", "memory": "32Mi"}},
                });
                place.apply(&format!("service-{index}"), spec).await
            })
            .buffer_unordered(32)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        let services: &Api<Microservice> = &namespace.api();
        let all = eventually_within(std::time::Duration::from_secs(300), "all are ready", || async move {
            let all = services.list(&ListParams::default()).await?.items;
            let waiting: Vec<_> = all
                .iter()
                .filter(|service| {
                    let status = service.status.clone().unwrap_or_default();
                    condition(&status, "Ready").is_none_or(|ready| ready.status != "True")
                        || condition(&status, "Reconciling").is_some()
                })
                .filter_map(|service| service.metadata.name.clone())
                .collect();
            Ok(if waiting.is_empty() { Ok(all) } else { Err(waiting) })
        })
        .await?;
        ensure!(all.len() == SERVICES);
        ensure!(
            all.iter()
                .all(|service| { service.status.as_ref().is_some_and(|status| status.inventory.len() == 5) })
        );
        Ok(())
    })
    .await
}
