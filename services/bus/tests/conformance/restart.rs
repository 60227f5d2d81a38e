//! A broker that is killed, and comes back with what it had.

use std::{collections::HashSet, time::Duration};

use flotilla_bus::Error;
use tokio::{task::block_in_place, time::sleep};

use super::case::{Case, ids, next, nothing};

pub(crate) async fn a_broker_that_is_killed_and_comes_back_has_lost_nothing(
    case: &Case,
    mut set: impl FnMut(bool),
) {
    let mut deliveries = case.subscribe(&case.consumer()).await;
    let events: Vec<_> = (0..4).map(|number| case.event(&format!("key-{number}"), number)).collect();
    case.publish(&events[..3]).await;
    let held = next(&mut deliveries).await;
    let held_id = held.event.id;
    // Any other: keys have no order among them.
    let done = next(&mut deliveries).await;
    let done_id = done.event.id;
    done.ack().await.unwrap();

    block_in_place(|| set(false));
    let error = case.bus.publish(&events[3..]).await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert!(case.bus.ping().await.is_err());
    // Nobody is there to hear it.
    let answer = tokio::spawn(held.ack());

    block_in_place(|| set(true));
    while let Err(error) = case.bus.publish(&events[3..]).await {
        assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
        sleep(Duration::from_millis(200)).await;
    }
    case.bus.ping().await.unwrap();
    // What had an answer may come again, if that was lost; what had none does, unless the broker got it after all.
    let was_heard = answer.await.unwrap().is_ok();
    let mut wanted: HashSet<_> = ids(&events);
    wanted.remove(&done_id);
    if was_heard {
        wanted.remove(&held_id);
    }
    while !wanted.is_empty() {
        let delivery = next(&mut deliveries).await;
        let id = delivery.event.id;
        // One that was out when the broker died is lost to this one, and comes again.
        if delivery.ack().await.is_ok() {
            wanted.remove(&id);
        }
    }
    nothing(&mut deliveries).await;
}
