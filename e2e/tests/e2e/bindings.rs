//! Credentials that another operator hands out, by the Service Binding specification.

use anyhow::{Result, ensure};
use flotilla_e2e::{PODINFO, condition, eventually, in_namespace, kubectl};
use serde_json::json;

use crate::gitops::chart_has_no_drift;

const GROUP: &str = "bindings.example.com";

/// A kind of somebody else, and the right to watch it in the way that the specification has for that.
fn databases() -> String {
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("databases.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": {"kind": "Database", "plural": "databases", "singular": "database"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    });
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {"name": format!("databases.{GROUP}"), "labels": {"servicebinding.io/controller": "true"}},
        "rules": [{"apiGroups": [GROUP], "resources": ["databases"], "verbs": ["get", "list", "watch"]}],
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [definition, role]}).to_string()
}

fn database(secret: Option<&str>) -> String {
    let status = secret.map_or_else(|| json!({}), |name| json!({"binding": {"name": name}}));
    json!({"apiVersion": format!("{GROUP}/v1"), "kind": "Database", "metadata": {"name": "main"}, "status": status})
        .to_string()
}

#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_service_waits_for_the_secret_that_an_object_names_and_follows_it() -> Result<()> {
    in_namespace("bindings", |namespace| async move {
        let place = ["-n", &namespace.name];
        let run = |arguments: &[&str], input: String| {
            let all: Vec<String> = arguments.iter().chain(&place).map(|word| (*word).to_owned()).collect();
            async move { kubectl(&all.iter().map(String::as_str).collect::<Vec<_>>(), &input).await }
        };
        let spec = json!({
            "image": PODINFO,
            "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
            "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
            "lifecycle": {"drainSeconds": 1},
            "bindings": [{"name": "db", "as": "Files", "serviceRef": {"apiVersion": format!("{GROUP}/v1"), "kind": "Database", "name": "main"}}],
        });
        namespace.apply("web", spec).await?;
        let says = |part: &'static str| {
            let namespace = &namespace;
            async move {
                namespace
                    .until("web", part, |_, status| {
                        condition(status, "BindingsReady").is_some_and(|found| found.message.contains(part))
                    })
                    .await
            }
        };
        says("the cluster does not serve this kind").await?;
        kubectl(&["apply", "-f", "-"], &databases()).await?;
        says("there is no Database \"main\"").await?;
        // Such a right is added up by the API server, in a ClusterRole that the chart has to leave to it.
        chart_has_no_drift().await?;
        ensure!(namespace.deployment("web").await.is_err(), "a version without its credentials does not run");
        run(&["apply", "-f", "-"], database(None)).await?;
        says("names no Secret in status.binding.name yet").await?;

        run(&["create", "secret", "generic", "first", "--from-literal=password=one"], String::new()).await?;
        run(&["apply", "-f", "-"], database(Some("first"))).await?;
        namespace.until_ready("web").await?;
        let secret = ["get", "deployment", "web", "-o", "jsonpath={.spec.template.spec.volumes[*].secret.secretName}"];
        ensure!(run(&secret, String::new()).await? == "first");
        let revisions = run(&["get", "msvcrev", "-o", "name"], String::new()).await?;
        ensure!(revisions.lines().count() == 1, "what waited is no version: {revisions}");
        let first = revisions.trim().rsplit('/').next().map(str::to_owned);

        // Another Secret is another version; while the object is away, what runs goes on.
        run(&["create", "secret", "generic", "second", "--from-literal=password=two"], String::new()).await?;
        run(&["apply", "-f", "-"], database(Some("second"))).await?;
        eventually("the Deployment takes the second Secret", || async {
            let mounted = run(&secret, String::new()).await?;
            Ok(if mounted == "second" { Ok(()) } else { Err(mounted) })
        })
        .await?;
        namespace
            .until("web", "the second Secret's version is stable", |_, status| {
                // The status is a step behind the Deployment: until it names another version it speaks of the first.
                let known = status.revisions.clone().unwrap_or_default();
                known.latest != first
                    && known.stable == known.latest
                    && condition(status, "Reconciling").is_none()
            })
            .await?;
        let before = namespace.pods("web").await?;
        run(&["delete", "databases", "main"], String::new()).await?;
        says("there is no Database \"main\"").await?;
        ensure!(run(&secret, String::new()).await? == "second");
        let after = namespace.pods("web").await?;
        ensure!(before.len() == after.len() && before[0].metadata.uid == after[0].metadata.uid);
        kubectl(&["delete", "crd", &format!("databases.{GROUP}")], "").await?;
        kubectl(&["delete", "clusterrole", &format!("databases.{GROUP}")], "").await?;
        Ok(())
    })
    .await
}
