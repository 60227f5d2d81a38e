//! A consumer whose bus is not always there.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{sync::Arc, time::Duration};

use flotilla_bus::{
    Bus, Consumer, Event, EventType, Pattern, Subscription, connect, keep_consuming, prepare,
};
use flotilla_testbed::Postgres;
use serde_json::json;
use tokio::{
    sync::{mpsc, oneshot},
    time::{sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(120);

fn event(number: u32) -> Event {
    let kind = EventType::try_from("shop.order.paid.v1").unwrap();
    Event::new("/order-service", kind, format!("o-{number}"), json!({ "number": number }))
}

async fn published(bus: &dyn Bus, event: &Event) {
    let publish = async {
        while bus.publish(std::slice::from_ref(event)).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, publish).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_takes_what_there_is_once_the_bus_is_there_and_ends_when_it_is_told_to() {
    let mut postgres = tokio::task::spawn_blocking(|| Postgres::start().unwrap()).await.unwrap();
    let url = postgres.url("postgres");
    prepare(&url).await.unwrap();
    let bus = connect(&url).unwrap();
    let consumer = Consumer::try_from("notification-service").unwrap();
    let subscription = Subscription::new(consumer, [Pattern::try_from("shop.order.*").unwrap()]);
    // It is known to the bus, which then goes.
    drop(bus.subscribe(subscription.clone()).await.unwrap());
    tokio::task::block_in_place(|| postgres.stop()).unwrap();

    let (taken, mut seen) = mpsc::unbounded_channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let working = tokio::spawn({
        let bus = Arc::clone(&bus);
        async move {
            let handle = move |event: Event| {
                let taken = taken.clone();
                async move {
                    taken.send(event.subject).unwrap();
                    Ok(())
                }
            };
            let stopped = async {
                let _gone = stopped.await.is_err();
            };
            keep_consuming(&*bus, &subscription, handle, stopped).await;
        }
    });
    for number in 0..2 {
        sleep(Duration::from_millis(500)).await;
        assert!(seen.try_recv().is_err() && !working.is_finished());
        tokio::task::block_in_place(|| postgres.start_again()).unwrap();
        published(&*bus, &event(number)).await;
        assert_eq!(timeout(PATIENCE, seen.recv()).await.unwrap().unwrap(), format!("o-{number}"));
        tokio::task::block_in_place(|| postgres.stop()).unwrap();
    }
    // Also while there is no bus.
    stop.send(()).unwrap();
    timeout(PATIENCE, working).await.unwrap().unwrap();
}
