//! Several that work for one consumer at once.

use tokio::time::Instant;

use super::case::{Case, PATIENCE, next};

#[allow(dead_code, reason = "of Kafka and Redis")]
pub(crate) async fn two_workers_share_the_partitions(case: &Case) {
    let consumer = case.consumer();
    let mut first = case.subscribe_with(&consumer, 64).await;
    let mut second = case.subscribe_with(&consumer, 64).await;
    let begun = Instant::now();
    // It takes a while until each has its share.
    loop {
        let events: Vec<_> = (0..64).map(|number| case.event(&format!("key-{number}"), number)).collect();
        case.publish(&events).await;
        let (mut of_first, mut of_second) = (0, 0);
        while of_first + of_second < events.len() {
            tokio::select! {
                delivery = next(&mut first) => {
                    of_first += 1;
                    delivery.ack().await.unwrap();
                }
                delivery = next(&mut second) => {
                    of_second += 1;
                    delivery.ack().await.unwrap();
                }
            }
        }
        if of_first > 8 && of_second > 8 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{of_first} and {of_second}");
    }
}
