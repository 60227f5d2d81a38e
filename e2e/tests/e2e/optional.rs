//! Kinds that a cluster has or has not: routes of the Gateway API, monitors of Prometheus.

use anyhow::{Context, Result, ensure};
use flotilla_crds::v1alpha1::Microservice;
use flotilla_e2e::{PODINFO, condition, eventually, in_namespace, kubectl};
use serde_json::{Value, json};

fn podinfo(more: Value) -> Value {
    let mut spec = json!({
        "image": PODINFO,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "lifecycle": {"drainSeconds": 1},
    });
    spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    spec
}

/// A definition with the name and version that the operator looks for, and any fields.
fn definition(group: &str, version: &str, kind: &str, plural: &str) -> String {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{group}")},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": version, "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
                "type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
        },
    })
    .to_string()
}

/// Pain 24: nothing crashes, nothing is silent, and it is made as soon as it can be.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_missing_definition_is_named_and_its_coming_is_noticed() -> Result<()> {
    in_namespace("optional", |namespace| async move {
        let asks = podinfo(json!({"observability": {"metrics": {"interval": "30s"}}}));
        namespace.apply("web", asks).await?;
        let missing = |status: &flotilla_crds::v1alpha1::MicroserviceStatus| {
            condition(status, "Ready").is_some_and(|ready| {
                ready.status == "False"
                    && ready.reason == "MissingCapability"
                    && ready.message.contains("spec.observability.metrics needs the kind ServiceMonitor")
            }) && condition(status, "Stalled").is_some()
        };
        namespace.until("web", "the kind is missing", |_, status| missing(status)).await?;
        namespace.until_warned("web", "MissingCapability").await?;
        ensure!(namespace.deployment("web").await.is_ok(), "the rest is made");

        kubectl(
            &["apply", "-f", "-"],
            &definition("monitoring.coreos.com", "v1", "ServiceMonitor", "servicemonitors"),
        )
        .await?;
        namespace.until_ready("web").await?;
        let monitor = kubectl(
            &[
                "get",
                "servicemonitor",
                "web",
                "-n",
                &namespace.name,
                "-o",
                "jsonpath={.spec.endpoints[0].port}",
            ],
            "",
        )
        .await?;
        ensure!(monitor == "http", "{monitor}");

        kubectl(&["delete", "crd", "servicemonitors.monitoring.coreos.com"], "").await?;
        namespace.until("web", "the kind is missing again", |_, status| missing(status)).await?;
        Ok(())
    })
    .await
}

