//! The adapter of Redis, held by the conformance suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[macro_use]
mod conformance;

use std::{sync::OnceLock, time::Duration};

use flotilla_bus::Lost;
use flotilla_testbed::Redis;

/// One for all tests; it goes with this process.
fn server() -> &'static Redis {
    static REDIS: OnceLock<Redis> = OnceLock::new();
    REDIS.get_or_init(|| Redis::start().unwrap())
}

async fn url() -> String {
    server().url()
}

suite!(url);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_killed_and_comes_back_has_lost_nothing() {
    let mut server = Redis::start().unwrap();
    let case = conformance::Case::new(server.url(), "restart").await;
    conformance::a_broker_that_is_killed_and_comes_back_has_lost_nothing(&case, |is_up| {
        if is_up { server.start_again().unwrap() } else { server.kill().unwrap() }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_lost_a_partition_can_finish_nothing_of_it() {
    let case = conformance::Case::new(url().await, "lost").await;
    let consumer = case.consumer();
    let mut deliveries = case.subscribe(&consumer).await;
    case.publish(&[case.event("a", 1)]).await;
    let late = conformance::next(&mut deliveries).await;
    // As if this process had been stopped for longer than its lease, and somebody else had taken its partitions.
    let client = redis::Client::open(case.url.as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let pattern = format!("flotilla:owner:{consumer}:*");
    let owners: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut connection).await.unwrap();
    assert_eq!(owners.len(), 8);
    for owner in owners {
        let mut set = redis::cmd("SET");
        set.arg(owner).arg("somebody else").arg("PX").arg(1_500);
        set.query_async::<()>(&mut connection).await.unwrap();
    }
    assert_eq!(late.ack().await, Err(Lost));
    // It comes again to whoever has the partition then.
    let again = conformance::next(&mut deliveries).await;
    assert!(again.attempt >= 2, "{}", again.attempt);
    again.ack().await.unwrap();
    conformance::nothing(&mut deliveries).await;
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
async fn what_is_published_twice_comes_once_to_whoever_is_new() {
    let case = conformance::Case::new(url().await, "known").await;
    conformance::what_is_published_twice_comes_once_to_whoever_is_new(&case).await;
}
