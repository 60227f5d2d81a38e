//! What people get by mail.

use std::{collections::BTreeSet, time::Duration};

use flotilla_notification_service::store::notifications;
use flotilla_sink::{Channel, Detail, Effect, Failure};
use serde_json::{Value, json};
use uuid::Uuid;

use super::world::{World, order, schema};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_paid_is_confirmed_once_however_often_it_is_said() {
    let world = World::start().await;
    let mut published = world.listen().await;
    let (ann, id) = (world.people.add("Ann & Ben", "de-AT"), Uuid::now_v7());
    let event = world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    let mail = world.mails(ann, 1).await.pop().unwrap();
    assert_eq!(mail.subject, "Deine Bestellung ist bestätigt");
    assert_eq!(mail.header("Message-ID"), Some(format!("<{id}.order_confirmation@shop.test>").as_str()));
    assert_eq!(mail.header("Auto-Submitted"), Some("auto-generated"));
    assert!(mail.header("List-Unsubscribe").is_none());
    let text = mail.text.clone().unwrap();
    assert!(text.contains("2 x Mug <1>: 25,00 EUR") && text.contains("Hallo Ann & Ben"), "{text}");
    let html = mail.html.clone().unwrap();
    assert!(html.contains("Mug &lt;1&gt;") && html.contains("Ann &amp; Ben"), "{html}");

    // The same event again, and another one of the same order: neither has an effect.
    world.bus.publish(&[event]).await.unwrap();
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    // Refunds are told each.
    for _refund in 0..2 {
        world.publish("shop.order.refunded.v1", &id.to_string(), order(ann, id)).await;
    }
    let mails = world.mails(ann, 3).await;
    let confirmations = mails.iter().filter(|mail| mail.subject.contains("bestätigt")).count();
    assert_eq!((mails.len(), confirmations), (3, 1));

    let delivery = published.next().await.unwrap();
    let sent = delivery.event.clone();
    delivery.ack().await.unwrap();
    assert_eq!(sent.kind.as_str(), "shop.notification.sent.v1");
    assert!(schema("shop.notification.sent.v1").is_valid(&sent.data), "{}", sent.data);
    assert_eq!(sent.data["user_id"], json!(ann));

    let token = world.token(ann, &[]);
    let list = world.ask("GET", "/v1/notifications?limit=2", Some(&token), &[], None).await;
    let first = list.json();
    assert_eq!((list.status, first["items"].as_array().unwrap().len()), (200, 2), "{}", list.text);
    let path = format!("/v1/notifications?limit=2&cursor={}", first["next_cursor"].as_str().unwrap());
    let rest = world.ask("GET", &path, Some(&token), &[], None).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest["next_cursor"], Value::Null);
    let confirmation = &rest["items"][0];
    assert_eq!(
        (&confirmation["template"], &confirmation["status"]),
        (&json!("order_confirmation"), &json!("sent"))
    );
    let path = format!("/v1/notifications/{}", confirmation["id"].as_str().unwrap());
    let detailed = world.ask("GET", &path, Some(&token), &[], None).await.json();
    let attempt = &detailed["deliveries"][0]["attempts"][0];
    assert_eq!((&attempt["outcome"], &attempt["status"]), (&json!("sent"), &json!(250)), "{detailed}");
    // What is somebody else's is not there.
    let ben = world.token(world.people.add("Ben", "en"), &[]);
    assert_eq!(world.ask("GET", &path, Some(&ben), &[], None).await.status, 404);
    let other = format!("/v1/notifications?user={ann}");
    assert_eq!(world.ask("GET", &other, Some(&ben), &[], None).await.status, 403);
    assert_eq!(world.ask("GET", &other, Some(&world.admin()), &[], None).await.status, 200);
    assert_eq!(world.ask("GET", &other, None, &[], None).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_secret_of_a_mail_is_redeemed_when_it_is_sent_and_is_nowhere_else() {
    let world = World::start().await;
    let ann = world.people.add("Ann", "en");
    let reference = world.people.refer(ann, "s3cret+token");
    let data = json!({ "user_id": ann, "reference": reference, "expires_at": "2026-01-01T00:00:00Z" });
    world.publish("shop.user.verification_requested.v1", &ann.to_string(), data).await;
    let mail = world.mails(ann, 1).await.pop().unwrap();
    assert!(mail.text.unwrap().contains("https://shop.test/verify-email?token=s3cret%2Btoken"));
    let query = "select coalesce(string_agg(to_jsonb(n)::text || coalesce(to_jsonb(d)::text, ''), ''), '')
                 from notification.notifications n left join notification.deliveries d on d.notification_id = n.id";
    let stored: String = sqlx::query_scalar(query).fetch_one(&world.pool).await.unwrap();
    assert!(stored.contains(&reference) && !stored.contains("s3cret"), "{stored}");

    // A reference that nobody knows any more is for nobody.
    let data = json!({ "user_id": ann, "reference": "old", "expires_at": "2026-01-01T00:00:00Z" });
    world.publish("shop.user.password_reset_requested.v1", &ann.to_string(), data).await;
    let done = "select exists (select from notification.deliveries where state = 'suppressed')";
    world.until("it is not suppressed", done).await;
    assert_eq!(world.mails(ann, 1).await.len(), 1);
}

/// Whoever loses an account hears of it at the address that they have, before there is another.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_address_is_asked_for_its_secret_and_the_one_of_now_is_told() {
    let world = World::start().await;
    let ann = world.people.add("Ann", "en");
    let reference = world.people.refer_to("ann@new.test", ann, "t0ken");
    let data = json!({ "user_id": ann, "reference": reference, "expires_at": "2026-01-01T00:00:00Z" });
    world.publish("shop.user.email_change_requested.v1", &ann.to_string(), data).await;
    let told = world.mails(ann, 1).await.pop().unwrap();
    assert_eq!(told.subject, "Somebody wants to change your address");
    assert!(!told.text.unwrap().contains("t0ken"));
    let asked = world.delivered(Channel::Mail, "ann@new.test", 1).await.pop().unwrap();
    let Detail::Mail(asked) = asked.detail else { panic!("no mail") };
    assert!(asked.text.unwrap().contains("https://shop.test/verify-email?token=t0ken"));
    assert_eq!(asked.recipients, ["ann@new.test"]);
    assert_eq!(world.mails(ann, 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_a_message_is_not_written_to_whoever_gets_the_mail() {
    let world = World::start().await;
    let victim = world.people.add("You won! Go to evil.example", "en");
    let reference = world.people.refer(victim, "t0ken");
    let data = json!({ "user_id": victim, "reference": reference, "expires_at": "2026-01-01T00:00:00Z" });
    world.publish("shop.user.verification_requested.v1", &victim.to_string(), data).await;
    let mail = world.mails(victim, 1).await.pop().unwrap();
    let all = format!("{:?} {:?} {:?}", mail.headers, mail.text, mail.html);
    assert!(!all.contains("evil.example") && all.contains("Hello,"), "{all}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_want_it_gets_none_and_says_so_by_one_click() {
    let world = World::start().await;
    let (ann, ids) = (world.people.add("Ann", "en"), [(); 2].map(|()| Uuid::now_v7()));
    world.publish("shop.order.shipped.v1", &ids[0].to_string(), order(ann, ids[0])).await;
    let mail = world.mails(ann, 1).await.pop().unwrap();
    assert_eq!(mail.header("List-Unsubscribe-Post"), Some("List-Unsubscribe=One-Click"));
    let link = mail.header("List-Unsubscribe").unwrap();
    let path = link.trim_matches(['<', '>']).strip_prefix("https://shop.test").unwrap().to_owned();
    let page = world.ask("GET", &path, None, &[], None).await;
    assert!(page.status == 200 && page.text.contains("<form method=post>"), "{}", page.text);
    let german = world.ask("GET", &path, None, &[("accept-language", "de-AT,en;q=0.5")], None).await;
    assert!(german.text.contains("Abbestellen"), "{}", german.text);
    let token = world.token(ann, &[]);
    let preferences = world.ask("GET", "/v1/preferences", Some(&token), &[], None).await;
    // To look is not to unsubscribe.
    assert_eq!(preferences.header("etag"), "\"v0\"");
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let done = world.send("POST", &path, None, &form, "List-Unsubscribe=One-Click".into()).await;
    assert_eq!(done.status, 200);
    assert_eq!(world.send("POST", &format!("{path}x"), None, &form, "".into()).await.status, 404);
    let preferences = world.ask("GET", "/v1/preferences", Some(&token), &[], None).await;
    let off: Vec<_> = preferences.json()["preferences"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|one| one["enabled"] == false)
        .map(|one| format!("{}/{}", one["category"], one["channel"]))
        .collect();
    assert_eq!(off, ["\"updates\"/\"email\""]);

    // Also what was queued before is not sent any more.
    let again = "update notification.deliveries set state = 'queued', due_at = now()";
    sqlx::query(again).execute(&world.pool).await.unwrap();
    world
        .until("it is sent again", "select bool_and(state = 'suppressed') from notification.deliveries")
        .await;
    world.publish("shop.order.shipped.v1", &ids[1].to_string(), order(ann, ids[1])).await;
    world.publish("shop.order.paid.v1", &ids[1].to_string(), order(ann, ids[1])).await;
    let mails = world.mails(ann, 2).await;
    // The confirmation came after it, by the order of the key.
    assert_eq!(mails[0].subject, "Your order is confirmed");
    assert_eq!(mails.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_whoever_was_erased_nothing_is_left() {
    let world = World::start().await;
    let (ann, id) = (world.people.add("Ann", "en"), Uuid::now_v7());
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    world.mails(ann, 1).await;
    let sent = "select exists (select from notification.delivery_attempts)";
    world.until("no attempt is written", sent).await;
    let token = world.admin();
    let url = format!("http://{}/webhooks/orders", world.sink.http);
    let endpoint = Some(json!({ "url": url, "types": ["shop.order.*"] }));
    assert_eq!(world.ask("POST", "/v1/webhook-endpoints", Some(&token), &[], endpoint).await.status, 201);
    world.publish("shop.order.shipped.v1", &id.to_string(), order(ann, id)).await;
    world.delivered(Channel::Webhook, "orders", 1).await;
    let done = "select bool_and(state = 'sent') and count(*) = 3 from notification.deliveries";
    world.until("not all is sent", done).await;
    world.publish("shop.user.erased.v1", &ann.to_string(), json!({ "user_id": ann })).await;
    let gone = "select not exists (select from notification.notifications) and not exists (select from \
                notification.delivery_attempts)";
    world.until("something is left", gone).await;
}

/// What is old is forgotten, unless somebody is still to have it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_does_not_grow_for_ever() {
    let world = World::start().await;
    let ann = world.people.add("Ann", "en");
    for kind in ["shop.order.paid.v1", "shop.order.shipped.v1", "shop.order.completed.v1"] {
        let id = Uuid::now_v7();
        world.publish(kind, &id.to_string(), order(ann, id)).await;
    }
    world.mails(ann, 3).await;
    let sent = "select count(*) = 3 from notification.deliveries where state = 'sent'";
    world.until("not all are sent", sent).await;
    for old in [
        "update notification.notifications set created_at = now() - interval '91 days' where kind <> 'shop.order.paid.v1'",
        "update notification.deliveries set state = 'queued', due_at = now() + interval '1 day'
         where notification_id in (select id from notification.notifications where kind = 'shop.order.shipped.v1')",
    ] {
        sqlx::query(old).execute(&world.pool).await.unwrap();
    }
    let age = Duration::from_secs(90 * 24 * 3_600);
    assert_eq!(notifications::forget(&world.pool, age, 100).await.unwrap(), 1);
    assert_eq!(notifications::forget(&world.pool, age, 100).await.unwrap(), 0);
    let left: Vec<String> = sqlx::query_scalar("select kind from notification.notifications order by kind")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!(left, ["shop.order.paid.v1", "shop.order.shipped.v1"]);
}

/// A server of mail takes so much a second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_are_sent_no_faster_than_they_may_be() {
    let world = World::configured(1, &["127.0.0.0/8"], &["--mails-per-second=4"]).await;
    let ann = world.people.add("Ann", "en");
    for _order in 0..20 {
        let id = Uuid::now_v7();
        world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    }
    world.mails(ann, 20).await;
    let sent = "select count(*) = 20 from notification.deliveries where state = 'sent'";
    world.until("not all are sent", sent).await;
    // Four at once, and sixteen in four seconds after that.
    let took = "select max(started_at) - min(started_at) >= interval '3 seconds'
        from notification.delivery_attempts";
    assert!(sqlx::query_scalar::<_, bool>(took).fetch_one(&world.pool).await.unwrap());
}

/// Three replicas, a server that fails now and then, and events that come twice: each order is confirmed by one mail, and what
/// is sent twice for want of an answer is the same mail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_orders_are_confirmed_each_once_by_all_replicas_together() {
    let world = World::replicas(3, &["127.0.0.0/8"]).await;
    let ann = world.people.add("Ann", "en");
    for (times, effect) in [(7, Effect::Status { status: 451, retry_after: None }), (3, Effect::Cut)] {
        let failure = Failure { id: Uuid::now_v7(), channel: Channel::Mail, target: None, times, effect };
        world.sink.sink.failures.add(failure).unwrap();
    }
    let orders: Vec<_> = (0..60).map(|_| Uuid::now_v7()).collect();
    for id in &orders {
        for _twice in 0..2 {
            world.publish("shop.order.paid.v1", &id.to_string(), order(ann, *id)).await;
        }
    }
    // One that has failed may meet a failure again, and would wait for minutes then.
    let all = "select count(*) = 60 from notification.deliveries where state = 'sent'";
    world.until_in_a_hurry("not all are sent", all).await;
    let mails = world.mails(ann, 63).await;
    let ids: BTreeSet<_> = mails.iter().filter_map(|mail| mail.header("Message-ID")).collect();
    let wanted: Vec<_> = orders.iter().map(|id| format!("<{id}.order_confirmation@shop.test>")).collect();
    assert_eq!(ids, wanted.iter().map(String::as_str).collect());
    // Each attempt is one mail at most, and seven were refused.
    let attempts: i64 = sqlx::query_scalar("select count(*) from notification.delivery_attempts")
        .fetch_one(&world.pool)
        .await
        .unwrap();
    let most = usize::try_from(attempts - 7).unwrap();
    assert!(mails.len() <= most, "{} mails of {attempts} attempts", mails.len());
}
