//! The adapter of Kafka, held by the conformance suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[macro_use]
mod conformance;

use std::{
    fs,
    process::{Command, Stdio},
    sync::OnceLock,
    time::Duration,
};

use flotilla_bus::Which;
use flotilla_testbed::{Identity, Kafka};
use tokio::task::spawn_blocking;

/// One for all tests; it goes with this process.
fn kafka() -> &'static Kafka {
    static KAFKA: OnceLock<Kafka> = OnceLock::new();
    KAFKA.get_or_init(|| Kafka::start().unwrap())
}

async fn url() -> String {
    kafka().url()
}

suite!(url);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_comes_back_has_lost_nothing() {
    let mut server = Kafka::start().unwrap();
    let case = conformance::Case::new(server.url(), "restart").await;
    conformance::a_broker_that_is_killed_and_comes_back_has_lost_nothing(&case, |is_up| {
        if is_up { server.start_again().unwrap() } else { server.kill().unwrap() }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_share_the_partitions() {
    let case = conformance::Case::new(url().await, "share").await;
    let consumer = case.consumer();
    let mut first = case.subscribe_with(&consumer, 64).await;
    let mut second = case.subscribe_with(&consumer, 64).await;
    // By now each has its share.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let events: Vec<_> = (0..64).map(|number| case.event(&format!("key-{number}"), number)).collect();
    case.publish(&events).await;
    let (mut of_first, mut of_second) = (0, 0);
    while of_first + of_second < events.len() {
        tokio::select! {
            delivery = conformance::next(&mut first) => {
                of_first += 1;
                delivery.ack().await.unwrap();
            }
            delivery = conformance::next(&mut second) => {
                of_second += 1;
                delivery.ack().await.unwrap();
            }
        }
    }
    assert!(of_first > 8 && of_second > 8, "{of_first} and {of_second}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_being_handled_is_waited_for_before_somebody_else_has_its_partition() {
    let case = conformance::Case::new(url().await, "handover").await;
    let consumer = case.consumer();
    let mut first = case.subscribe_with(&consumer, 64).await;
    let events: Vec<_> = (0..32).map(|number| case.event(&format!("key-{number}"), number)).collect();
    case.publish(&events).await;
    let held = conformance::take(&mut first, events.len()).await;
    let mut second = case.subscribe_with(&consumer, 64).await;
    for _ in 0..3 {
        conformance::nothing(&mut second).await;
    }
    for delivery in held {
        delivery.ack().await.unwrap();
    }
    conformance::nothing(&mut second).await;
    conformance::nothing(&mut first).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_finished_behind_what_waits_does_not_come_to_who_is_next() {
    let case = conformance::Case::new(url().await, "behind").await;
    let consumer = case.consumer();
    let mut first = case.subscribe_with(&consumer, 64).await;
    let events: Vec<_> = (0..32).map(|number| case.event(&format!("key-{number}"), number)).collect();
    case.publish(&events).await;
    let mut taken = conformance::take(&mut first, events.len()).await;
    taken.sort_by_key(|delivery| conformance::number(&delivery.event));
    let waits = taken.remove(0);
    for delivery in taken {
        delivery.ack().await.unwrap();
    }
    waits.nack("not yet").await.unwrap();
    first.ended().await;
    let mut second = case.subscribe_with(&consumer, 64).await;
    let again = conformance::next(&mut second).await;
    // One try has failed, and nobody has begun with it since.
    assert_eq!((again.event.id, again.attempt), (events[0].id, 2));
    again.ack().await.unwrap();
    conformance::nothing(&mut second).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_replays_at_the_same_time_does_not_replay_twice() {
    let case = conformance::Case::new(url().await, "twice").await;
    let consumer = case.consumer();
    let mut deliveries = case.subscribe(&consumer).await;
    case.publish(&[case.event("a", 1)]).await;
    conformance::next(&mut deliveries).await.bury("poison").await.unwrap();
    let replay = || case.bus.replay(&consumer, &Which::All);
    let (one, other) = tokio::join!(replay(), replay());
    assert!(one.is_ok() || other.is_ok(), "{one:?} {other:?}");
    assert_eq!(one.unwrap_or_default() + other.unwrap_or_default(), 1);
    conformance::next(&mut deliveries).await.ack().await.unwrap();
    conformance::nothing(&mut deliveries).await;
}

/// Has its authorities from the environment, which no test may change.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a process that another test starts"]
async fn secured_process() {
    let url = std::env::var("SECURED_URL").unwrap();
    let case = conformance::Case::new(url.clone(), "secured").await;
    conformance::a_poison_goes_to_the_dead_letters_and_comes_back(&case).await;
    let stranger = flotilla_bus::connect(&url.replace("flotilla:", "flotilla:not-")).unwrap();
    assert!(stranger.publish(&[case.event("a", 1)]).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tls_and_a_password_it_is_the_same_and_without_either_there_is_nothing() {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificates, key) = (certificate.cert.pem(), certificate.signing_key.serialize_pem());
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    fs::write(&authority, &certificates).unwrap();
    let kafka = Kafka::start_secured(&Identity { certificates, key }).unwrap();
    let url = kafka.secured_url().unwrap();
    // This process does not know the authority.
    assert!(flotilla_bus::connect(&url).unwrap().ping().await.is_err());
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["secured_process", "--exact", "--ignored"]).stdout(Stdio::piped());
    process.env("SSL_CERT_FILE", authority).env("SECURED_URL", url);
    let output = spawn_blocking(move || process.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
