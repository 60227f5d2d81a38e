//! The shop on a cluster, and what a person with kubectl does to it.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_STANDARD};
use flotilla_checker::{
    drive::Doors,
    read::{Mails, Places},
};
use flotilla_shop::walk::{Client, Version};
use flotilla_testbed::{Forward, Kubectl};
use serde_json::{Value, json};

/// What runs the gateway.
pub(crate) const GATEWAY: &str = "shop-flotilla";

/// Where the shop is.
const SHOP: Kubectl = Kubectl::new("shop");

/// How long a pod may take until it serves.
const PATIENCE: Duration = Duration::from_secs(240);

/// What kubectl prints.
pub(crate) fn kubectl(arguments: &[&str]) -> String {
    SHOP.output(arguments).unwrap_or_else(|error| panic!("{error}"))
}

fn secret(name: &str, key: &str) -> String {
    let encoded = kubectl(&["get", "secret", name, &format!("--output=jsonpath={{.data.{key}}}")]);
    String::from_utf8(BASE64_STANDARD.decode(encoded).unwrap()).unwrap()
}

/// The ways into it.
pub(crate) struct Ways {
    front: Forward,
    provider: Forward,
    inbox: Forward,
    postgres: Forward,
    broker: Forward,
}

impl Ways {
    pub(crate) fn open() -> Self {
        let to = |service: &str, port| Forward::to(|| SHOP.command(), service, port).unwrap();
        Self {
            front: to(GATEWAY, 80),
            provider: to("paysim", 8080),
            inbox: to("sink", 8080),
            postgres: to("postgres", 5432),
            broker: to("rabbitmq", 5672),
        }
    }

    pub(crate) fn doors(&self) -> Doors {
        Doors {
            front: self.front.address(),
            provider: self.provider.address(),
            inbox: self.inbox.address(),
            // What the user-service goes by when it is told nothing.
            grace: Duration::from_secs(10),
        }
    }

    pub(crate) fn places(&self) -> Places {
        let password = secret("postgres", "POSTGRES_PASSWORD");
        let database =
            |name: &str| format!("postgres://postgres:{password}@{}/{name}", self.postgres.address());
        let (user, password) =
            (secret("rabbitmq", "RABBITMQ_DEFAULT_USER"), secret("rabbitmq", "RABBITMQ_DEFAULT_PASS"));
        let inbox = format!("http://{}", self.inbox.address()).parse().unwrap();
        Places {
            databases: [
                ("users", database("user_service")),
                ("products", database("product_service")),
                ("orders", database("order_service")),
                ("notifications", database("notification_service")),
                ("bus", database("bus")),
            ]
            .into(),
            bus: format!("amqp://{user}:{password}@{}/%2f", self.broker.address()),
            mails: Mails::Inbox(Box::new(Client::new(&inbox, Version::Http1, None).unwrap())),
        }
    }
}

/// Gives a service another version, which replaces its pods.
pub(crate) fn update(service: &str) {
    let variable = json!({"name": format!("UPDATED_{}", now()), "value": "1"});
    let variable = json!([{"op": "add", "path": "/spec/env/-", "value": variable}]);
    kubectl(&["patch", "msvc", service, "--type=json", "--patch", &variable.to_string()]);
    ready(service);
}

/// The same for the gateway, which is the operator's.
pub(crate) fn update_gateway() {
    let annotation = json!({"spec": {"infrastructure": {"annotations": {"example.com/updated": now()}}}});
    let before = generation();
    kubectl(&["patch", "gateway", "shop", "--type=merge", "--patch", &annotation.to_string()]);
    eventually("the gateway is not updated", || generation() > before);
    ready(GATEWAY);
}

/// What no update before this one had.
fn now() -> String {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().to_string()
}

fn generation() -> i64 {
    object("deployment", GATEWAY)["metadata"]["generation"].as_i64().unwrap()
}

fn object(kind: &str, name: &str) -> Value {
    serde_json::from_str(&kubectl(&["get", kind, name, "--output=json"])).unwrap()
}

/// Kills one pod of a service, and waits until there is another in its place.
pub(crate) fn kill(service: &str) {
    let selector = format!("--selector=app.kubernetes.io/name={service}");
    let pods = kubectl(&["get", "pods", &selector, "--output=json"]);
    let pods: Value = serde_json::from_str(&pods).unwrap();
    let pod = one_that_stays(&pods).unwrap_or_else(|| panic!("{service} has no pod: {pods}"));
    kubectl(&["delete", "pod", pod, "--grace-period=0", "--force"]);
    ready(service);
}

/// A pod that was not told to go. One that was may be gone by the time somebody kills it, and killing it shows little.
fn one_that_stays(pods: &Value) -> Option<&str> {
    let pods = pods["items"].as_array()?;
    pods.iter().map(|pod| &pod["metadata"]).find(|meta| meta["deletionTimestamp"].is_null())?["name"].as_str()
}

/// Waits until a service is as its object says, and all of its pods serve.
fn ready(service: &str) {
    eventually(&format!("{service} is not ready"), || {
        let object = object("msvc", service);
        let is_seen = object["status"]["observedGeneration"] == object["metadata"]["generation"];
        let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
        is_seen
            && conditions
                .iter()
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    });
    let kind =
        if matches!(service, "postgres" | "rabbitmq" | "paysim") { "statefulset" } else { "deployment" };
    kubectl(&["rollout", "status", &format!("{kind}/{service}"), "--timeout=240s"]);
}

fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(250));
    }
}

#[test]
fn a_pod_that_is_going_is_not_killed() {
    let pods = json!({"items": [
        {"metadata": {"name": "old", "deletionTimestamp": "2026-01-01T00:00:00Z"}},
        {"metadata": {"name": "new"}},
    ]});
    assert_eq!(one_that_stays(&pods), Some("new"));
    assert_eq!(one_that_stays(&json!({"items": [pods["items"][0]]})), None);
}
