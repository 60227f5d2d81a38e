//! What a case has to work with: a bus, and names that no other case has.

use std::{
    collections::HashSet,
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use flotilla_bus::{Bus, Consumer, Deliveries, Delivery, Event, EventType, Pattern, Policy, Subscription};
use serde_json::json;
use tokio::time::timeout;
use uuid::Uuid;

/// How long anything may take. Machines are busy at times.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How long nothing is waited for.
pub(crate) const SILENCE: Duration = Duration::from_millis(700);

pub(crate) struct Case {
    pub(crate) url: String,
    pub(crate) bus: Arc<dyn Bus>,
    space: String,
    subscriptions: AtomicU32,
}

impl Case {
    pub(crate) async fn new(url: String, name: &str) -> Self {
        flotilla_bus::prepare(&url).await.unwrap();
        let bus = flotilla_bus::connect(&url).unwrap();
        let words: String = name.split('_').filter_map(|word| word.chars().next()).collect();
        let space = format!("{words}{}", Uuid::now_v7().simple());
        Self { url, bus, space, subscriptions: AtomicU32::new(0) }
    }

    /// A type of events that only this case has.
    pub(crate) fn kind(&self, name: &str) -> EventType {
        EventType::try_from(format!("{}.{name}.v1", self.space)).unwrap()
    }

    /// All types of this case.
    pub(crate) fn all(&self) -> Pattern {
        Pattern::try_from(format!("{}.*", self.space).as_str()).unwrap()
    }

    pub(crate) fn event(&self, key: &str, number: u32) -> Event {
        Event::new("/conformance", self.kind("happened"), key, json!({ "number": number }))
    }

    /// A consumer that nobody else is.
    pub(crate) fn consumer(&self) -> Consumer {
        let count = self.subscriptions.fetch_add(1, Ordering::Relaxed);
        Consumer::try_from(format!("{}-{count}", self.space).as_str()).unwrap()
    }

    /// Everything, for the impatient.
    pub(crate) fn subscription(&self, consumer: &Consumer) -> Subscription {
        let mut subscription = Subscription::new(consumer.clone(), [self.all()]);
        subscription.policy = policy();
        subscription
    }

    pub(crate) async fn subscribe(&self, consumer: &Consumer) -> Deliveries {
        self.bus.subscribe(self.subscription(consumer)).await.unwrap()
    }

    pub(crate) async fn subscribe_with(&self, consumer: &Consumer, in_flight: u32) -> Deliveries {
        let mut subscription = self.subscription(consumer);
        subscription.in_flight = NonZeroU32::new(in_flight).unwrap();
        self.bus.subscribe(subscription).await.unwrap()
    }

    pub(crate) async fn publish(&self, events: &[Event]) {
        self.bus.publish(events).await.unwrap();
    }
}

/// What the impatient go by.
pub(crate) fn policy() -> Policy {
    Policy { delays: vec![Duration::from_millis(300); 2], lease: Duration::from_secs(5) }
}

pub(crate) fn number(event: &Event) -> u64 {
    event.data["number"].as_u64().unwrap()
}

pub(crate) async fn next(deliveries: &mut Deliveries) -> Delivery {
    timeout(PATIENCE, deliveries.next()).await.expect("nothing is delivered").expect("the subscription ended")
}

pub(crate) async fn take(deliveries: &mut Deliveries, count: usize) -> Vec<Delivery> {
    let mut taken = Vec::new();
    while taken.len() < count {
        taken.push(next(deliveries).await);
    }
    taken
}

pub(crate) async fn nothing(deliveries: &mut Deliveries) {
    if let Ok(delivery) = timeout(SILENCE, deliveries.next()).await {
        panic!("something is delivered: {delivery:?}");
    }
}

pub(crate) fn ids<'a>(events: impl IntoIterator<Item = &'a Event>) -> HashSet<Uuid> {
    events.into_iter().map(|event| event.id).collect()
}
