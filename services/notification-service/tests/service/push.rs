//! Pushes, to a push service that decrypts them as a browser does.

use flotilla_sink::{Channel, Detail, Effect, Failure};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, order};

async fn subscribe(world: &World, user: Uuid) -> (Uuid, String) {
    let browser = world.sink.sink.mailboxes.subscribe(&format!("http://{}", world.sink.http)).unwrap();
    let body = json!({ "endpoint": browser.endpoint, "expirationTime": null,
        "keys": { "p256dh": browser.keys.p256dh, "auth": browser.keys.auth } });
    let token = world.token(user, &[]);
    let added = world.ask("POST", "/v1/push-subscriptions", Some(&token), &[], Some(body)).await;
    assert_eq!(added.status, 201, "{}", added.text);
    (browser.id, added.json()["id"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_pushed_to_until_it_is_gone() {
    let world = World::start().await;
    let (ann, token) = (world.people.add("Ann", "en"), String::new());
    let (browser, _id) = subscribe(&world, ann).await;
    let target = browser.to_string();
    let refuse = Effect::Status { status: 429, retry_after: Some(1) };
    let failure = Failure {
        id: Uuid::now_v7(),
        channel: Channel::Push,
        target: Some(target.clone()),
        times: 1,
        effect: refuse,
    };
    world.sink.sink.failures.add(failure).unwrap();
    let id = Uuid::now_v7();
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    let pushed = world.delivered(Channel::Push, &target, 1).await;
    let Detail::Push(pushed) = &pushed[0].detail else { panic!("no push") };
    let payload: Value = serde_json::from_str(&pushed.payload).unwrap();
    assert_eq!((&payload["title"], &payload["subject"]), (&json!("Your order is confirmed"), &json!(id)));
    assert_eq!(pushed.contact.as_deref(), Some("mailto:shop@shop.test"));
    assert_eq!(pushed.topic.as_deref().map(str::len), Some(32));

    // The push service says that it is gone: it is not asked again.
    assert!(world.sink.sink.mailboxes.give_up(browser));
    let id = Uuid::now_v7();
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    let gone = "select not exists (select from notification.push_subscriptions)";
    world.until("it is still subscribed", gone).await;
    drop(token);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_of_one_person() {
    let world = World::start().await;
    let (ann, ben) = (world.people.add("Ann", "en"), world.people.add("Ben", "en"));
    let (_browser, id) = subscribe(&world, ann).await;
    let (anns, bens) = (world.token(ann, &[]), world.token(ben, &[]));
    let list = world.ask("GET", "/v1/push-subscriptions", Some(&anns), &[], None).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["application_server_key"].as_str().map(str::len), Some(87));
    let path = format!("/v1/push-subscriptions/{id}");
    assert_eq!(world.ask("DELETE", &path, Some(&bens), &[], None).await.status, 404);
    assert_eq!(world.ask("DELETE", &path, Some(&anns), &[], None).await.status, 204);

    let key = "A".repeat(87);
    for (endpoint, p256dh, auth, pointer) in [
        ("https://10.0.0.1/push", key.as_str(), "AAAAAAAAAAAAAAAAAAAAAA", "#/endpoint"),
        ("ftp://example.com", &key, "AAAAAAAAAAAAAAAAAAAAAA", "#/endpoint"),
        ("https://example.com", "AAAA", "AAAAAAAAAAAAAAAAAAAAAA", "#/keys/p256dh"),
        ("https://example.com", &key, "s3cret", "#/keys/auth"),
        // As long as a point, but none.
        ("https://example.com", &key, "AAAAAAAAAAAAAAAAAAAAAA", "#/keys/p256dh"),
    ] {
        let body = json!({ "endpoint": endpoint, "keys": { "p256dh": p256dh, "auth": auth } });
        let answer = world.ask("POST", "/v1/push-subscriptions", Some(&anns), &[], Some(body)).await;
        assert_eq!(
            (answer.status, &answer.json()["errors"][0]["pointer"]),
            (422, &json!(pointer)),
            "{}",
            answer.text
        );
        assert!(!answer.text.contains("s3cret"));
    }
}
