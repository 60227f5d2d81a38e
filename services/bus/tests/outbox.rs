//! Outbox and inbox on a real Postgres, with buses that die, forget and refuse.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

#[path = "conformance/case.rs"]
#[expect(dead_code, reason = "of which this needs a part")]
mod case;

use std::{
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use flotilla_bus::{
    Bus, Consumer, DeadLetter, Deliveries, Error, Event, Subscription, Which, inbox, migrations,
    outbox::{self, Backlog, Relay},
};
use flotilla_testbed::{Postgres, Redis};
use futures::future::{BoxFuture, FutureExt};
use prometheus_client::{encoding::text::encode, registry::Registry};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool, postgres::PgPoolOptions};
use tokio::{
    sync::watch,
    task::block_in_place,
    time::{sleep, timeout},
};
use uuid::Uuid;

use self::case::{Case, PATIENCE, next, nothing, number};

fn postgres() -> &'static Postgres {
    static POSTGRES: OnceLock<Postgres> = OnceLock::new();
    POSTGRES.get_or_init(|| Postgres::start().unwrap())
}

/// A bus, and the database of a service.
async fn start(name: &str) -> (Case, PgPool) {
    let case = Case::new(postgres().url("postgres"), name).await;
    (case, service().await)
}

async fn service() -> PgPool {
    let name = format!("d{}", Uuid::now_v7().simple());
    let mut connection = PgConnection::connect(&postgres().url("postgres")).await.unwrap();
    connection.execute(AssertSqlSafe(format!("create database {name}"))).await.unwrap();
    let pool = PgPoolOptions::new().max_connections(20).connect(&postgres().url(&name)).await.unwrap();
    migrations().run(&pool).await.unwrap();
    pool
}

async fn append(pool: &PgPool, event: &Event) {
    let mut transaction = pool.begin().await.unwrap();
    outbox::append(&mut transaction, event).await.unwrap();
    transaction.commit().await.unwrap();
}

async fn take(deliveries: &mut Deliveries) -> Event {
    let delivery = next(deliveries).await;
    let event = delivery.event.clone();
    delivery.ack().await.unwrap();
    event
}

/// A relay that runs until it is told to stop.
struct Running {
    stop: watch::Sender<bool>,
    wake: outbox::Wake,
    is_up: watch::Receiver<bool>,
    metrics: Registry,
    task: tokio::task::JoinHandle<()>,
}

fn run(pool: &PgPool, bus: &Arc<dyn Bus>) -> Running {
    let relay = Relay::new(pool.clone(), Arc::clone(bus));
    let (wake, is_up, stop) = (relay.wake(), relay.is_up(), watch::Sender::new(false));
    let mut metrics = Registry::default();
    metrics.register_collector(Box::new(relay.metrics()));
    let mut stopped = stop.subscribe();
    let task = tokio::spawn(relay.run(async move {
        let _gone = stopped.wait_for(|stop| *stop).await.is_err();
    }));
    Running { stop, wake, is_up, metrics, task }
}

impl Running {
    /// Waits until it is measured that so many events wait.
    async fn measures(&self, waiting: u64) {
        let line = format!("outbox_waiting_events {waiting}");
        let measured = async {
            let mut text = String::new();
            while !text.lines().any(|known| known == line) {
                sleep(Duration::from_millis(20)).await;
                text.clear();
                encode(&mut text, &self.metrics).unwrap();
            }
            text
        };
        let text = timeout(PATIENCE, measured).await.unwrap();
        let oldest: f64 = text
            .lines()
            .find_map(|line| line.strip_prefix("outbox_oldest_seconds "))
            .unwrap()
            .parse()
            .unwrap();
        assert_eq!(oldest > 0.0, waiting > 0, "{text}");
        assert!(text.lines().any(|line| line == "outbox_refused_events 0"), "{text}");
    }

