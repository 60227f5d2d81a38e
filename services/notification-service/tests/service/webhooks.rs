//! Webhooks, to a receiver that checks signatures by itself.

use base64::{Engine, prelude::BASE64_STANDARD};
use flotilla_sink::{Channel, Delivery, Detail, Effect, Failure};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use uuid::Uuid;

use super::world::{World, order};

/// Whether a delivery is signed with a secret, as Standard Webhooks says.
fn is_signed(delivery: &Delivery, secret: &str) -> bool {
    let Detail::Webhook { headers, body } = &delivery.detail else { return false };
    let header =
        |name: &str| headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let key = BASE64_STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    let (id, time) = (header("webhook-id").unwrap(), header("webhook-timestamp").unwrap());
    mac.update(format!("{id}.{time}.{body}").as_bytes());
    let signature = format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()));
    header("webhook-signature").unwrap().split(' ').any(|one| one == signature)
}

async fn add(world: &World, name: &str, types: Value) -> (String, String, String) {
    let body = json!({ "url": format!("http://{}/webhooks/{name}", world.sink.http), "types": types });
    let added = world.ask("POST", "/v1/webhook-endpoints", Some(&world.admin()), &[], Some(body)).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let (path, tag) = (added.header("location").to_owned(), added.header("etag").to_owned());
    (path, tag, added.json()["secret"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_gets_what_it_wants_signed_by_secrets_that_change() {
    let world = World::start().await;
    let (ann, id, admin) = (world.people.add("Ann", "en"), Uuid::now_v7(), world.admin());
    let (path, tag, secret) = add(&world, "orders", json!(["shop.order.*"])).await;
    let failure = Failure {
        id: Uuid::now_v7(),
        channel: Channel::Webhook,
        target: Some("orders".to_owned()),
        times: 1,
        effect: Effect::Status { status: 500, retry_after: None },
    };
    world.sink.sink.failures.add(failure).unwrap();
    world.publish("shop.payment.failed.v1", &id.to_string(), order(ann, id)).await;
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    let first = world.delivered(Channel::Webhook, "orders", 1).await.pop().unwrap();
    assert!(is_signed(&first, &secret) && !is_signed(&first, "whsec_AAAA"));
    let Detail::Webhook { body, .. } = &first.detail else { panic!("no webhook") };
    let body: Value = serde_json::from_str(body).unwrap();
    assert_eq!((&body["type"], &body["data"]["order_id"]), (&json!("shop.order.paid.v1"), &json!(id)));
    assert!(first.key.unwrap().starts_with("msg_"));

    let rotated = world.ask("POST", &format!("{path}:rotate"), Some(&admin), &[], None).await.json();
    let new = rotated["secret"].as_str().unwrap();
    assert_eq!(world.ask("POST", &format!("{path}:test"), Some(&admin), &[], None).await.status, 202);
    let second = world.delivered(Channel::Webhook, "orders", 2).await.remove(0);
    // Both are good for a day.
    assert!(is_signed(&second, &secret) && is_signed(&second, new));

    let endpoint = world.ask("GET", &path, Some(&admin), &[], None).await;
    assert!(!endpoint.text.contains("secret"), "{}", endpoint.text);
    let off = || {
        Some(json!({ "url": "https://example.com/hook", "types": ["shop.order.paid.v1"], "enabled": false }))
    };
    assert_eq!(world.ask("PUT", &path, Some(&admin), &[], off()).await.status, 428);
    assert_eq!(world.ask("PUT", &path, Some(&admin), &[("if-match", &tag)], off()).await.status, 412);
    let tag = endpoint.header("etag");
    assert_eq!(world.ask("PUT", &path, Some(&admin), &[("if-match", tag)], off()).await.status, 200);
    let list = world.ask("GET", "/v1/webhook-endpoints", Some(&admin), &[], None).await.json();
    assert_eq!(list["items"][0]["enabled"], json!(false));
    assert_eq!(world.ask("DELETE", &path, Some(&admin), &[], None).await.status, 204);
    assert_eq!(world.ask("GET", &path, Some(&admin), &[], None).await.status, 404);
    let customer = world.token(ann, &["customer"]);
    assert_eq!(world.ask("GET", "/v1/webhook-endpoints", Some(&customer), &[], None).await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_only_fails_is_left_alone_and_one_that_is_gone_is_switched_off() {
    let world = World::start().await;
    let ann = world.people.add("Ann", "en");
    add(&world, "failing", json!(["shop.order.paid.v1"])).await;
    add(&world, "gone", json!(["shop.order.paid.v1"])).await;
    for (target, status, times) in [("failing", 503, 5), ("gone", 410, 1)] {
        let failure = Failure {
            id: Uuid::now_v7(),
            channel: Channel::Webhook,
            target: Some(target.to_owned()),
            times,
            effect: Effect::Status { status, retry_after: None },
        };
        world.sink.sink.failures.add(failure).unwrap();
    }
    for _order in 0..5 {
        let id = Uuid::now_v7();
        world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    }
    let paused = "select exists (select from notification.webhook_endpoints where failures = 5 and paused_until > now())";
    world.until("it is not left alone", paused).await;
    let off = "select exists (select from notification.webhook_endpoints where not enabled)";
    world.until("it is not switched off", off).await;
    world.hurry().await;
    tokio::time::sleep(std::time::Duration::from_secs(2)).await;
    assert_eq!(world.delivered(Channel::Webhook, "failing", 0).await.len(), 0);
    sqlx::query("update notification.webhook_endpoints set paused_until = now()")
        .execute(&world.pool)
        .await
        .unwrap();
    world.hurry().await;
    world.delivered(Channel::Webhook, "failing", 5).await;
    let well = "select exists (select from notification.webhook_endpoints where failing_since is null and failures = 0)";
    world.until("what failed is not forgotten", well).await;
}

/// Endpoints that hang take the places of neither mail nor other endpoints.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_hangs_holds_up_nobody_else() {
    let world = World::configured(1, &["127.0.0.0/8"], &["--outbound-seconds=50"]).await;
    let ann = world.people.add("Ann", "en");
    for name in ["hanging", "other"] {
        add(&world, name, json!(["shop.order.paid.v1"])).await;
    }
    let failure = Failure {
        id: Uuid::now_v7(),
        channel: Channel::Webhook,
        target: Some("hanging".to_owned()),
        times: 1_000,
        effect: Effect::Hang,
    };
    world.sink.sink.failures.add(failure).unwrap();
    for _order in 0..20 {
        let id = Uuid::now_v7();
        world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    }
    world.mails(ann, 20).await;
    world.delivered(Channel::Webhook, "other", 20).await;
    // None of those that hang has ended: nobody has waited for them. It has been given less than half of the eight places.
    let still = "select not exists (select from notification.delivery_attempts where outcome = 'later')";
    world.until("one that hangs has ended", still).await;
    let hanging = world.delivered(Channel::Webhook, "hanging", 1).await.len();
    assert!(hanging < 4, "{hanging}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_within_the_cluster_is_refused() {
    let world = World::start().await;
    for url in [
        "http://10.0.0.1/hook",
        "http://169.254.169.254/latest/meta-data",
        "http://[::1]:8080/",
        "http://[::ffff:10.0.0.1]/",
        "https://user:password@example.com/",
        "file:///etc/passwd",
    ] {
        let body = json!({ "url": url, "types": ["shop.order.*"] });
        let answer = world.ask("POST", "/v1/webhook-endpoints", Some(&world.admin()), &[], Some(body)).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (422, &json!("#/url")), "{url}");
    }
    let body = json!({ "url": "https://example.com", "types": ["shop.user.*"] });
    let answer = world.ask("POST", "/v1/webhook-endpoints", Some(&world.admin()), &[], Some(body)).await;
    assert_eq!((answer.status, &answer.json()["errors"][0]["pointer"]), (422, &json!("#/types/0")));
}

/// A name says nothing of where it leads: the address that is connected to is what counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_into_the_cluster_is_refused_when_it_is_sent_to() {
    let world = World::replicas(1, &["192.0.2.0/24"]).await;
    let url = format!("http://localhost:{}/webhooks/inner", world.sink.http.port());
    let body = json!({ "url": url, "types": ["shop.order.*"] });
    let added = world.ask("POST", "/v1/webhook-endpoints", Some(&world.admin()), &[], Some(body)).await;
    assert_eq!(added.status, 201, "{}", added.text);
    let (ann, id) = (world.people.add("Ann", "en"), Uuid::now_v7());
    world.publish("shop.order.created.v1", &id.to_string(), order(ann, id)).await;
    let dead = "select exists (select from notification.deliveries where state = 'dead' and reason like '%no public%')";
    world.until("it is not refused", dead).await;
    assert_eq!(world.delivered(Channel::Webhook, "inner", 0).await.len(), 0);
}
