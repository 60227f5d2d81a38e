//! The provider over real connections: what it does with keys, how it fails, and what its webhooks are like.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, http::HeaderMap, routing::post};
use bytes::Bytes;
use flotilla_kit::{Secret, drain::Announcement, serve::serve};
use flotilla_paysim::{
    http,
    journal::Journal,
    provider::Provider,
    webhook::{Endpoint, Webhooks, sign},
};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::sleep};

type Heard = Arc<Mutex<Vec<(String, String)>>>;

struct Shop {
    address: String,
    heard: Heard,
    /// How many webhooks to refuse yet.
    refuse: Arc<Mutex<u32>>,
    _end: (Announcement, Announcement),
}

async fn listen(router: Router) -> (String, Announcement) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let announcement = Announcement::default();
    tokio::spawn(serve(listener, router, announcement.hear()));
    (address, announcement)
}

async fn shop() -> Shop {
    let (heard, refuse) = (Heard::default(), Arc::new(Mutex::new(0)));
    let secret = Secret::new("whsec_test".to_owned());
    let handler = {
        let (heard, refuse, secret) = (Arc::clone(&heard), Arc::clone(&refuse), secret.clone());
        move |headers: HeaderMap, body: Bytes| async move {
            let signature = headers["stripe-signature"].to_str().unwrap().to_owned();
            let seconds = signature.split(['=', ',']).nth(1).unwrap().parse().unwrap();
            assert_eq!(signature, sign(&secret, &body, seconds));
            let event: Value = serde_json::from_slice(&body).unwrap();
            let mut refuse = refuse.lock().unwrap();
            if *refuse > 0 {
                *refuse -= 1;
                return axum::http::StatusCode::SERVICE_UNAVAILABLE;
            }
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            heard.lock().unwrap().push((text(&event["id"]), text(&event["type"])));
            axum::http::StatusCode::OK
        }
    };
    let (merchant, end) = listen(Router::new().route("/hook", post(handler))).await;
    let endpoint = Endpoint {
        url: format!("{merchant}/hook").parse().unwrap(),
        secret,
        delays: vec![Duration::from_millis(50); 5],
    };
    let provider = Provider::new(Secret::new("sk_test".to_owned()), Webhooks::new(Some(endpoint)));
    let (address, also) = listen(http::router(provider)).await;
    Shop { address, heard, refuse, _end: (end, also) }
}

/// Status, body, and whether it is a replay. Nothing: there was no whole answer.
type Answer = Option<(u16, Value, bool)>;

