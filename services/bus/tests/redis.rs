//! The adapter of Redis, held by the conformance suite.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[macro_use]
mod conformance;

use flotilla_bus::Lost;
use flotilla_testbed::Redis;

suite_on!(Redis);
suite!(url; two_workers_share_the_partitions, what_is_published_twice_comes_once_to_whoever_is_new,);

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
