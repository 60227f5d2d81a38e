//! What the platform team decides, and what becomes of it.

use anyhow::{Result, ensure};
use flotilla_e2e::{PODINFO, condition, in_namespace, kubectl};
use serde_json::{Value, json};

fn class(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "flotilla.dev/v1alpha1", "kind": "MicroserviceClass", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_class_gives_defaults_holds_limits_and_passes_changes_on() -> Result<()> {
    in_namespace("class", |namespace| async move {
        // Classes belong to the cluster, so this one has the name of the namespace.
        let name = &namespace.name;
        let mut spec = json!({
            "gateway": {"parentRefs": [{"name": "edge", "namespace": "infra"}], "domain": "{name}.{namespace}.example.com", "scheme": "https"},
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "security": {"minimumProfile": "Restricted"},
            "optionalCapabilities": ["Monitoring"],
        });
        let unknown = json!({"image": PODINFO, "className": name});
        namespace.apply("web", unknown).await?;
        namespace
            .until("web", "an unknown class", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.message.contains("there is no MicroserviceClass"))
            })
            .await?;

        kubectl(&["apply", "-f", "-"], &class(name, &spec)).await?;
        let service = |profile: &str| {
            json!({
                "image": PODINFO,
                "className": name,
                "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
                "routes": [{"name": "public"}],
                "security": {"profile": profile},
                "observability": {"metrics": {}},
                "lifecycle": {"drainSeconds": 1},
            })
        };
        namespace.apply("web", service("Restricted")).await?;
        let ready = namespace.until_ready("web").await?;
        let status = ready.status.unwrap();
        ensure!(status.url.as_deref() == Some(&*format!("https://web.{name}.example.com")), "{:?}", status.url);
        let missing = condition(&status, "CapabilitiesAvailable").unwrap();
        ensure!(missing.status == "False" && missing.message.contains("ServiceMonitor"), "{missing:?}");
        let place = &namespace;
        flotilla_e2e::eventually("an event says what is missing, although the class can do without", || async move {
            let events = kubectl(&["events", "--for", "msvc/web", "-n", &place.name], "").await?;
            let says = events.contains("MissingCapability") && events.contains("ServiceMonitor");
            Ok(if says { Ok(()) } else { Err(events) })
        })
        .await?;
        let memory = |deployment: k8s_openapi::api::apps::v1::Deployment| {
            let pod = deployment.spec.unwrap().template.spec.unwrap();
            pod.containers[0].resources.clone().unwrap().limits.unwrap()["memory"].0.clone()
        };
        ensure!(memory(namespace.deployment("web").await?) == "32Mi");

        namespace.apply("web", service("Baseline")).await?;
        namespace
            .until("web", "below the floor", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.message.contains("allows nothing less strict"))
            })
            .await?;
        namespace.apply("web", service("Restricted")).await?;
        namespace.until_ready("web").await?;

        spec["resources"]["requests"]["memory"] = json!("48Mi");
        kubectl(&["apply", "-f", "-"], &class(name, &spec)).await?;
        flotilla_e2e::eventually("the change is passed on", || async move {
            let memory = memory(place.deployment("web").await?);
            Ok(if memory == "48Mi" { Ok(()) } else { Err(memory) })
        })
        .await?;
        namespace.until_ready("web").await?;
        kubectl(&["delete", "msvcclass", name], "").await.map(drop)
    })
    .await
}