impl Shop {
    async fn send(&self, method: &str, path: &str, key: Option<&str>, kind: &str, body: String) -> Answer {
        let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
        let mut request = ::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.address))
            .header("authorization", "Bearer sk_test")
            .header("content-type", kind);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let response = client.request(request.body(Full::new(body.into())).unwrap()).await.ok()?;
        let (status, replay) =
            (response.status().as_u16(), response.headers().contains_key("idempotent-replayed"));
        let body = response.into_body().collect().await.ok()?.to_bytes();
        Some((status, serde_json::from_slice(&body).unwrap_or_default(), replay))
    }

    async fn post(&self, path: &str, key: &str, form: &str) -> Answer {
        self.send("POST", path, Some(key), "application/x-www-form-urlencoded", form.to_owned()).await
    }

    async fn fault(&self, operation: &str, effect: Value) {
        let fault = json!({ "operation": operation, "effect": effect });
        let answer = self.send("POST", "/paysim/faults", None, "application/json", fault.to_string()).await;
        assert_eq!(answer.unwrap().0, 204);
    }

    async fn intent(&self, card: &str) -> String {
        let form = format!("amount=4980&currency=eur&capture_method=manual&payment_method={card}");
        let (status, body, _) =
            self.post("/v1/payment_intents", &uuid::Uuid::now_v7().to_string(), &form).await.unwrap();
        assert_eq!(status, 200, "{body}");
        body["id"].as_str().unwrap().to_owned()
    }

    async fn captures(&self) -> usize {
        let (_, ledger, _) = self.send("GET", "/paysim/ledger", None, "", String::new()).await.unwrap();
        ledger["entries"].as_array().unwrap().iter().filter(|entry| entry["movement"] == "capture").count()
    }

    async fn held(&self) -> String {
        let id = self.intent("pm_card_visa").await;
        let answer = self.post(&format!("/v1/payment_intents/{id}/confirm"), &format!("auth:{id}"), "").await;
        assert_eq!(answer.unwrap().1["status"], "requires_capture");
        id
    }

    async fn heard(&self, count: usize) -> Vec<(String, String)> {
        for _ in 0..400 {
            if self.heard.lock().unwrap().len() >= count {
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
        self.heard.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn a_key_gives_the_first_answer_again_and_takes_no_other_request() {
    let shop = shop().await;
    let form = "amount=4980&currency=eur&capture_method=manual";
    let (_, first, is_replay) = shop.post("/v1/payment_intents", "k", form).await.unwrap();
    assert!(!is_replay);
    let (status, again, is_replay) = shop.post("/v1/payment_intents", "k", form).await.unwrap();
    assert_eq!((status, &again, is_replay), (200, &first, true));
    let (status, other, _) = shop.post("/v1/payment_intents", "k", "amount=1&currency=eur").await.unwrap();
    assert_eq!((status, &other["error"]["type"]), (400, &json!("idempotency_error")));
    // After a day a key is a new one.
    assert_eq!(shop.send("DELETE", "/paysim/keys", None, "", String::new()).await.unwrap().0, 204);
    let (status, other, is_replay) = shop.post("/v1/payment_intents", "k", form).await.unwrap();
    assert_eq!((status, other["id"] == first["id"], is_replay), (200, false, false));
    // What had not begun leaves the key to a request that is right.
    assert_eq!(shop.post("/v1/payment_intents", "v", "amount=many&currency=eur").await.unwrap().0, 400);
    assert_eq!(shop.post("/v1/payment_intents", "v", form).await.unwrap().0, 200);
}

#[tokio::test]
async fn a_key_in_flight_is_a_conflict() {
    let shop = Arc::new(shop().await);
    let id = shop.held().await;
    shop.fault("capture", json!({ "kind": "slow", "milliseconds": 3_000 })).await;
    let path = format!("/v1/payment_intents/{id}/capture");
    let (other, also) = (Arc::clone(&shop), path.clone());
    let slow = tokio::spawn(async move { other.post(&also, "cap", "").await });
    sleep(Duration::from_millis(500)).await;
    let (status, body, _) = shop.post(&path, "cap", "").await.unwrap();
    assert_eq!((status, &body["error"]["code"]), (409, &json!("idempotency_key_in_use")));
    assert_eq!(slow.await.unwrap().unwrap().0, 200);
    assert!(shop.post(&path, "cap", "").await.unwrap().2);
    assert_eq!(shop.captures().await, 1);
}

#[tokio::test]
async fn a_failure_after_the_effect_is_repeated_and_so_is_one_before_it() {
    let shop = shop().await;
    for (kind, captures) in [("fail_after", 1), ("fail_before", 1)] {
        let id = shop.held().await;
        shop.fault("capture", json!({ "kind": kind })).await;
        let (path, key) = (format!("/v1/payment_intents/{id}/capture"), format!("cap:{id}"));
        for is_replay in [false, true, true] {
            let (status, _, replayed) = shop.post(&path, &key, "").await.unwrap();
            assert_eq!((status, replayed), (500, is_replay));
        }
        assert_eq!(shop.captures().await, captures, "{kind}");
    }
}

#[tokio::test]
async fn an_answer_that_is_dropped_leaves_its_effect() {
    let shop = shop().await;
    let id = shop.held().await;
    shop.fault("capture", json!({ "kind": "drop_answer" })).await;
    let path = format!("/v1/payment_intents/{id}/capture");
    assert_eq!(shop.post(&path, "cap", "").await, None);
    assert_eq!(shop.captures().await, 1);
    let (status, body, is_replay) = shop.post(&path, "cap", "").await.unwrap();
    assert_eq!((status, &body["status"], is_replay), (200, &json!("succeeded"), true));
    assert_eq!(shop.captures().await, 1);
}

/// One that knows what its journal says, at a new address.
async fn reopened(journal: &Path) -> Shop {
    let (journal, ledger, keys) = Journal::open(journal).unwrap();
    let (secret, webhooks) = (Secret::new("sk_test".to_owned()), Webhooks::new(None));
    let provider = Provider::with_journal(secret, webhooks, journal, ledger, keys);
    let (address, end) = listen(http::router(provider)).await;
    Shop { address, heard: Heard::default(), refuse: Arc::default(), _end: (end, Announcement::default()) }
}

#[tokio::test]
async fn a_provider_that_was_away_knows_all_that_it_did_and_answers_each_key_as_before() {
    let path = std::env::temp_dir().join(format!("paysim-{}", uuid::Uuid::now_v7()));
    let shop = reopened(&path).await;
    let held = shop.held().await;
    shop.fault("capture", json!({ "kind": "fail_after" })).await;
    let capture = format!("/v1/payment_intents/{held}/capture");
    assert_eq!(shop.post(&capture, "capture", "").await.unwrap().0, 500);
    let refund = format!("payment_intent={held}&amount=980&metadata[refund_id]=r-1");
    let (_, refunded, _) = shop.post("/v1/refunds", "refund", &refund).await.unwrap();
    let (declined, cancelled) =
        (shop.intent("pm_card_chargeDeclined").await, shop.intent("pm_card_visa").await);
    let confirm = format!("/v1/payment_intents/{declined}/confirm");
    assert_eq!(shop.post(&confirm, "confirm", "").await.unwrap().0, 402);
    let cancel = format!("/v1/payment_intents/{cancelled}/cancel");
    assert_eq!(shop.post(&cancel, "cancel", "").await.unwrap().0, 200);
    let asked = shop.intent("pm_card_authenticationRequired").await;
    shop.post(&format!("/v1/payment_intents/{asked}/confirm"), "asked", "").await.unwrap();
    let known = shop.send("GET", "/paysim/ledger", None, "", String::new()).await.unwrap().1;
    assert_eq!(known["intents"].as_object().unwrap().len(), 4);
    drop(shop);

    let shop = reopened(&path).await;
    assert_eq!(shop.send("GET", "/paysim/ledger", None, "", String::new()).await.unwrap().1, known);
    for (path, key, form, status) in [
        (&capture, "capture", "", 500),
        (&"/v1/refunds".to_owned(), "refund", refund.as_str(), 200),
        (&confirm, "confirm", "", 402),
        (&cancel, "cancel", "", 200),
    ] {
        let (answered, body, is_replay) = shop.post(path, key, form).await.unwrap();
        assert_eq!((answered, is_replay), (status, true), "{key}: {body}");
        assert!(key != "refund" || body == refunded, "{body}");
    }
    assert_eq!(shop.send("GET", "/paysim/ledger", None, "", String::new()).await.unwrap().1, known);
    assert_eq!(shop.captures().await, 1);
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn webhooks_are_signed_and_come_until_they_are_taken() {
    let shop = shop().await;
    *shop.refuse.lock().unwrap() = 3;
    shop.intent("pm_card_visa").await;
    let heard = shop.heard(1).await;
    assert_eq!(heard[0].1, "payment_intent.created");
    sleep(Duration::from_millis(300)).await;
    assert_eq!(shop.heard.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn webhooks_come_twice_early_and_in_another_order_when_told_to() {
    let shop = shop().await;
    let id = shop.held().await;
    shop.heard(2).await;
    shop.heard.lock().unwrap().clear();
    shop.fault("capture", json!({ "kind": "early_webhook" })).await;
    shop.post(&format!("/v1/payment_intents/{id}/capture"), "c", "").await.unwrap();
    assert_eq!(shop.heard.lock().unwrap().len(), 1, "it came before the answer");
    shop.heard.lock().unwrap().clear();

    shop.fault("create", json!({ "kind": "duplicate_webhook" })).await;
    let id = shop.intent("pm_card_visa").await;
    let heard = shop.heard(2).await;
    assert_eq!(heard[0], heard[1]);
    shop.heard.lock().unwrap().clear();

    shop.fault("confirm", json!({ "kind": "reorder_webhooks", "count": 2 })).await;
    shop.post(&format!("/v1/payment_intents/{id}/confirm"), "a", "").await.unwrap();
    shop.post(&format!("/v1/payment_intents/{id}/capture"), "b", "").await.unwrap();
    let kinds: Vec<_> = shop.heard(2).await.into_iter().map(|(_, kind)| kind).collect();
    assert_eq!(kinds, ["payment_intent.succeeded", "payment_intent.amount_capturable_updated"]);
}

#[tokio::test]
async fn who_has_no_key_gets_nothing() {
    let shop = shop().await;
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = ::http::Request::get(format!("{}/v1/payment_intents/pi_1", shop.address))
        .header("authorization", "Bearer sk_other")
        .body(Full::default())
        .unwrap();
    assert_eq!(client.request(request).await.unwrap().status().as_u16(), 401);
}
