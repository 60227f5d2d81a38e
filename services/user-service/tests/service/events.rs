//! What others are told, and what is heard of them.

use std::{collections::BTreeSet, fs};

use flotilla_bus::{Event, EventType};
use flotilla_user_service::{
    crypto::Token,
    events::{Fact, Mail, append},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use sqlx::Row;
use tokio::time::{Duration, sleep, timeout};
use uuid::Uuid;

use crate::harness::{PATIENCE, Shop};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_event_is_what_its_schema_says() {
    let shop = Shop::start().await;
    let mail = || Mail { reference: Token::random().unwrap(), expires_at: Timestamp::now() };
    let facts = [
        Fact::Registered { locale: "en".to_owned() },
        Fact::RegistrationRepeated,
        Fact::VerificationRequested(mail()),
        Fact::EmailVerified,
        Fact::EmailChangeRequested(mail()),
        Fact::EmailChanged,
        Fact::PasswordResetRequested(mail()),
        Fact::PasswordChanged { how: "change" },
        Fact::PasswordChanged { how: "reset" },
        Fact::Locked { reason: "failures", until: Some(Timestamp::now()) },
        Fact::Locked { reason: "operator", until: None },
        Fact::SessionCompromised { session: Uuid::now_v7() },
        Fact::Erased,
    ];
    let mut transaction = shop.pool.begin().await.unwrap();
    for fact in &facts {
        append(&mut transaction, Uuid::now_v7(), fact).await.unwrap();
    }
    transaction.commit().await.unwrap();
    let rows = sqlx::query("select event from messaging.outbox").fetch_all(&shop.pool).await.unwrap();
    assert_eq!(rows.len(), facts.len());
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/events");
    let mut told = BTreeSet::new();
    for row in rows {
        let event: Value = row.get(0);
        let kind = event["type"].as_str().unwrap();
        assert_eq!(event["dataschema"], format!("https://flotilla.dev/events/{kind}.json"));
        assert_eq!(
            (&event["source"], &event["subject"]),
            (&json!("/user-service"), &event["data"]["user_id"])
        );
        let schema: Value =
            serde_json::from_slice(&fs::read(format!("{folder}/{kind}.json")).unwrap()).unwrap();
        assert_eq!(schema["$id"], event["dataschema"]);
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(&event["data"]).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{kind}: {errors:?}");
        assert!(!validator.is_valid(&json!({ "user_id": "nobody" })), "{kind}");
        told.insert(format!("{kind}.json"));
    }
    let written: BTreeSet<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(told, written);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_does_not_get_their_mail_is_told_of_it() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let kind = EventType::try_from("shop.notification.bounced.v1").unwrap();
    let bounced = |email: &str| {
        let data = json!({ "user_id": ada.id, "channel": "email", "recipient": email });
        Event::new("/notification-service", kind.clone(), ada.id.to_string(), data)
    };
    let is_bounced = async || shop.get(&ada, "/v1/users/me").await.is(200).body["email_bounced"] == true;
    let handled = async |count: i64| {
        let handled = async {
            loop {
                let query =
                    sqlx::query("select count(*) from messaging.inbox where consumer = 'user-service'");
                if query.fetch_one(&shop.pool).await.unwrap().get::<i64, _>(0) == count {
                    break;
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, handled).await.expect("the event is never handled");
    };
    // It subscribes when it has started; until then there is nobody to publish to.
    let subscribed = async {
        while sqlx::query("select from bus.consumers").fetch_optional(&shop.pool).await.unwrap().is_none() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, subscribed).await.unwrap();
    // An address that she had before.
    shop.bus.publish(&[bounced("old@example.org")]).await.unwrap();
    handled(1).await;
    assert!(!is_bounced().await);
    let event = bounced("ADA@example.org");
    shop.bus.publish(std::slice::from_ref(&event)).await.unwrap();
    handled(2).await;
    assert!(is_bounced().await);
}
