//! What the operator says of its services and of its own work.

use anyhow::{Result, ensure};
use flotilla_e2e::{eventually, in_namespace};
use k8s_openapi::api::core::v1::Service;
use kube::{Api, ResourceExt, api::DeleteParams};
use serde_json::{Value, json};

use crate::support::TestOperator;

fn service(more: Value) -> Value {
    let mut spec = json!({"image": "registry.invalid/orders:1", "replicas": 0, "ports": [{"name": "http", "port": 8080}]});
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test operator"]
async fn services_and_repairs_are_counted() -> Result<()> {
    in_namespace("metrics", |namespace| async move {
        let operator = TestOperator::start(&namespace, &[]).await?;
        namespace.apply("orders", service(json!({}))).await?;
        namespace.until_ready("orders").await?;
        // A change of spec is no repair.
        let renamed = json!({"ports": [{"name": "web", "port": 8081}]});
        namespace.apply("orders", service(renamed)).await?;
        let services: &Api<Service> = &namespace.api();
        eventually("the port has changed", || async move {
            let ports = services.get("orders").await?.spec.unwrap_or_default().ports.unwrap_or_default();
            Ok(if ports[0].port == 8081 { Ok(()) } else { Err(ports) })
        })
        .await?;
        let text = operator.metrics().await?;
        ensure!(!text.contains("flotilla_drift_repairs_total{"), "{text}");

        let former = services.get("orders").await?.uid();
        services.delete("orders", &DeleteParams::default()).await?;
        let former = &former;
        eventually("the Service is back", || async move {
            let found = services.get_opt("orders").await?;
            Ok(found.filter(|service| service.uid() != *former).ok_or("gone"))
        })
        .await?;
        let operator_says = &operator;
        let place = &namespace.name;
        eventually("the repair and the service are shown", || async move {
            let text = operator_says.metrics().await?;
            let expected = [
                "flotilla_drift_repairs_total{kind=\"Service\"} 1".to_owned(),
                format!(
                    "flotilla_microservices{{namespace=\"{place}\",ready=\"True\",reason=\"ScaledToZero\"}} 1"
                ),
            ];
            let shown = expected.iter().all(|line| text.contains(line));
            let ready = text.lines().any(|line| {
                line.strip_prefix("flotilla_time_to_ready_seconds_count ").is_some_and(|count| count != "0")
            });
            Ok(if shown && ready { Ok(()) } else { Err(text) })
        })
        .await?;
        operator.stop().await
    })
    .await
}
