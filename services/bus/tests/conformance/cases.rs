//! Delivery, redelivery, dead letters, dedupe, back-pressure.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use flotilla_bus::{Error, Failure, MAX_BYTES, Pattern, Which, consume};
use serde_json::json;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, timeout},
};

use super::case::{Case, PATIENCE, ids, next, nothing, number, take};

pub(crate) async fn each_consumer_gets_what_it_wants(case: &Case) {
    let (all, some, none) = (case.consumer(), case.consumer(), case.consumer());
    let mut all = case.subscribe(&all).await;
    let mut subscription = case.subscription(&some);
    subscription.types = vec![Pattern::try_from(case.kind("wanted").as_str()).unwrap()];
    let mut some = case.bus.subscribe(subscription.clone()).await.unwrap();
    subscription.consumer = none;
    subscription.types = vec![Pattern::try_from("shop.something_else.*").unwrap()];
    let mut none = case.bus.subscribe(subscription).await.unwrap();
    let mut wanted = case.event("a", 1);
    wanted.kind = case.kind("wanted");
    let other = case.event("b", 2);
    case.publish(&[wanted.clone(), other.clone()]).await;
    let both = take(&mut all, 2).await;
    assert_eq!(ids(both.iter().map(|delivery| &delivery.event)), ids([&wanted, &other]));
    for delivery in both {
        assert_eq!(delivery.attempt, 1);
        delivery.ack().await.unwrap();
    }
    let one = next(&mut some).await;
    assert_eq!(one.event, wanted);
    one.ack().await.unwrap();
    for deliveries in [&mut all, &mut some, &mut none] {
        nothing(deliveries).await;
    }
}

pub(crate) async fn a_consumer_wants_what_it_said_last(case: &Case) {
    let consumer = case.consumer();
    let mut subscription = case.subscription(&consumer);
    subscription.types = vec![Pattern::try_from(case.kind("before").as_str()).unwrap()];
    case.bus.subscribe(subscription.clone()).await.unwrap().ended().await;
    subscription.types = vec![Pattern::try_from(case.kind("after").as_str()).unwrap()];
    let mut deliveries = case.bus.subscribe(subscription).await.unwrap();
    let (mut before, mut after) = (case.event("a", 1), case.event("a", 2));
    (before.kind, after.kind) = (case.kind("before"), case.kind("after"));
    case.publish(&[before, after.clone()]).await;
    let delivery = next(&mut deliveries).await;
    assert_eq!(delivery.event, after);
    delivery.ack().await.unwrap();
    nothing(&mut deliveries).await;
}

pub(crate) async fn what_was_published_waits_for_its_consumer(case: &Case) {
    let consumer = case.consumer();
    case.subscribe(&consumer).await.ended().await;
    let event = case.event("a", 1);
    case.publish(std::slice::from_ref(&event)).await;
    let mut deliveries = case.subscribe(&consumer).await;
    let delivery = next(&mut deliveries).await;
    assert_eq!(delivery.event, event);
    delivery.ack().await.unwrap();
    nothing(&mut deliveries).await;
}

pub(crate) async fn what_failed_comes_again_after_its_delay(case: &Case) {
    let mut deliveries = case.subscribe(&case.consumer()).await;
    let event = case.event("a", 1);
    case.publish(std::slice::from_ref(&event)).await;
    let delivery = next(&mut deliveries).await;
    // Postgres counts from the beginning of the transaction that notes it.
    let failed = Instant::now();
    delivery.nack("not yet").await.unwrap();
    let second = next(&mut deliveries).await;
    assert!(failed.elapsed() >= Duration::from_millis(300), "{:?}", failed.elapsed());
    assert_eq!((second.event.id, second.attempt), (event.id, 2));
    second.ack().await.unwrap();
    nothing(&mut deliveries).await;
}

pub(crate) async fn what_has_no_answer_has_failed(case: &Case) {
    let mut deliveries = case.subscribe(&case.consumer()).await;
    case.publish(&[case.event("a", 1)]).await;
    drop(next(&mut deliveries).await);
    let second = next(&mut deliveries).await;
    assert_eq!(second.attempt, 2);
    second.ack().await.unwrap();
}

