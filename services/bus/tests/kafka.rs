//! The adapter of Kafka, held by the conformance suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[macro_use]
mod conformance;

use flotilla_bus::Which;
use flotilla_testbed::Kafka;

suite_on!(Kafka);
secured!(Kafka);
suite!(url; two_workers_share_the_partitions,);

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