    async fn stop(self) {
        self.stop.send_replace(true);
        timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_goes_out_with_its_transaction_or_not_at_all() {
    let (case, pool) = start("transaction").await;
    let mut deliveries = case.subscribe(&case.consumer()).await;
    let relay = run(&pool, &case.bus);
    let mut transaction = pool.begin().await.unwrap();
    outbox::append(&mut transaction, &case.event("a", 1)).await.unwrap();
    transaction.rollback().await.unwrap();
    relay.wake.wake();
    nothing(&mut deliveries).await;
    let committed = case.event("a", 2);
    append(&pool, &committed).await;
    relay.wake.wake();
    assert_eq!(take(&mut deliveries).await, committed);
    relay.stop().await;
    let backlog = outbox::backlog(&pool).await.unwrap();
    assert_eq!((backlog.waiting, backlog.refused), (0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_is_committed_late_is_not_passed_over() {
    let (case, pool) = start("late_commit").await;
    let mut deliveries = case.subscribe(&case.consumer()).await;
    let relay = Relay::new(pool.clone(), Arc::clone(&case.bus));
    // The first has the smaller number, and is committed after the second was published.
    let (late, early) = (case.event("a", 1), case.event("b", 2));
    let mut transaction = pool.begin().await.unwrap();
    outbox::append(&mut transaction, &late).await.unwrap();
    append(&pool, &early).await;
    relay.publish_all().await.unwrap();
    assert_eq!(take(&mut deliveries).await, early);
    transaction.commit().await.unwrap();
    relay.publish_all().await.unwrap();
    assert_eq!(take(&mut deliveries).await, late);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_of_one_key_come_after_each_other() {
    let (case, pool) = start("one_key").await;
    let (first, second) = (case.event("a", 1), case.event("a", 2));
    let mut transaction = pool.begin().await.unwrap();
    outbox::append(&mut transaction, &first).await.unwrap();
    let other = tokio::spawn({
        let (pool, second) = (pool.clone(), second.clone());
        async move { append(&pool, &second).await }
    });
    sleep(Duration::from_millis(300)).await;
    assert!(!other.is_finished());
    transaction.commit().await.unwrap();
    other.await.unwrap();
    let mut deliveries = case.subscribe(&case.consumer()).await;
    Relay::new(pool, Arc::clone(&case.bus)).publish_all().await.unwrap();
    assert_eq!([take(&mut deliveries).await, take(&mut deliveries).await], [first, second]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_relays_publish_each_event_once_and_keys_in_order() {
    let (case, pool) = start("several_relays").await;
    let mut deliveries = case.subscribe_with(&case.consumer(), 64).await;
    let watched = Watched::new(&case.bus, None);
    let bus: Arc<dyn Bus> = watched.clone();
    let relays: Vec<_> = (0..4).map(|_| run(&pool, &bus)).collect();
    for number in 0..40 {
        for key in ["a", "b", "c"] {
            append(&pool, &case.event(key, number)).await;
        }
        relays[usize::try_from(number).unwrap() % 4].wake.wake();
    }
    let mut last = std::collections::HashMap::new();
    for _ in 0..120 {
        let event = take(&mut deliveries).await;
        let number = number(&event);
        assert_eq!(number, last.get(&event.key).map_or(0, |last| last + 1), "{}", event.key);
        last.insert(event.key, number);
    }
    nothing(&mut deliveries).await;
    for relay in relays {
        relay.stop().await;
    }
    // The bus would not have shown it: it knows what it has had.
    let published = watched.published.lock().unwrap().clone();
    assert_eq!(published.concat().len(), 120);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_waits_goes_out_together_but_for_what_another_relay_has() {
    let (case, pool) = start("together").await;
    let events: Vec<_> = ["a", "a", "b", "c", "d", "e", "f", "g"].map(|key| case.event(key, 0)).into();
    append(&pool, &events[0]).await;
    let silent = Watched::silent(&case.bus);
    let other = Relay::new(pool.clone(), silent.clone());
    let other = tokio::spawn(async move { other.publish_all().await });
    let asked = async {
        while silent.published.lock().unwrap().is_empty() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, asked).await.unwrap();
    for event in &events[1..] {
        append(&pool, event).await;
    }
    let watched = Watched::new(&case.bus, None);
    let relay = Relay::new(pool, watched.clone());
    assert!(relay.publish_all().await.unwrap(), "another relay has something");
    let published = |watched: &Watched| watched.published.lock().unwrap().clone();
    let together = published(&watched);
    assert_eq!(together.len(), 1, "{together:?}");
    assert!(together[0].len() > 1 && events[..2].iter().all(|event| !together[0].contains(&event.id)));
    other.abort();
    timeout(PATIENCE, async { while relay.publish_all().await.unwrap() {} }).await.unwrap();
    let mut all = published(&watched).concat();
    all.sort_unstable();
    let mut wanted: Vec<_> = events.iter().map(|event| event.id).collect();
    wanted.sort_unstable();
    assert_eq!(all, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_wait_while_the_bus_is_away_and_come_again_when_it_has_lost_them() {
    let pool = service().await;
    let mut redis = Redis::start().unwrap();
    let case = Case::new(redis.url(), "away").await;
    let consumer = case.consumer();
    let mut deliveries = case.subscribe(&consumer).await;
    let relay = run(&pool, &case.bus);
    let handled = case.event("a", 0);
    append(&pool, &handled).await;
    relay.wake.wake();
    assert_eq!(handle(&pool, &consumer, next(&mut deliveries).await).await, Some(handled.clone()));

    block_in_place(|| redis.kill().unwrap());
    let waiting = case.event("a", 1);
    append(&pool, &waiting).await;
    relay.wake.wake();
    let mut is_up = relay.is_up.clone();
    timeout(PATIENCE, is_up.wait_for(|is_up| !is_up)).await.unwrap().unwrap();
    assert_eq!(outbox::backlog(&pool).await.unwrap().waiting, 1);
    relay.measures(1).await;

    // It comes back with nothing.
    block_in_place(|| {
        redis.wipe().unwrap();
        redis.start_again().unwrap();
    });
    timeout(PATIENCE, is_up.wait_for(|is_up| *is_up)).await.unwrap().unwrap();
    relay.measures(0).await;
    // Whoever reads it finds that its group is gone, and makes another one.
    let mut effects = Vec::new();
    let mut is_probed = false;
    while !is_probed {
        case.publish(&[case.event("probe", 0)]).await;
        if let Ok(delivery) = timeout(Duration::from_secs(1), deliveries.next()).await {
            let event = handle(&pool, &consumer, delivery.unwrap()).await;
            is_probed = event.as_ref().is_some_and(|event| event.key == "probe");
            // The relay may have been later than the group.
            effects.extend(event.filter(|event| event.key != "probe"));
        }
    }
    let since = handled.time - Duration::from_secs(60);
    assert_eq!(outbox::replay(&pool, since, &[case.all()]).await.unwrap(), 2);
    relay.wake.wake();
    while effects.is_empty() {
        let event = handle(&pool, &consumer, next(&mut deliveries).await).await;
        effects.extend(event.filter(|event| event.key != "probe"));
    }
    // The one that was handled before has no second effect.
    assert_eq!(effects, [waiting]);
    relay.stop().await;
}

/// Has the effect of an event, when it is the first time.
async fn handle(pool: &PgPool, consumer: &Consumer, delivery: flotilla_bus::Delivery) -> Option<Event> {
    let event = delivery.event.clone();
    let mut transaction = pool.begin().await.unwrap();
    let is_first = inbox::is_first(&mut transaction, consumer, &event).await.unwrap();
    transaction.commit().await.unwrap();
    delivery.ack().await.unwrap();
    is_first.then_some(event)
}

/// A bus that knows what it was given at a time, and may refuse one event or say nothing.
#[derive(Debug)]
struct Watched {
    bus: Arc<dyn Bus>,
    refused: Option<Uuid>,
    is_silent: bool,
    published: Mutex<Vec<Vec<Uuid>>>,
}

impl Watched {
    fn new(bus: &Arc<dyn Bus>, refused: Option<Uuid>) -> Arc<Self> {
        Arc::new(Self { bus: Arc::clone(bus), refused, is_silent: false, published: Mutex::default() })
    }

    fn silent(bus: &Arc<dyn Bus>) -> Arc<Self> {
        Arc::new(Self { bus: Arc::clone(bus), refused: None, is_silent: true, published: Mutex::default() })
    }
}

impl Bus for Watched {
    fn publish<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        if events.iter().any(|event| Some(event.id) == self.refused) {
            return async { Err(Error::Refused("on purpose".to_owned())) }.boxed();
        }
        self.published.lock().unwrap().push(events.iter().map(|event| event.id).collect());
        if self.is_silent {
            return std::future::pending().boxed();
        }
        self.bus.publish(events)
    }

    fn publish_again<'a>(&'a self, events: &'a [Event]) -> BoxFuture<'a, Result<(), Error>> {
        self.bus.publish_again(events)
    }

    fn subscribe(&self, subscription: Subscription) -> BoxFuture<'_, Result<Deliveries, Error>> {
        self.bus.subscribe(subscription)
    }

    fn dead_letters<'a>(
        &'a self,
        consumer: &'a Consumer,
        limit: u32,
    ) -> BoxFuture<'a, Result<Vec<DeadLetter>, Error>> {
        self.bus.dead_letters(consumer, limit)
    }

    fn replay<'a>(&'a self, consumer: &'a Consumer, which: &'a Which) -> BoxFuture<'a, Result<u64, Error>> {
        self.bus.replay(consumer, which)
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.bus.ping()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_bus_refuses_is_kept_and_holds_up_nobody() {
    let (case, pool) = start("refused").await;
    let mut deliveries = case.subscribe(&case.consumer()).await;
    let events: Vec<_> = (0..3).map(|number| case.event("a", number)).collect();
    for event in &events {
        append(&pool, event).await;
    }
    Relay::new(pool.clone(), Watched::new(&case.bus, Some(events[1].id))).publish_all().await.unwrap();
    assert_eq!(
        [take(&mut deliveries).await, take(&mut deliveries).await],
        [events[0].clone(), events[2].clone()]
    );
    let backlog = outbox::backlog(&pool).await.unwrap();
    assert_eq!((backlog.waiting, backlog.refused), (0, 1));
    // Once somebody has seen to it that the bus takes it.
    assert_eq!(outbox::replay(&pool, events[0].time, &[case.all()]).await.unwrap(), 3);
    Relay::new(pool.clone(), Arc::clone(&case.bus)).publish_all().await.unwrap();
    let mut again = Vec::new();
    for _ in 0..3 {
        again.push(take(&mut deliveries).await);
    }
    assert!(again.contains(&events[1]), "{again:?}");
    assert_eq!(outbox::backlog(&pool).await.unwrap(), Backlog::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_and_its_row_in_the_inbox_are_there_together() {
    let (case, pool) = start("inbox").await;
    let (consumer, other) = (case.consumer(), case.consumer());
    let event = case.event("a", 1);
    let mut transaction = pool.begin().await.unwrap();
    assert!(inbox::is_first(&mut transaction, &consumer, &event).await.unwrap());
    transaction.rollback().await.unwrap();
    // The effect was taken back: it is to be done.
    let mut transaction = pool.begin().await.unwrap();
    assert!(inbox::is_first(&mut transaction, &consumer, &event).await.unwrap());
    // Another one that comes meanwhile waits, and then has nothing to do.
    let second = tokio::spawn({
        let (pool, consumer, event) = (pool.clone(), consumer.clone(), event.clone());
        async move {
            let mut transaction = pool.begin().await.unwrap();
            inbox::is_first(&mut transaction, &consumer, &event).await.unwrap()
        }
    });
    sleep(Duration::from_millis(300)).await;
    assert!(!second.is_finished());
    transaction.commit().await.unwrap();
    assert!(!second.await.unwrap());
    // Another consumer has an inbox of its own.
    let mut transaction = pool.begin().await.unwrap();
    assert!(inbox::is_first(&mut transaction, &other, &event).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_unless_it_waits() {
    let (case, pool) = start("sweep").await;
    for number in 0..3 {
        append(&pool, &case.event("a", number)).await;
    }
    Relay::new(pool.clone(), Arc::clone(&case.bus)).publish_all().await.unwrap();
    append(&pool, &case.event("a", 3)).await;
    let consumer = case.consumer();
    for number in 0..3 {
        let mut transaction = pool.begin().await.unwrap();
        inbox::is_first(&mut transaction, &consumer, &case.event("a", number)).await.unwrap();
        transaction.commit().await.unwrap();
    }
    let count = async |table: &str| {
        let query = AssertSqlSafe(format!("select count(*) from messaging.{table}"));
        sqlx::query_scalar::<_, i64>(query).fetch_one(&pool).await.unwrap()
    };
    outbox::sweep(&pool).await.unwrap();
    assert_eq!((count("outbox").await, count("inbox").await), (4, 3));
    pool.execute("update messaging.outbox set created_at = now() - interval '15 days'").await.unwrap();
    pool.execute("update messaging.inbox set handled_at = now() - interval '15 days'").await.unwrap();
    outbox::sweep(&pool).await.unwrap();
    // The inbox remembers for longer than anything can be replayed.
    assert_eq!((count("outbox").await, count("inbox").await), (1, 3));
    pool.execute("update messaging.inbox set handled_at = now() - interval '31 days'").await.unwrap();
    outbox::sweep(&pool).await.unwrap();
    assert_eq!(count("inbox").await, 0);
}
