//! Gateways of the class `flotilla`, from the objects of the Gateway API to an answer, with real pods.

use anyhow::{Context, Result, bail, ensure};
use flotilla_crds::{
    gateway_api::{Gateway, HttpRoute},
    v1alpha1::{Microservice, TrafficPolicy},
};
use flotilla_e2e::{PODINFO, Prober, TestNamespace, eventually, in_namespace, kubectl, stays};
use k8s_openapi::{
    api::{
        authentication::v1::{TokenRequest, TokenRequestSpec},
        core::v1::{Pod, Secret, Service, ServiceAccount},
        discovery::v1::EndpointSlice,
    },
    apimachinery::pkg::apis::meta::v1::Condition,
};
use kube::{
    Api, Client, Config,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::{Value, json};

/// What runs the gateway `web`.
const RUNS: &str = "web-flotilla";

/// The name of its port 8080.
const PORT: &str = "tcp-8080";

fn gateway() -> Value {
    json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "web"},
        "spec": {
            "gatewayClassName": "flotilla",
            "listeners": [{"name": "http", "port": 8080, "protocol": "HTTP"}],
        },
    })
}

fn shop() -> Value {
    json!({
        "image": PODINFO,
        "ports": [{"name": "http", "port": 9898, "protocol": "HTTP"}],
        "probes": {"readiness": {"http": {"path": "/readyz"}, "periodSeconds": 1}},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}},
        "lifecycle": {"drainSeconds": 3},
        "routes": [{"name": "public", "parentRefs": [{"name": "web"}]}],
    })
}

async fn apply(namespace: &TestNamespace, object: &Value) -> Result<()> {
    let arguments = ["apply", "--server-side", "-n", &namespace.name, "-f", "-"];
    kubectl(&arguments, &object.to_string()).await.map(drop)
}

/// Waits until the gateway answers a request for this path with this.
async fn answers(namespace: &TestNamespace, path: &str, part: &str) -> Result<()> {
    namespace.until_says(&format!("{RUNS}:{PORT}"), path, part).await
}

fn holds(conditions: &[Condition], type_: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == type_ && condition.status == "True")
}

async fn until_programmed(namespace: &TestNamespace) -> Result<Gateway> {
    let api: Api<Gateway> = namespace.api();
    let api = &api;
    eventually("the gateway is programmed", || async move {
        let gateway = api.get("web").await?;
        let status = gateway.status.clone().unwrap_or_default();
        let is_done = holds(status.conditions.as_deref().unwrap_or_default(), "Programmed");
        Ok(if is_done { Ok(gateway) } else { Err(status) })
    })
    .await
}

