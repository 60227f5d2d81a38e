//! Order of keys.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use flotilla_bus::{Event, Failure, consume};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::case::{Case, PATIENCE, number};

const KEYS: u32 = 6;
const EACH: u32 = 12;

/// What was handled, and whether ever two of a key at a time.
#[derive(Default)]
struct Record {
    done: HashMap<String, Vec<u64>>,
    running: HashSet<String>,
    failed: HashSet<(String, u64)>,
    together: Vec<String>,
}

impl Record {
    fn count(&self) -> u32 {
        u32::try_from(self.done.values().map(Vec::len).sum::<usize>()).unwrap()
    }

    fn check(&self) {
        let expected: Vec<u64> = (0..EACH.into()).collect();
        assert_eq!(self.together, Vec::<String>::new());
        assert_eq!(self.done.len(), KEYS as usize);
        for (key, done) in &self.done {
            assert_eq!(done, &expected, "{key}");
        }
        // Else failures were not part of it.
        assert!(!self.failed.is_empty());
    }
}

fn handler(
    record: Arc<Mutex<Record>>,
    all: Arc<Notify>,
) -> impl Fn(Event) -> std::pin::Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
    move |event| {
        let (record, all) = (Arc::clone(&record), Arc::clone(&all));
        Box::pin(async move {
            let (key, number) = (event.key.clone(), number(&event));
            if !record.lock().unwrap().running.insert(key.clone()) {
                record.lock().unwrap().together.push(key.clone());
            }
            sleep(Duration::from_millis(number * 7 % 20)).await;
            let mut record = record.lock().unwrap();
            record.running.remove(&key);
            // Some fail the first time.
            if number % 5 == 2 && record.failed.insert((key.clone(), number)) {
                return Err(Failure::Again("not yet".to_owned()));
            }
            record.done.entry(key).or_default().push(number);
            if record.count() == KEYS * EACH {
                all.notify_waiters();
                all.notify_one();
            }
            Ok(())
        })
    }
}

async fn run(case: &Case, workers: usize) {
    let consumer = case.consumer();
    let record = Arc::new(Mutex::new(Record::default()));
    let all = Arc::new(Notify::new());
    let stop = tokio::sync::watch::Sender::new(());
    let mut running = Vec::new();
    for _ in 0..workers {
        let deliveries = case.subscribe_with(&consumer, 8).await;
        let handler = handler(Arc::clone(&record), Arc::clone(&all));
        let mut stopped = stop.subscribe();
        running.push(tokio::spawn(consume(deliveries, handler, async move {
            let _stopped = stopped.changed().await.is_ok();
        })));
    }
    for number in 0..EACH {
        let events: Vec<_> = (0..KEYS).map(|key| case.event(&format!("key-{key}"), number)).collect();
        case.publish(&events).await;
    }
    timeout(PATIENCE, all.notified()).await.expect("not everything was handled");
    stop.send_replace(());
    for worker in running {
        worker.await.unwrap();
    }
    record.lock().unwrap().check();
}

pub(crate) async fn keys_stay_in_order_over_failures(case: &Case) {
    run(case, 1).await;
}

pub(crate) async fn keys_stay_in_order_over_several_workers(case: &Case) {
    run(case, 3).await;
}