/// What Istio makes of it is Istio's; that it is told, and told again, is ours.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_mesh_is_told_what_to_ask_of_callers() -> Result<()> {
    in_namespace("mesh", |namespace| async move {
        namespace.apply("web", podinfo(json!({"network": {"mtls": "Strict"}}))).await?;
        namespace
            .until("web", "the kind is missing", |_, status| {
                condition(status, "Stalled").is_some_and(|stalled| {
                    stalled.message.contains("spec.network.mtls needs the kind PeerAuthentication")
                })
            })
            .await?;
        kubectl(
            &["apply", "-f", "-"],
            &definition("security.istio.io", "v1", "PeerAuthentication", "peerauthentications"),
        )
        .await?;
        namespace.until_ready("web").await?;
        let namespace = &namespace;
        let told = |wanted: &'static str| async move {
            eventually(&format!("the mesh is told {wanted:?}"), || async move {
                let mode = ["get", "peerauthentications", "-o", "jsonpath={.items[*].spec.mtls.mode}"];
                let mode = kubectl(&[&mode[..], &["-n", &namespace.name]].concat(), "").await?;
                Ok(if mode == wanted { Ok(()) } else { Err(mode) })
            })
            .await
        };
        told("STRICT").await?;
        let edit = ["patch", "peerauthentication", "web", "--type=merge", "-n", &namespace.name, "-p"];
        kubectl(&[&edit[..], &[r#"{"spec":{"mtls":{"mode":"DISABLE"}}}"#]].concat(), "").await?;
        told("STRICT").await?;
        namespace.apply("web", podinfo(json!({"network": {"mtls": "Permissive"}}))).await?;
        told("PERMISSIVE").await?;
        namespace.apply("web", podinfo(json!({}))).await?;
        told("").await?;
        kubectl(&["delete", "crd", "peerauthentications.security.istio.io"], "").await?;
        Ok(())
    })
    .await
}

/// Pain 26, and what must never be: a route that needs a sign-in, open.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_route_that_needs_a_sign_in_waits_for_it() -> Result<()> {
    in_namespace("policies", |namespace| async move {
        let name = namespace.name.clone();
        let class = json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "MicroserviceClass", "metadata": {"name": name},
            "spec": {"gateway": {"policies": "EnvoyGateway", "parentRefs": [{"name": "edge", "namespace": name}], "domain": "{name}.example.com"}},
        });
        kubectl(&["apply", "-f", "-"], &class.to_string()).await?;
        let policies = json!({"auth": {"jwt": {"issuer": "https://id.example.com"}}});
        let service = podinfo(json!({"className": name, "routes": [{"name": "public"}], "policies": policies}));
        namespace.apply("web", service).await?;
        namespace
            .until("web", "the kind is missing", |_, status| {
                condition(status, "Stalled").is_some_and(|stalled| {
                    stalled.message.contains("spec.policies.auth needs the kind SecurityPolicy")
                }) && condition(status, "PoliciesApplied").is_some_and(|applied| applied.reason == "NotMade")
            })
            .await?;
        let place = ["-n", &*name];
        let routes = kubectl(&[&["get", "httproutes", "-o", "name"], &place[..]].concat(), "").await?;
        ensure!(routes.is_empty(), "{routes}");

        let group = "gateway.envoyproxy.io";
        kubectl(&["apply", "-f", "-"], &definition(group, "v1alpha1", "SecurityPolicy", "securitypolicies")).await?;
        namespace
            .until("web", "no gateway has answered", |_, status| {
                condition(status, "PoliciesApplied").is_some_and(|applied| applied.reason == "Pending")
            })
            .await?;
        let read = "jsonpath={.spec.targetRefs[0].name} {.spec.jwt.providers[0].remoteJWKS.uri}";
        let policy = kubectl(&[&["get", "securitypolicy", "web", "-o", read], &place[..]].concat(), "").await?;
        ensure!(policy == "web-public https://id.example.com/.well-known/jwks.json", "{policy}");
        ensure!(kubectl(&[&["get", "httproute", "web-public"], &place[..]].concat(), "").await.is_ok());

        // What a gateway says (GEP-713).
        let says = |status: &str| {
            let accepted = json!({"type": "Accepted", "status": status, "message": "no such issuer"});
            json!({"status": {"ancestors": [{"conditions": [accepted]}]}}).to_string()
        };
        let write = ["patch", "securitypolicy", "web", "--subresource=status", "--type=merge", "-p"];
        for (status, reason) in [("False", "Refused"), ("True", "Accepted")] {
            kubectl(&[&write[..], &[&says(status)], &place[..]].concat(), "").await?;
            namespace
                .until("web", reason, |_, status| {
                    condition(status, "PoliciesApplied").is_some_and(|applied| applied.reason == reason)
                })
                .await?;
        }
        kubectl(&["delete", "crd", &format!("securitypolicies.{group}")], "").await?;
        kubectl(&["delete", "msvcclass", &name], "").await.map(drop)
    })
    .await
}

/// Pain 3: a route is the user's, and of it only the backend is ours.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn routes_keep_their_rules_and_two_claims_are_told() -> Result<()> {
    in_namespace("routes", |namespace| async move {
        let host = format!("{}.example.com", namespace.name);
        let rules = json!([{"matches": [{"path": {"type": "PathPrefix", "value": "/v1"}}],
            "filters": [{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [{"name": "x", "value": "y"}]}}],
            "timeouts": {"request": "10s"}}]);
        let route = json!([{"name": "public", "hostnames": [host], "parentRefs": [{"name": "edge"}], "rules": rules}]);
        namespace.apply("first", podinfo(json!({"routes": route}))).await?;
        let made = namespace
            .until("first", "no gateway has answered", |_, status| {
                condition(status, "RoutesAccepted").is_some_and(|found| found.reason == "Pending")
            })
            .await?;
        ensure!(made.status.unwrap().url.as_deref() == Some(&*format!("http://{host}")));
        let live = kubectl(&["get", "httproute", "first-public", "-n", &namespace.name, "-o", "json"], "").await?;
        let live: Value = serde_json::from_str(&live)?;
        let rule = &live["spec"]["rules"][0];
        ensure!(rule["backendRefs"][0]["name"] == "first" && rule["backendRefs"][0]["port"] == 9898, "{rule}");
        for field in ["matches", "filters", "timeouts"] {
            ensure!(rule[field] == rules[0][field], "{field}: {rule}");
        }

        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        namespace.apply("second", podinfo(json!({"routes": route}))).await?;
        let second = namespace
            .until("second", "the claim is taken", |_, status| {
                condition(status, "Stalled").is_some_and(|found| found.reason == "RouteConflict")
            })
            .await?;
        let status = second.status.unwrap();
        let said = &condition(&status, "Stalled").unwrap().message;
        ensure!(said.contains(&format!("{}/first", namespace.name)) && said.contains(&host), "{said}");
        namespace
            .until("first", "the other is named", |_, status| {
                condition(status, "RoutesAccepted").is_some_and(|found| found.message.contains("/second wants"))
            })
            .await?;
        ensure!(kubectl(&["get", "httproute", "second-public", "-n", &namespace.name], "").await.is_err());

        namespace.api::<Microservice>().delete("first", &kube::api::DeleteParams::background()).await?;
        let place = &namespace.name;
        eventually("the second has its route", || async move {
            let found = kubectl(&["get", "httproute", "second-public", "-n", place], "").await;
            Ok(found.map(drop).map_err(|error| error.to_string()))
        })
        .await
        .context("the way is free as soon as the first goes")
    })
    .await
}

