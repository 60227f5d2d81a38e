//! The configuration in Secrets: whole, in parts, incomplete, bad, and good again.

use flotilla_gateway_config::package::{INDEX_KEY, PART_KEY, PART_LIMIT, pack};
use http::StatusCode;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use crate::{
    client::{eventually, get},
    gateway::{Gateway, free_address},
    namespace::{SECRET, TestNamespace, in_namespace},
};

/// A configuration that answers by itself: each path leads to another.
fn redirects(port: u16, paths: &[&str]) -> Value {
    let rule = |path: &&str| {
        let to = json!({"hostname": "elsewhere.test", "path": {"replaceFullPath": format!("{path}/there")}});
        json!({"matches": [{"path": {"exact": path}}], "filters": [{"requestRedirect": to}]})
    };
    json!({
        "listeners": [{"name": "web", "port": port, "protocol": "HTTP"}],
        "routes": [{"name": "r", "rules": paths.iter().map(rule).collect::<Vec<_>>()}],
    })
}

async fn refused(gateway: &Gateway, why: &str) {
    let look = async || gateway.status().await["refused"].as_str().unwrap_or_default().to_owned();
    eventually(&format!("the configuration is refused as {why:?}"), look, |found| found.contains(why)).await;
}

async fn serves(gateway: &Gateway, path: &str) {
    gateway.answers(path, 302, "").await;
    // What serves it says so a moment later.
    gateway.ready().await;
    let look = async || gateway.status().await["refused"].clone();
    eventually("nothing is refused", look, Value::is_null).await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn nothing_is_served_before_there_is_a_secret_and_changes_are_taken() {
    in_namespace(async |namespace| {
        let gateway = Gateway::start(namespace).await;
        refused(&gateway, "there is no such Secret").await;
        let (status, why) = gateway.readiness().await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let expected = format!(
            "there is no configuration yet: Secret {}/{SECRET}: there is no such Secret\n",
            namespace.name
        );
        assert_eq!(why, expected);
        assert!(get(gateway.address, "/").await.is_err(), "nobody listens");

        assert_eq!(namespace.configure(&redirects(gateway.port(), &["/a"]), PART_LIMIT).await, 1);
        gateway.ready().await;
        serves(&gateway, "/a").await;
        assert_eq!(gateway.metric("config_loads_total").await, 1);

        namespace.configure(&redirects(gateway.port(), &["/b"]), PART_LIMIT).await;
        serves(&gateway, "/b").await;
        gateway.answers("/a", 404, "").await;
        // What changes nothing is not taken again.
        namespace.write(SECRET, "note", b"touched".to_vec()).await;
        namespace.configure(&redirects(gateway.port(), &["/c"]), PART_LIMIT).await;
        serves(&gateway, "/c").await;
        assert_eq!(gateway.metric("config_load_failures_total").await, 0);

        namespace.secrets().delete(SECRET, &DeleteParams::default()).await.unwrap();
        refused(&gateway, "there is no such Secret").await;
        gateway.answers("/c", 302, "").await;
        assert_eq!(gateway.readiness().await.0, StatusCode::OK, "the last good one stays");
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_configuration_may_be_in_parts() {
    in_namespace(async |namespace| {
        let gateway = Gateway::start(namespace).await;
        let paths: Vec<String> = (0..500).map(|number| format!("/{number}")).collect();
        let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
        let parts = namespace.configure(&redirects(gateway.port(), &paths), 1_024).await;
        assert!((3..=20).contains(&parts), "{parts} parts");
        gateway.ready().await;
        serves(&gateway, "/0").await;
        serves(&gateway, "/499").await;
        // Into one, and back into several.
        namespace.configure(&redirects(gateway.port(), &["/one"]), PART_LIMIT).await;
        serves(&gateway, "/one").await;
        namespace.configure(&redirects(gateway.port(), &paths), 1_024).await;
        serves(&gateway, "/250").await;
    })
    .await;
}

/// Writes the parts of a configuration, or some of them, and the index.
struct Written {
    index: Vec<u8>,
    parts: Vec<(String, Vec<u8>)>,
}

impl Written {
    fn new(config: &Value) -> Self {
        let (index, parts) = pack(SECRET, config.to_string().as_bytes(), 1_024).unwrap();
        let names = index.parts.iter().map(|part| part.name.clone());
        Self { parts: names.zip(parts).collect(), index: serde_json::to_vec(&index).unwrap() }
    }

    async fn part(&self, namespace: &TestNamespace, number: usize) {
        let (name, bytes) = &self.parts[number];
        namespace.write(name, PART_KEY, bytes.clone()).await;
    }

    async fn index(&self, namespace: &TestNamespace) {
        namespace.write(SECRET, INDEX_KEY, self.index.clone()).await;
    }
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn until_all_parts_fit_the_last_whole_stays() {
    in_namespace(async |namespace| {
        let gateway = Gateway::start(namespace).await;
        let config = |prefix: &str| {
            let paths: Vec<String> = (0..150).map(|number| format!("/{prefix}{number}")).collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            Written::new(&redirects(gateway.port(), &paths))
        };
        let (first, second) = (config("a"), config("b"));
        assert!(first.parts.len() > 1 && first.parts.len() == second.parts.len());

        // The index is there and a part is not.
        for number in 1..first.parts.len() {
            first.part(namespace, number).await;
        }
        first.index(namespace).await;
        refused(&gateway, "Secret gateway-0 cannot be read").await;
        assert!(gateway.readiness().await.1.contains("gateway-0"));
        first.part(namespace, 0).await;
        serves(&gateway, "/a0").await;
        let before = gateway.metric("config_incomplete_total").await;
        assert!(before > 0);

        // A part is being rewritten; whoever has the whole keeps it, as nothing tells of it.
        second.part(namespace, 0).await;
        serves(&gateway, "/a149").await;
        assert_eq!(gateway.metric("config_incomplete_total").await, before);

        // The index is there before its last part.
        second.index(namespace).await;
        refused(&gateway, "part.json.gz of Secret gateway-1: its SHA-256 is").await;
        eventually(
            "it counts that parts do not fit",
            async || gateway.metric("config_incomplete_total").await,
            // It is tried again by itself.
            |count| *count > before + 2,
        )
        .await;
        gateway.answers("/a0", 302, "").await;
        gateway.answers("/b0", 404, "").await;
        assert_eq!(gateway.readiness().await.0, StatusCode::OK);
        for number in 1..second.parts.len() {
            second.part(namespace, number).await;
        }
        serves(&gateway, "/b149").await;
        gateway.answers("/a0", 404, "").await;
        assert_eq!(gateway.metric("config_loads_total").await, 2);
        assert_eq!(gateway.metric("config_load_failures_total").await, 0);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn what_is_bad_is_refused_as_a_whole_and_named() {
    in_namespace(async |namespace| {
        let gateway = Gateway::start(namespace).await;
        let good = redirects(gateway.port(), &["/good"]);
        namespace.configure(&good, PART_LIMIT).await;
        serves(&gateway, "/good").await;

        let mut failures = 0;
        let mut unknown = redirects(gateway.port(), &["/bad"]);
        unknown["routs"] = json!([]);
        let mut dangling = redirects(gateway.port(), &["/bad"]);
        dangling["routes"][0]["rules"][0]["backends"] = json!([{"backend": "nobody"}]);
        let mut key = redirects(gateway.port(), &["/bad"]);
        key["listeners"] =
            json!([{"name": "s", "port": 1, "protocol": "HTTPS", "tls": {"certificates": ["c"]}}]);
        key["certificates"] = json!({"c": {"chain": "-----BEGIN", "key": "nothing"}});
        for (bad, why) in [
            (json!("text"), "invalid type: string \"text\""),
            (unknown, "unknown field `routs`"),
            (dangling, "routes[0].rules[0].backends[0].backend: there is no backend"),
            (key, "listeners[s].tls.certificates: there is no certificate in it"),
        ] {
            failures += 1;
            namespace.configure(&bad, PART_LIMIT).await;
            refused(&gateway, why).await;
            assert_eq!(gateway.metric("config_load_failures_total").await, failures, "{why}");
            gateway.answers("/good", 302, "").await;
            gateway.answers("/bad", 404, "").await;
        }

        for (index, why) in [
            (json!({"version": "1"}).to_string(), "index.json: missing field `parts`"),
            (
                json!({"version": "1", "parts": []}).to_string(),
                "index.json: the SHA-256 of all parts is e3b0c442",
            ),
            ("{".to_owned(), "index.json: EOF"),
        ] {
            failures += 1;
            namespace.write(SECRET, INDEX_KEY, index.into_bytes()).await;
            refused(&gateway, why).await;
            assert_eq!(gateway.metric("config_load_failures_total").await, failures, "{why}");
        }
        gateway.answers("/good", 302, "").await;
        assert_eq!(gateway.readiness().await.0, StatusCode::OK);
        namespace.configure(&redirects(gateway.port(), &["/better"]), PART_LIMIT).await;
        serves(&gateway, "/better").await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_port_that_somebody_has_is_taken_when_it_is_free() {
    in_namespace(async |namespace| {
        let gateway = Gateway::start(namespace).await;
        let other = std::net::TcpListener::bind(gateway.address).unwrap();
        namespace.configure(&redirects(gateway.port(), &["/a"]), PART_LIMIT).await;
        refused(&gateway, "listeners: cannot listen at").await;
        assert!(gateway.readiness().await.1.contains(&gateway.address.to_string()));
        drop(other);
        serves(&gateway, "/a").await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn flags_that_do_not_fit_are_refused() {
    in_namespace(async |namespace| {
        let program = |arguments: &[&str]| {
            let output =
                std::process::Command::new(env!("CARGO_BIN_EXE_api-gateway")).args(arguments).output();
            String::from_utf8_lossy(&output.unwrap().stderr).into_owned()
        };
        let secret = format!("{}/{SECRET}", namespace.name);
        let both = program(&["--config", "a.yaml", "--config-secret", &secret]);
        assert!(both.contains("cannot be used with"), "{both}");
        let bad = program(&["--config-secret", SECRET, "--admin", &free_address().to_string()]);
        assert!(bad.contains("write NAMESPACE/NAME"), "{bad}");
    })
    .await;
}
