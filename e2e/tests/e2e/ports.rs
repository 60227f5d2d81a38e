//! Services with several ports.

use anyhow::{Result, ensure};
use flotilla_e2e::{PODINFO, in_namespace};
use serde_json::json;

/// Pain 13: each port is reached by its name, through one Service.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn every_port_is_reached_by_its_name() -> Result<()> {
    in_namespace("ports", |namespace| async move {
        let spec = json!({
            "image": PODINFO,
            "command": ["./podinfo", "--port=9898", "--port-metrics=9797"],
            "ports": [
                {"name": "http", "port": 9898, "protocol": "HTTP", "servicePort": 80},
                {"name": "metrics", "port": 9797, "protocol": "HTTP"},
            ],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "lifecycle": {"drainSeconds": 1},
        });
        namespace.apply("web", spec).await?;
        let status = namespace.until_ready("web").await?.status.unwrap();
        let host = format!("web.{}.svc", namespace.name);
        let addresses: Vec<_> = status.endpoints.iter().map(|endpoint| endpoint.address.clone()).collect();
        ensure!(addresses == [format!("{host}:80"), format!("{host}:9797")], "{addresses:?}");
        for (port, path, expected) in
            [("http", "/version", "6.9.2"), ("metrics", "/metrics", "go_goroutines")]
        {
            namespace.until_says(&format!("web:{port}"), path, expected).await?;
        }
        Ok(())
    })
    .await
}