pub(crate) async fn a_poison_goes_to_the_dead_letters_and_comes_back(case: &Case) {
    let (consumer, other) = (case.consumer(), case.consumer());
    let mut deliveries = case.subscribe(&consumer).await;
    let mut others = case.subscribe(&other).await;
    let (poison, next_of_key) = (case.event("a", 1), case.event("a", 2));
    case.publish(&[poison.clone(), next_of_key.clone()]).await;
    for attempt in 1..=3 {
        let delivery = next(&mut deliveries).await;
        assert_eq!((delivery.event.id, delivery.attempt), (poison.id, attempt));
        delivery.nack(format!("failure {attempt}")).await.unwrap();
    }
    // It is out of the way of what comes behind it.
    let behind = next(&mut deliveries).await;
    assert_eq!(behind.event, next_of_key);
    behind.ack().await.unwrap();
    nothing(&mut deliveries).await;

    let letters = case.bus.dead_letters(&consumer, 10).await.unwrap();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!((&letter.event, letter.attempts, letter.reason.as_str()), (&poison, 3, "failure 3"));
    assert!(letter.time >= poison.time);
    assert!(case.bus.dead_letters(&other, 10).await.unwrap().is_empty());

    assert_eq!(case.bus.replay(&consumer, &Which::All).await.unwrap(), 1);
    let again = next(&mut deliveries).await;
    assert_eq!((&again.event, again.attempt), (&poison, 1));
    again.ack().await.unwrap();
    assert!(case.bus.dead_letters(&consumer, 10).await.unwrap().is_empty());
    assert_eq!(case.bus.replay(&consumer, &Which::All).await.unwrap(), 0);

    // Another consumer has nothing to do with any of it.
    for expected in [&poison, &next_of_key] {
        let delivery = next(&mut others).await;
        assert_eq!((&delivery.event, delivery.attempt), (expected, 1));
        delivery.ack().await.unwrap();
    }
    nothing(&mut others).await;
}

pub(crate) async fn what_is_buried_is_not_tried_again(case: &Case) {
    let consumer = case.consumer();
    let mut deliveries = case.subscribe(&consumer).await;
    case.publish(&[case.event("a", 1)]).await;
    next(&mut deliveries).await.bury("no such order").await.unwrap();
    nothing(&mut deliveries).await;
    let letters = case.bus.dead_letters(&consumer, 10).await.unwrap();
    assert_eq!((letters.len(), letters[0].attempts, letters[0].reason.as_str()), (1, 1, "no such order"));
}

pub(crate) async fn dead_letters_can_be_chosen(case: &Case) {
    let consumer = case.consumer();
    let mut deliveries = case.subscribe(&consumer).await;
    let events: Vec<_> = (1..=3).map(|number| case.event(&format!("key-{number}"), number)).collect();
    case.publish(&events).await;
    for delivery in take(&mut deliveries, 3).await {
        delivery.bury("poison").await.unwrap();
    }
    let which = Which::These(vec![events[1].id]);
    assert_eq!(case.bus.replay(&consumer, &which).await.unwrap(), 1);
    let again = next(&mut deliveries).await;
    assert_eq!(again.event, events[1]);
    again.ack().await.unwrap();
    nothing(&mut deliveries).await;
    let letters = case.bus.dead_letters(&consumer, 10).await.unwrap();
    assert_eq!(ids(letters.iter().map(|letter| &letter.event)), ids([&events[0], &events[2]]));
    assert_eq!(case.bus.dead_letters(&consumer, 1).await.unwrap().len(), 1);
}

pub(crate) async fn what_is_published_twice_comes_once(case: &Case) {
    let mut deliveries = case.subscribe(&case.consumer()).await;
    let (event, other) = (case.event("a", 1), case.event("a", 2));
    case.publish(&[event.clone(), event.clone()]).await;
    let delivery = next(&mut deliveries).await;
    case.publish(&[event.clone(), other.clone()]).await;
    assert_eq!(delivery.event, event);
    delivery.ack().await.unwrap();
    let delivery = next(&mut deliveries).await;
    assert_eq!(delivery.event, other);
    delivery.ack().await.unwrap();
    case.publish(&[event]).await;
    nothing(&mut deliveries).await;
}

/// Of those brokers that know by themselves what they have had.
#[allow(dead_code, reason = "RabbitMQ does not")]
pub(crate) async fn what_is_published_twice_comes_once_to_whoever_is_new(case: &Case) {
    let consumer = case.consumer();
    let mut deliveries = case.subscribe(&consumer).await;
    let event = case.event("a", 1);
    case.publish(std::slice::from_ref(&event)).await;
    next(&mut deliveries).await.ack().await.unwrap();
    deliveries.ended().await;
    let mut deliveries = case.subscribe(&consumer).await;
    case.publish(&[event]).await;
    nothing(&mut deliveries).await;
}