/// One Microservice with a route and one Gateway are all that it takes; and what runs it is kept, and goes with it.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_gateway_is_a_microservice_that_serves_routes() -> Result<()> {
    in_namespace("gateway", |namespace| {
        Box::pin(async move {
            apply(&namespace, &gateway()).await?;
            namespace.apply("shop", shop()).await?;
            let programmed = until_programmed(&namespace).await?;
            let status = programmed.status.context("a status")?;
            ensure!(status.addresses.as_ref().is_some_and(|found| !found.is_empty()), "{status:?}");
            let runs = namespace.until_ready(RUNS).await?;
            ensure!(runs.spec.ports.is_empty(), "a change of listeners must replace no pod");
            namespace.until_ready("shop").await?;
            answers(&namespace, "/version", "version").await?;
            let gateway = namespace.api::<Gateway>().get("web").await?.status.context("a status")?;
            let attached: Vec<_> =
                gateway.listeners.iter().flatten().map(|listener| listener.attached_routes).collect();
            ensure!(attached == [1], "{attached:?}");

            // A listener more is a port more, and no pod is replaced for it.
            let pods =
                |pods: Vec<Pod>| pods.into_iter().filter_map(|pod| pod.metadata.uid).collect::<Vec<_>>();
            let before = pods(namespace.pods(RUNS).await?);
            let mut more = self::gateway();
            let listeners = more["spec"]["listeners"].as_array_mut().context("listeners")?;
            listeners.push(json!({"name": "other", "port": 80, "protocol": "HTTP"}));
            apply(&namespace, &more).await?;
            eventually("the Service has the other port", || async {
                let service = namespace.api::<Service>().get(RUNS).await?;
                let ports = service.spec.and_then(|spec| spec.ports).unwrap_or_default();
                Ok(if ports.len() == 2 { Ok(()) } else { Err(ports) })
            })
            .await?;
            ensure!(pods(namespace.pods(RUNS).await?) == before, "pods were replaced");

            namespace.api::<Service>().delete(RUNS, &DeleteParams::default()).await?;
            eventually("the Service is made again", || async {
                Ok(namespace.api::<Service>().get_opt(RUNS).await?.ok_or("there is none"))
            })
            .await?;
            answers(&namespace, "/version", "version").await?;

            namespace.api::<Gateway>().delete("web", &DeleteParams::background()).await?;
            eventually("what ran the gateway is gone", || async {
                let runs = namespace.api::<Microservice>().get_opt(RUNS).await?;
                let secret = namespace.api::<Secret>().get_opt(RUNS).await?;
                let route = namespace.api::<HttpRoute>().get("shop-public").await?;
                let parents = route.status.map(|status| status.parents).unwrap_or_default();
                let is_gone = runs.is_none() && secret.is_none() && parents.is_empty();
                Ok(if is_gone { Ok(()) } else { Err((runs.is_some(), secret.is_some(), parents)) })
            })
            .await
        })
    })
    .await
}

/// A gateway that was taken over gives nothing away: its token reads its own configuration, sees endpoints, and no more.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_gateway_may_read_its_own_configuration_and_endpoints_alone() -> Result<()> {
    in_namespace("gateway-rights", |namespace| {
        Box::pin(async move {
            apply(&namespace, &gateway()).await?;
            until_programmed(&namespace).await?;
            let request = TokenRequest {
                spec: TokenRequestSpec { expiration_seconds: Some(600), ..TokenRequestSpec::default() },
                ..TokenRequest::default()
            };
            let accounts: Api<ServiceAccount> = namespace.api();
            let issued = accounts.create_token_request(RUNS, &PostParams::default(), &request).await?;
            let mut config = Config::infer().await?;
            config.auth_info = kube::config::AuthInfo {
                token: Some(issued.status.context("a token")?.token.into()),
                ..kube::config::AuthInfo::default()
            };
            let gateway = Client::try_from(config)?;

            let secrets: Api<Secret> = Api::namespaced(gateway.clone(), &namespace.name);
            let own = secrets.get(RUNS).await.context("its own configuration")?;
            ensure!(own.data.is_some_and(|data| data.contains_key("index.json")));
            let slices: Api<EndpointSlice> = Api::all(gateway.clone());
            slices.list(&ListParams::default().limit(1)).await.context("endpoints")?;

            let refused = |what: &str, result: Result<(), kube::Error>| match result {
                Err(kube::Error::Api(status)) if status.code == 403 => Ok(()),
                other => bail!("{what}: {other:?}"),
            };
            let all: Api<Secret> = Api::all(gateway.clone());
            refused("all Secrets", all.list(&ListParams::default()).await.map(drop))?;
            refused("its namespace's Secrets", secrets.list(&ListParams::default()).await.map(drop))?;
            refused("another Secret", secrets.get("another").await.map(drop))?;
            refused("its own, to delete it", secrets.delete(RUNS, &DeleteParams::default()).await.map(drop))?;
            let pods: Api<Pod> = Api::namespaced(gateway.clone(), &namespace.name);
            refused("pods", pods.list(&ListParams::default()).await.map(drop))?;
            let gateways: Api<Gateway> = Api::namespaced(gateway, &namespace.name);
            refused("gateways", gateways.get("web").await.map(drop))
        })
    })
    .await
}

