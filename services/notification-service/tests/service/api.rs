//! What is asked of the service itself, by people and by services.

use flotilla_kit::auth::{HEADER, Signer, Subject};
use flotilla_proto::notification::{
    ExportUserDataRequest, GetStatusRequest, SendRequest, notifications_client::NotificationsClient,
};
use futures::{TryStreamExt, future::join_all};
use serde_json::{Value, json};
use tonic::{Code, Request, metadata::AsciiMetadataKey, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use uuid::Uuid;

use super::world::World;

async fn channel(world: &World) -> Channel {
    Channel::from_shared(format!("http://{}", world.grpc)).unwrap().connect().await.unwrap()
}

fn signed<T>(world: &World, message: T) -> Request<T> {
    sign(&world.orders, message)
}

fn sign<T>(signer: &Signer, message: T) -> Request<T> {
    sign_for(signer, None, message)
}

/// In the name of a user.
fn sign_for<T>(signer: &Signer, user: Option<Uuid>, message: T) -> Request<T> {
    let subject = Subject { user: user.map(|user| user.to_string()), ..Subject::default() };
    let identity = signer.sign("notification-service", &subject).unwrap();
    let mut request = Request::new(message);
    let name: AsciiMetadataKey = HEADER.as_str().parse().unwrap();
    request.metadata_mut().insert(name, identity.expose().parse().unwrap());
    request
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_tells_somebody_something_once() {
    let world = World::start().await;
    let ann = world.people.add("Ann", "en");
    let mut client = NotificationsClient::new(channel(&world).await);
    let send = |key: &str, template: &str, data: Value| SendRequest {
        key: key.to_owned(),
        user_id: ann.to_string(),
        template: template.to_owned(),
        data_json: data.to_string(),
    };
    let news = json!({ "title": "News", "text": "There is a new mug." });
    let first =
        client.send(signed(&world, send("k", "newsletter", news.clone()))).await.unwrap().into_inner();
    let again =
        client.send(signed(&world, send("k", "newsletter", news.clone()))).await.unwrap().into_inner();
    assert_eq!(first.id, again.id);
    let mails = world.mails(ann, 1).await;
    assert_eq!((mails.len(), mails[0].subject.as_str()), (1, "News"));
    assert!(mails[0].header("List-Unsubscribe").is_some());
    world
        .until("it is not sent", "select exists (select from notification.deliveries where state = 'sent')")
        .await;
    let known = client.get_status(signed(&world, GetStatusRequest { id: first.id.clone() })).await.unwrap();
    assert_eq!(known.into_inner().status, "sent");
    let export = ExportUserDataRequest { user_id: ann.to_string() };
    for nobody in [
        sign_for(&world.orders, Some(ann), export.clone()),
        sign(&world.users, export.clone()),
        sign_for(&world.users, Some(Uuid::now_v7()), export.clone()),
    ] {
        let refused = client.export_user_data(nobody).await.unwrap_err();
        assert_eq!(refused.code(), Code::PermissionDenied);
    }
    let export = sign_for(&world.users, Some(ann), export);
    let records = client.export_user_data(export).await.unwrap().into_inner();
    let records: Vec<_> = records.try_collect().await.unwrap();
    let sources: Vec<_> = records.iter().map(|record| record.source.as_str()).collect();
    assert_eq!(
        sources,
        ["notifications", "deliveries", "delivery_attempts"]
            .map(|table| format!("notification-service/{table}"))
    );

    for (message, code) in [
        (send("", "newsletter", news.clone()), Code::InvalidArgument),
        (send("k2", "none", news.clone()), Code::InvalidArgument),
        (send("k2", "password_reset", news.clone()), Code::InvalidArgument),
        (send("k2", "newsletter", json!([])), Code::InvalidArgument),
        (send("k2", "newsletter", json!({ "title": "a" })), Code::InvalidArgument),
        (send("k2", "newsletter", json!({ "title": "a", "text": "b\0c" })), Code::InvalidArgument),
        (send("k\0", "newsletter", news.clone()), Code::InvalidArgument),
        (
            SendRequest { user_id: "ann".to_owned(), ..send("k2", "newsletter", news.clone()) },
            Code::InvalidArgument,
        ),
    ] {
        assert_eq!(client.send(signed(&world, message)).await.unwrap_err().code(), code);
    }
    let unsigned = client.send(send("k2", "newsletter", news)).await.unwrap_err();
    assert_eq!(unsigned.code(), Code::Unauthenticated);
    let unknown = GetStatusRequest { id: Uuid::nil().to_string() };
    assert_eq!(client.get_status(signed(&world, unknown)).await.unwrap_err().code(), Code::NotFound);

    let service = "shop.notification.v1.Notifications".to_owned();
    let health =
        HealthClient::new(channel(&world).await).check(HealthCheckRequest { service }).await.unwrap();
    assert_eq!(health.into_inner().status(), ServingStatus::Serving);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_with_its_key_is_done_once() {
    let world = World::start().await;
    let (ann, admin) = (world.people.add("Ann", "en"), world.admin());
    let body = |text: &str| {
        Some(json!({ "user_id": ann, "template": "newsletter", "data": { "title": "News", "text": text } }))
    };
    let key = [("idempotency-key", "\"k-1\"")];
    let first = world.ask("POST", "/v1/notifications", Some(&admin), &key, body("a")).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert!(first.header("location").starts_with("/v1/notifications/"));
    let again = world.ask("POST", "/v1/notifications", Some(&admin), &key, body("a")).await;
    assert_eq!((again.status, &again.text), (202, &first.text));
    let other = world.ask("POST", "/v1/notifications", Some(&admin), &key, body("b")).await;
    assert_eq!(other.status, 422);
    let ann_asks =
        world.ask("POST", "/v1/notifications", Some(&world.token(ann, &[])), &key, body("a")).await;
    assert_eq!(ann_asks.status, 403);
    assert_eq!(world.mails(ann, 1).await.len(), 1);
    // The same key of another admin is another one, also for whoever gets both.
    let other = world.token(Uuid::now_v7(), &["admin"]);
    let second = world.ask("POST", "/v1/notifications", Some(&other), &key, body("b")).await;
    assert_eq!((second.status, second.json()["status"].as_str()), (202, Some("queued")));
    let mails = world.mails(ann, 2).await;
    assert_ne!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    // Whoever wants none is told nothing, and whoever asked is told that.
    let ben = Uuid::now_v7();
    let off = json!({ "preferences": [{ "category": "marketing", "channel": "email", "enabled": false }] });
    let bens = world.token(ben, &[]);
    let put = world.ask("PUT", "/v1/preferences", Some(&bens), &[("if-match", "\"v0\"")], Some(off)).await;
    assert_eq!(put.status, 200);
    let news = json!({ "user_id": ben, "template": "newsletter", "data": { "title": "News", "text": "a" } });
    let none =
        world.ask("POST", "/v1/notifications", Some(&admin), &[("idempotency-key", "k-2")], Some(news)).await;
    assert_eq!((none.status, none.json()["status"].as_str()), (202, Some("suppressed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_somebody_writes_is_used_from_then_on() {
    let world = World::start().await;
    let (ann, admin) = (world.people.add("Ann", "en-GB"), world.admin());
    let version = |subject: &str| {
        Some(
            json!({ "locale": "en", "subject": subject, "text": "Hi {{ name }}", "html": "<p>Hi {{ name }}</p>" }),
        )
    };
    let preview = world
        .ask("POST", "/v1/templates/welcome:preview", Some(&admin), &[], version("Hey {{ name }}"))
        .await;
    assert_eq!((preview.status, &preview.json()["subject"]), (200, &json!("Hey Ann")), "{}", preview.text);
    for number in 1..=2 {
        let subject = format!("Version {number}");
        let written =
            world.ask("POST", "/v1/templates/welcome/versions", Some(&admin), &[], version(&subject)).await;
        assert_eq!((written.status, &written.json()["version"]), (201, &json!(number)));
    }
    let all = world.ask("GET", "/v1/templates/welcome/versions", Some(&admin), &[], None).await.json();
    let versions: Vec<_> =
        all["items"].as_array().unwrap().iter().map(|one| one["version"].as_i64().unwrap()).collect();
    assert_eq!(versions, [2, 1, 0, 0]);
    world.publish("shop.user.email_verified.v1", &ann.to_string(), json!({ "user_id": ann })).await;
    assert_eq!(world.mails(ann, 1).await[0].subject, "Version 2");
    let written = "select exists (select from notification.delivery_attempts where template_version = 2)";
    world.until("the version is not noted", written).await;
    let names = world.ask("GET", "/v1/templates", Some(&admin), &[], None).await.json();
    assert_eq!(names["items"].as_array().unwrap().len(), 18);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_somebody_adds_is_told_by_its_name() {
    let world = World::start().await;
    let (ann, admin) = (world.people.add("Ann", "fr"), world.admin());
    let new = json!({ "name": "summer_sale", "category": "marketing", "sample": { "percent": 10 } });
    let add = || world.ask("POST", "/v1/templates", Some(&admin), &[], Some(new.clone()));
    let added = add().await;
    assert_eq!(
        (added.status, added.header("location")),
        (201, "/v1/templates/summer_sale/versions"),
        "{}",
        added.text
    );
    assert_eq!(add().await.status, 409);
    let tell = |key: &'static str, data: Value| {
        let body = json!({ "user_id": ann, "template": "summer_sale", "data": data });
        let (world, admin) = (&world, &admin);
        async move {
            let key = [("idempotency-key", key)];
            world.ask("POST", "/v1/notifications", Some(admin), &key, Some(body)).await.status
        }
    };
    // It has no text yet.
    assert_eq!(tell("k-1", json!({ "percent": 20 })).await, 422);
    let write = |locale: &str, text: &str| {
        let edition =
            json!({ "locale": locale, "subject": "Sale", "text": text, "html": "<p>{{ data.percent }}</p>" });
        world.ask("POST", "/v1/templates/summer_sale/versions", Some(&admin), &[], Some(edition))
    };
    assert_eq!(write("de", "{{ data.percent }} %").await.status, 422);
    assert_eq!(write("en", "{{ data.nothing }} %").await.status, 422);
    assert_eq!(write("en", "{{ data.percent }} % off").await.status, 201);
    assert_eq!(write("de", "{{ data.percent }} % weniger").await.status, 201);
    assert_eq!(tell("k-2", json!({})).await, 422);
    assert_eq!(tell("k-3", json!({ "percent": 20 })).await, 202);
    let mail = world.mails(ann, 1).await.pop().unwrap();
    assert!(mail.text.as_deref().unwrap().contains("20 % off") && mail.header("List-Unsubscribe").is_some());
    let all = world.ask("GET", "/v1/templates", Some(&admin), &[], None).await.json();
    let own = json!({ "name": "summer_sale", "category": "marketing", "locales": [] });
    assert!(all["items"].as_array().unwrap().contains(&own), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn preferences_are_changed_by_whoever_has_read_them() {
    let world = World::start().await;
    let token = world.token(Uuid::now_v7(), &[]);
    let read = world.ask("GET", "/v1/preferences", Some(&token), &[], None).await;
    let mut all = read.json();
    for one in all["preferences"].as_array_mut().unwrap() {
        one["enabled"] = json!(one["optional"] != json!(true));
    }
    let tag = read.header("etag").to_owned();
    let written =
        world.ask("PUT", "/v1/preferences", Some(&token), &[("if-match", &tag)], Some(all.clone())).await;
    assert_eq!((written.status, written.header("etag")), (200, "\"v1\""), "{}", written.text);
    assert_eq!(written.json(), all);
    let stale = world.ask("PUT", "/v1/preferences", Some(&token), &[("if-match", &tag)], Some(all)).await;
    assert_eq!((stale.status, stale.header("etag")), (412, "\"v1\""));
    let newer: Vec<_> = (0..4)
        .map(|_| {
            world.ask(
                "PUT",
                "/v1/preferences",
                Some(&token),
                &[("if-match", "\"v1\"")],
                Some(json!({ "preferences": [] })),
            )
        })
        .collect();
    let mut statuses: Vec<_> = join_all(newer).await.into_iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412]);
    let known = world.ask("GET", "/v1/preferences", Some(&token), &[("if-none-match", "\"v2\"")], None).await;
    assert_eq!(known.status, 304);
}
