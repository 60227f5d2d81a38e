//! What becomes of mail when the server, or who knows people, fails.

use std::sync::atomic::Ordering;

use flotilla_sink::{Channel, Effect, Failure};
use serde_json::json;
use uuid::Uuid;

use super::world::{World, order, schema};

fn fail(world: &World, user: Uuid, times: u32, effect: Effect) {
    let target = Some(world.people.email(user));
    let failure = Failure { id: Uuid::now_v7(), channel: Channel::Mail, target, times, effect };
    world.sink.sink.failures.add(failure).unwrap();
}

const fn status(status: u16) -> Effect {
    Effect::Status { status, retry_after: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_fails_for_now_gets_it_later() {
    let world = World::start().await;
    let (ann, id) = (world.people.add("Ann", "en"), Uuid::now_v7());
    fail(&world, ann, 1, status(451));
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    // Five seconds later, by the schedule.
    let mails = world.mails(ann, 1).await;
    assert_eq!(mails.len(), 1);
    let written = "select count(*) = 2 from notification.delivery_attempts";
    world.until("two attempts are written", written).await;
    let outcomes: Vec<(String, Option<i16>)> =
        sqlx::query_as("select outcome, status from notification.delivery_attempts order by number")
            .fetch_all(&world.pool)
            .await
            .unwrap();
    assert_eq!(outcomes, [("later".to_owned(), Some(451)), ("sent".to_owned(), Some(250))]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_takes_it_and_says_nothing_gets_it_twice_as_the_same_mail() {
    let world = World::start().await;
    let (ann, id) = (world.people.add("Ann", "en"), Uuid::now_v7());
    fail(&world, ann, 1, Effect::Hang);
    fail(&world, ann, 1, Effect::Cut);
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    world.mails(ann, 1).await;
    let waits = "select exists (select from notification.deliveries where state = 'queued' and tries >= 1)";
    world.until("the first attempt is not given up", waits).await;
    world.hurry().await;
    world.mails(ann, 2).await;
    let waits = "select exists (select from notification.deliveries where state = 'queued' and tries >= 2)";
    world.until("the second attempt is not given up", waits).await;
    world.hurry().await;
    let mails = world.mails(ann, 3).await;
    let expected = format!("<{id}.order_confirmation@shop.test>");
    assert!(mails.iter().all(|mail| mail.header("Message-ID") == Some(&expected)), "{mails:?}");
    world
        .until("it is not sent", "select exists (select from notification.deliveries where state = 'sent')")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_bounces_gets_nothing_until_somebody_says_so() {
    let world = World::start().await;
    let mut published = world.listen().await;
    let ann = world.people.add("Ann", "en");
    fail(&world, ann, 1, Effect::Reject { status: 550 });
    let ids = [(); 3].map(|()| Uuid::now_v7());
    world.publish("shop.order.paid.v1", &ids[0].to_string(), order(ann, ids[0])).await;
    let bounced = published.next().await.unwrap();
    assert_eq!(bounced.event.kind.as_str(), "shop.notification.bounced.v1");
    assert_eq!(bounced.event.data["user_id"], json!(ann));
    assert!(schema("shop.notification.bounced.v1").is_valid(&bounced.event.data), "{}", bounced.event.data);
    // What user-service needs to tell whether it is theirs still, and nothing that the server has repeated of it.
    assert_eq!(bounced.event.data["recipient"], json!(world.people.email(ann)));
    let reason = bounced.event.data["reason"].as_str().unwrap();
    assert!(reason.contains("550") && !reason.contains(&world.people.email(ann)), "{reason}");
    let kept = "select not exists (select from notification.deliveries where reason like '%@%') and not exists \
                (select from notification.delivery_attempts where detail like '%@%')";
    world.until("an address is in the log", kept).await;
    bounced.ack().await.unwrap();
    world.publish("shop.order.paid.v1", &ids[1].to_string(), order(ann, ids[1])).await;
    let suppressed = published.next().await.unwrap();
    assert_eq!(suppressed.event.kind.as_str(), "shop.notification.suppressed.v1");
    assert!(
        schema("shop.notification.suppressed.v1").is_valid(&suppressed.event.data),
        "{}",
        suppressed.event.data
    );
    suppressed.ack().await.unwrap();

    let path = format!("/v1/suppressions?address={}", world.people.email(ann).to_uppercase());
    let admin = world.admin();
    let known = world.ask("GET", &path, Some(&admin), &[], None).await;
    assert_eq!(known.status, 200, "{}", known.text);
    let one = format!("/v1/suppressions/{}", known.json()["id"].as_str().unwrap());
    assert_eq!(world.ask("DELETE", &one, Some(&admin), &[], None).await.status, 204);
    assert_eq!(world.ask("DELETE", &one, Some(&admin), &[], None).await.status, 404);
    assert_eq!(world.ask("GET", &path, Some(&admin), &[], None).await.status, 404);
    world.publish("shop.order.paid.v1", &ids[2].to_string(), order(ann, ids[2])).await;
    assert_eq!(world.mails(ann, 1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_is_a_dead_letter_and_is_sent_again_by_hand() {
    let world = World::start().await;
    let (ann, admin) = (world.people.add("Ann", "en"), world.admin());
    fail(&world, ann, 2, status(554));
    let id = Uuid::now_v7();
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    let dead = "select exists (select from notification.deliveries where state = 'dead')";
    world.until("it is not dead", dead).await;
    let letters = world.ask("GET", "/v1/dead-letters", Some(&admin), &[], None).await.json();
    let letter = &letters["items"][0];
    assert!(letter["reason"].as_str().unwrap().contains("554"), "{letters}");
    assert_eq!(
        world.ask("GET", "/v1/dead-letters", Some(&world.token(ann, &[])), &[], None).await.status,
        403
    );
    let these = Some(json!({ "ids": [letter["id"]] }));
    let replayed = world.ask("POST", "/v1/dead-letters:replay", Some(&admin), &[], these).await;
    assert_eq!(replayed.json(), json!({ "replayed": 1 }));
    let dead = "select exists (select from notification.deliveries where state = 'dead' and attempt = 2)";
    world.until("it is not dead again", dead).await;
    let path = format!("/v1/notifications/{}:retry", letter["notification_id"].as_str().unwrap());
    assert_eq!(world.ask("POST", &path, Some(&admin), &[], None).await.status, 202);
    assert_eq!(world.mails(ann, 1).await.len(), 1);
    let sent = "select exists (select from notification.deliveries where state = 'sent' and attempt = 3)";
    world.until("it is not sent", sent).await;
    assert_eq!(world.ask("POST", &path, Some(&admin), &[], None).await.status, 409);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_user_service_mail_waits() {
    let world = World::start().await;
    let (ann, id) = (world.people.add("Ann", "en"), Uuid::now_v7());
    world.people.is_up.store(false, Ordering::SeqCst);
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    let waits = "select exists (select from notification.deliveries where state = 'queued' and tries >= 1)";
    world.until("it does not wait", waits).await;
    world.people.is_up.store(true, Ordering::SeqCst);
    world.hurry().await;
    assert_eq!(world.mails(ann, 1).await.len(), 1);
}

/// Letters leave the list while it is read: the rest is on the next page all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_letters_are_listed_page_by_page_while_some_are_sent_again() {
    let world = World::start().await;
    let (ann, admin) = (world.people.add("Ann", "en"), world.admin());
    fail(&world, ann, 3, status(554));
    for _order in 0..3 {
        let id = Uuid::now_v7();
        world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    }
    let dead = "select count(*) = 3 from notification.deliveries where state = 'dead'";
    world.until("they are not dead", dead).await;
    let first = world.ask("GET", "/v1/dead-letters?limit=1", Some(&admin), &[], None).await.json();
    let these = Some(json!({ "ids": [first["items"][0]["id"]] }));
    let replayed = world.ask("POST", "/v1/dead-letters:replay", Some(&admin), &[], these).await;
    assert_eq!(replayed.json(), json!({ "replayed": 1 }));
    let path = format!("/v1/dead-letters?limit=5&cursor={}", first["next_cursor"].as_str().unwrap());
    let rest = world.ask("GET", &path, Some(&admin), &[], None).await.json();
    assert_eq!(rest["items"].as_array().unwrap().len(), 2, "{rest}");
    let all = world.ask("POST", "/v1/dead-letters:replay", Some(&admin), &[], Some(json!({}))).await;
    assert_eq!(all.json(), json!({ "replayed": 2 }));
    assert_eq!(world.mails(ann, 3).await.len(), 3);
}

/// Whoever attempts it may die of it, with all that runs beside: it is not attempted for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_never_comes_to_an_end_is_given_up() {
    let world = World::start().await;
    let (ann, id) = (world.people.add("Ann", "en"), Uuid::now_v7());
    fail(&world, ann, 1, status(451));
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    let waits = "select exists (select from notification.deliveries where state = 'queued' and tries >= 1)";
    world.until("it is not attempted", waits).await;
    let often = "update notification.deliveries set tries = 8, due_at = now()";
    sqlx::query(often).execute(&world.pool).await.unwrap();
    let dead =
        "select exists (select from notification.deliveries where state = 'dead' and reason like '%dies%')";
    world.until("it is attempted again", dead).await;
    assert_eq!(world.delivered(Channel::Mail, &world.people.email(ann), 0).await.len(), 0);
}

/// Two that have the same delivery: the one whose lease has ended writes nothing of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_was_not_heard_of_has_its_delivery_taken_and_writes_nothing() {
    let world = World::start().await;
    let (ann, id) = (world.people.add("Ann", "en"), Uuid::now_v7());
    fail(&world, ann, 1, Effect::Hang);
    world.publish("shop.order.paid.v1", &id.to_string(), order(ann, id)).await;
    world.mails(ann, 1).await;
    // As though the lease of the attempt that hangs had ended.
    let due = "update notification.deliveries set due_at = now() where state = 'sending'";
    assert_eq!(sqlx::query(due).execute(&world.pool).await.unwrap().rows_affected(), 1);
    let mails = world.mails(ann, 2).await;
    assert_eq!(mails[0].header("Message-ID"), mails[1].header("Message-ID"));
    let sent = "select exists (select from notification.deliveries where state = 'sent' and attempt = 2)";
    world.until("it is not sent", sent).await;
    tokio::time::sleep(std::time::Duration::from_secs(7)).await;
    let state: String =
        sqlx::query_scalar("select state from notification.deliveries").fetch_one(&world.pool).await.unwrap();
    let attempts: Vec<i32> = sqlx::query_scalar("select number from notification.delivery_attempts")
        .fetch_all(&world.pool)
        .await
        .unwrap();
    assert_eq!((state.as_str(), attempts.as_slice()), ("sent", &[2][..]));
}