/// Zero failed requests while routes change, endpoints roll, and the gateway's own pods are replaced.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn no_request_fails_while_everything_around_it_changes() -> Result<()> {
    in_namespace("gateway-calm", |namespace| {
        Box::pin(async move {
            apply(&namespace, &gateway()).await?;
            let mut spec = shop();
            spec["replicas"] = json!(2);
            namespace.apply("shop", spec.clone()).await?;
            until_programmed(&namespace).await?;
            namespace.until_ready("shop").await?;
            answers(&namespace, "/version", "version").await?;
            let prober = Prober::of_service(&namespace, RUNS, PORT, "/version").await?;

            for round in 0..5 {
                let path = format!("/round-{round}");
                let rule = json!({"matches": [{"path": {"type": "Exact", "value": path}}], "filters": [{
                    "type": "URLRewrite",
                    "urlRewrite": {"path": {"type": "ReplaceFullPath", "replaceFullPath": "/env"}},
                }]});
                spec["routes"][0]["rules"] = json!([rule, {"matches": [{"path": {"value": "/"}}]}]);
                namespace.apply("shop", spec.clone()).await?;
                answers(&namespace, &path, "PATH=").await?;
            }
            // Every endpoint is another afterwards.
            spec["env"] = json!([{"name": "ROUND", "value": "2"}]);
            namespace.apply("shop", spec).await?;
            namespace.until_ready("shop").await?;
            let target = format!("deployment/{RUNS}");
            kubectl(&["rollout", "restart", &target, "-n", &namespace.name], "").await?;
            kubectl(&["rollout", "status", &target, "-n", &namespace.name, "--timeout=120s"], "").await?;

            let answers = prober.end().await?;
            ensure!(answers > 50, "{answers} answers are too few to say anything");
            Ok(())
        })
    })
    .await
}

fn policy(fields: &Value) -> Value {
    let mut spec = json!({"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": "shop-public"}]});
    if let (Some(spec), Some(fields)) = (spec.as_object_mut(), fields.as_object()) {
        spec.extend(fields.clone());
    }
    json!({
        "apiVersion": "flotilla.dev/v1alpha1",
        "kind": "TrafficPolicy",
        "metadata": {"name": "limits"},
        "spec": spec,
    })
}

async fn until_said(namespace: &TestNamespace, name: &str, reason: &str) -> Result<TrafficPolicy> {
    let api: Api<TrafficPolicy> = namespace.api();
    let api = &api;
    eventually(&format!("the policy {name} is {reason}"), || async move {
        let Some(policy) = api.get_opt(name).await? else { return Ok(Err(Vec::new())) };
        let ancestors = policy.status.clone().unwrap_or_default().ancestors;
        let is_said = |condition: &Condition| condition.type_ == "Accepted" && condition.reason == reason;
        let is_done = ancestors.iter().any(|ancestor| ancestor.conditions.iter().any(is_said));
        Ok(if is_done { Ok(policy) } else { Err(ancestors) })
    })
    .await
}

/// With which status the gateway answers. `kubectl` would wait for as long as a 429 asks it to, and so would other clients.
async fn answers_with(namespace: &TestNamespace, path: &str, expected: u16) -> Result<()> {
    let mut config = Config::infer().await?;
    config.default_retry = false;
    let client = &Client::try_from(config)?;
    let path = format!("/api/v1/namespaces/{}/services/{RUNS}:{PORT}/proxy{path}", namespace.name);
    let path = &path;
    eventually(&format!("{path} is answered with {expected}"), || async move {
        let request = http::Request::get(path).body(kube::client::Body::empty())?;
        let status = client.send(request).await?.status().as_u16();
        Ok(if status == expected { Ok(()) } else { Err(status) })
    })
    .await
}