/// A route that brings its certificate has listeners of its own, beside those of the gateway.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_route_brings_its_certificate() -> Result<()> {
    in_namespace("tls", |namespace| async move {
        let host = format!("{}.example.com", namespace.name);
        let route = |tls: Value| {
            json!([{"name": "public", "hostnames": [host], "parentRefs": [{"name": "edge", "namespace": "infra"}], "tls": tls}])
        };
        namespace.apply("web", podinfo(json!({"routes": route(json!({"mode": "Secret", "secretName": "mine"}))}))).await?;
        let made = namespace
            .until("web", "the route is made", |_, status| {
                status.url.as_ref().is_some_and(|url| url.starts_with("https://"))
            })
            .await?;
        ensure!(made.status.unwrap().url.as_deref() == Some(&*format!("https://{host}")));
        let read = |kind: &'static str| {
            let place = namespace.name.clone();
            async move {
                let text = kubectl(&["get", kind, "web-public", "-n", &place, "-o", "json"], "").await?;
                anyhow::Ok(serde_json::from_str::<Value>(&text)?)
            }
        };
        let set = read("listenerset").await?;
        let listener = &set["spec"]["listeners"][0];
        ensure!(listener["hostname"] == host && listener["tls"]["certificateRefs"][0]["name"] == "mine", "{set}");
        ensure!(read("httproute").await?["spec"]["parentRefs"][0]["kind"] == "ListenerSet");

        namespace.apply("web", podinfo(json!({"routes": route(json!({"mode": "Certificate"}))}))).await?;
        namespace
            .until("web", "cert-manager is missing", |_, status| {
                condition(status, "Stalled").is_some_and(|found| {
                    found.reason == "MissingCapability" && found.message.contains("needs the kind Certificate")
                })
            })
            .await?;
        namespace.apply("web", podinfo(json!({"routes": route(json!({"mode": "None"}))}))).await?;
        namespace
            .until("web", "it is served by the gateway again", |_, status| {
                status.url.as_ref().is_some_and(|url| url.starts_with("http://"))
            })
            .await?;
        ensure!(read("listenerset").await.is_err(), "what is no longer needed is pruned");
        Ok(())
    })
    .await
}

/// A gateway's refusal is on the object, in its own words.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn what_a_gateway_says_is_shown() -> Result<()> {
    in_namespace("refused", |namespace| async move {
        let route = json!([{"name": "public", "parentRefs": [{"name": "edge"}]}]);
        namespace.apply("web", podinfo(json!({"routes": route}))).await?;
        let place = &namespace.name;
        eventually("the route is made", || async move {
            let found = kubectl(&["get", "httproute", "web-public", "-n", place], "").await;
            Ok(found.map(drop).map_err(|error| error.to_string()))
        })
        .await?;
        let answer = |accepted: &str, message: &str| {
            json!({"status": {"parents": [{"parentRef": {"name": "edge"}, "controllerName": "example.com/test",
                "conditions": [{"type": "Accepted", "status": accepted, "reason": "Test", "message": message,
                    "lastTransitionTime": "2026-01-01T00:00:00Z"}]}]}})
            .to_string()
        };
        let say = |text: String| async move {
            kubectl(&["patch", "httproute", "web-public", "--subresource=status", "--type=merge", "-p", &text, "-n", place], "").await
        };
        say(answer("False", "no listener has that port")).await?;
        namespace
            .until("web", "the refusal", |_, status| {
                condition(status, "RoutesAccepted").is_some_and(|found| {
                    found.status == "False" && found.message.contains("gateway edge: no listener has that port")
                })
            })
            .await?;
        say(answer("True", "")).await?;
        namespace
            .until("web", "the consent", |_, status| {
                condition(status, "RoutesAccepted").is_some_and(|found| found.status == "True")
            })
            .await?;
        Ok(())
    })
    .await
}