pub(crate) async fn what_is_published_again_on_purpose_comes_again(case: &Case) {
    let early = case.consumer();
    let mut deliveries = case.subscribe(&early).await;
    let event = case.event("a", 1);
    case.publish(std::slice::from_ref(&event)).await;
    next(&mut deliveries).await.bury("poison").await.unwrap();
    // Somebody who was not known then, as after a broker has lost all that it had.
    let mut late = case.subscribe(&case.consumer()).await;
    nothing(&mut late).await;
    case.bus.publish_again(std::slice::from_ref(&event)).await.unwrap();
    let delivery = next(&mut late).await;
    assert_eq!(delivery.event, event);
    delivery.bury("poison").await.unwrap();
    nothing(&mut late).await;
    // It does not matter whether it comes to who had it as well, but both still can have their dead letters.
    if let Ok(Some(again)) = timeout(Duration::from_secs(1), deliveries.next()).await {
        again.bury("poison").await.unwrap();
    }
    assert!(!case.bus.dead_letters(&early, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_consumer_has_no_more_than_it_asked_for(case: &Case) {
    let mut deliveries = case.subscribe_with(&case.consumer(), 4).await;
    let events: Vec<_> = (0..50).map(|number| case.event(&format!("key-{number}"), number)).collect();
    case.publish(&events).await;
    let mut taken = take(&mut deliveries, 4).await;
    nothing(&mut deliveries).await;
    taken.pop().unwrap().ack().await.unwrap();
    taken.push(next(&mut deliveries).await);
    nothing(&mut deliveries).await;
    for delivery in taken {
        delivery.ack().await.unwrap();
    }
    for delivery in take(&mut deliveries, 4).await {
        delivery.ack().await.unwrap();
    }
}

pub(crate) async fn what_nobody_began_with_goes_back(case: &Case) {
    let consumer = case.consumer();
    let mut first = case.subscribe_with(&consumer, 8).await;
    let events: Vec<_> = (0..8).map(|number| case.event(&format!("key-{number}"), number)).collect();
    case.publish(&events).await;
    let begun = next(&mut first).await;
    let done = begun.event.id;
    first.close();
    // What somebody has begun with still has its answer.
    begun.ack().await.unwrap();
    first.ended().await;
    let mut second = case.subscribe_with(&consumer, 8).await;
    let others = take(&mut second, 7).await;
    assert!(others.iter().all(|delivery| delivery.event.id != done));
    for delivery in others {
        delivery.ack().await.unwrap();
    }
    nothing(&mut second).await;
    assert!(case.bus.dead_letters(&consumer, 10).await.unwrap().is_empty());
}

pub(crate) async fn a_handler_runs_until_it_is_stopped(case: &Case) {
    let consumer = case.consumer();
    let deliveries = case.subscribe(&consumer).await;
    let events: Vec<_> = (0..4).map(|number| case.event(&format!("key-{number}"), number)).collect();
    let tries = Arc::new(Mutex::new(HashMap::<u64, u32>::new()));
    let stop = Arc::new(Notify::new());
    let handler = {
        let (tries, stop) = (Arc::clone(&tries), Arc::clone(&stop));
        move |event: flotilla_bus::Event| {
            let number = number(&event);
            let (tries, is_last) = {
                let mut all = tries.lock().unwrap();
                let tries = *all.entry(number).and_modify(|tries| *tries += 1).or_insert(1);
                (tries, all.values().sum::<u32>() == 5)
            };
            let stop = Arc::clone(&stop);
            async move {
                if is_last {
                    stop.notify_one();
                    // It is stopped meanwhile, and still gets its answer.
                    sleep(Duration::from_millis(200)).await;
                }
                match (number, tries) {
                    (0, _) => Err(Failure::Poison("never".to_owned())),
                    (1, 1) => Err(Failure::Again("not yet".to_owned())),
                    _ => Ok(()),
                }
            }
        }
    };
    case.publish(&events).await;
    timeout(PATIENCE, consume(deliveries, handler, stop.notified())).await.unwrap();
    assert_eq!(*tries.lock().unwrap(), HashMap::from([(0, 1), (1, 2), (2, 1), (3, 1)]));
    assert_eq!(case.bus.dead_letters(&consumer, 10).await.unwrap().len(), 1);
    nothing(&mut case.subscribe(&consumer).await).await;
}

pub(crate) async fn many_events_all_come_once(case: &Case) {
    let mut deliveries = case.subscribe_with(&case.consumer(), 64).await;
    let events: Vec<_> =
        (0..1_000).map(|number| case.event(&format!("key-{}", number % 97), number)).collect();
    for batch in events.chunks(200) {
        case.publish(batch).await;
    }
    let mut seen = Vec::new();
    let mut answers = Vec::new();
    for _ in 0..events.len() {
        let delivery = next(&mut deliveries).await;
        seen.push(delivery.event.id);
        answers.push(tokio::spawn(delivery.ack()));
    }
    for answer in answers {
        answer.await.unwrap().unwrap();
    }
    assert_eq!(seen.iter().copied().collect::<std::collections::HashSet<_>>(), ids(&events));
    nothing(&mut deliveries).await;
}

pub(crate) async fn what_is_too_large_is_refused(case: &Case) {
    let mut deliveries = case.subscribe(&case.consumer()).await;
    let mut large = case.event("a", 1);
    large.data = json!("x".repeat(MAX_BYTES));
    let error = case.bus.publish(&[large]).await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
    // As much as may be does go.
    let mut largest = case.event("a", 2);
    largest.data = json!("x".repeat(MAX_BYTES - 1_024));
    case.publish(std::slice::from_ref(&largest)).await;
    let delivery = next(&mut deliveries).await;
    assert_eq!(delivery.event, largest);
    delivery.ack().await.unwrap();
}