/// A policy holds where it is attached, is closed when it cannot be had, and is written to once.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn a_policy_holds_where_it_is_attached() -> Result<()> {
    in_namespace("gateway-policy", |namespace| {
        Box::pin(async move {
            apply(&namespace, &gateway()).await?;
            namespace.apply("shop", shop()).await?;
            until_programmed(&namespace).await?;
            namespace.until_ready("shop").await?;
            answers(&namespace, "/version", "version").await?;

            // Each pod of the gateway counts for itself, so it takes a few more to have used up all of it.
            apply(&namespace, &policy(&json!({"rateLimits": [{"requests": 2, "per": "hour"}]}))).await?;
            let settled = until_said(&namespace, "limits", "Accepted").await?;
            answers_with(&namespace, "/version", 429).await?;
            let version = settled.metadata.resource_version;
            let api: Api<TrafficPolicy> = namespace.api();
            stays(std::time::Duration::from_secs(5), || async {
                let now = api.get("limits").await?.metadata.resource_version;
                ensure!(now == version, "the status was written again: {now:?}");
                Ok(())
            })
            .await?;

            let provider = json!({"name": "a", "issuer": "a", "jwks": {"configMapRef": {"name": "keys"}}});
            let tokens = policy(&json!({"jwt": {"providers": [provider]}}));
            kubectl(&["delete", "trafficpolicy/limits", "-n", &namespace.name], "").await?;
            apply(&namespace, &tokens).await?;
            until_said(&namespace, "limits", "Invalid").await?;
            answers_with(&namespace, "/version", 500).await?;
            let keys = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
            let keys = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "keys"}, "data": {"jwks.json": keys}});
            apply(&namespace, &keys).await?;
            until_said(&namespace, "limits", "Accepted").await?;
            answers_with(&namespace, "/version", 401).await?;

            kubectl(&["delete", "trafficpolicy/limits", "-n", &namespace.name], "").await?;
            answers(&namespace, "/version", "version").await?;
            let events = kubectl(&["get", "events", "-n", &namespace.name, "-o", "json"], "").await?;
            let events: Value = serde_json::from_str(&events)?;
            let about = |kind: &str, reason: &str| {
                events["items"].as_array().into_iter().flatten().any(|event| {
                    event["involvedObject"]["kind"] == kind && event["reason"] == reason
                })
            };
            ensure!(about("Gateway", "Programmed") && about("TrafficPolicy", "Invalid"), "{events}");
            Ok(())
        })
    })
    .await
}

/// A service's own policies hold at gateways of ours without a class, and nobody comes in before they do.
#[tokio::test]
#[ignore = "needs a cluster: cargo xtask test e2e"]
async fn policies_of_a_service_need_no_class() -> Result<()> {
    in_namespace("gateway-sign-in", |namespace| {
        Box::pin(async move {
            apply(&namespace, &gateway()).await?;
            until_programmed(&namespace).await?;
            let mut spec = shop();
            spec["policies"] = json!({"rateLimit": [{"requests": 100, "per": "second"}]});
            namespace.apply("shop", spec.clone()).await?;
            until_said(&namespace, "shop", "Accepted").await?;
            namespace.until_ready("shop").await?;
            answers(&namespace, "/version", "version").await?;
            spec["policies"]["auth"] = json!({"jwt": {"issuer": "https://id.example.com"}});
            namespace.apply("shop", spec).await?;
            // The keys of this issuer cannot be fetched here; a request without a token is refused all the same.
            answers_with(&namespace, "/version", 401).await?;
            let route: Value = serde_json::to_value(namespace.api::<HttpRoute>().get("shop-public").await?)?;
            let filter = &route["spec"]["rules"][0]["filters"][0]["extensionRef"];
            ensure!(filter["kind"] == "TrafficPolicy" && filter["name"] == "shop", "{route}");
            Ok(())
        })
    })
    .await
}
