//! Dead letters: a topic of them for each consumer, of which the last of each event counts. One that is replayed is removed by
//! an empty one, in one transaction with its event.

use std::time::Duration;

use futures::future::try_join_all;
use krafka::{
    Kafka, KrafkaError, Record,
    consumer::{CompactedEntry, CompactedTopicConsumer},
    producer::{Producer, TransactionalProducer},
};

use super::{
    address::{Address, PATIENCE},
    publisher, topics,
};
use crate::{Consumer, DeadLetter, Error, Event, Which};

/// The header of an event that was a dead letter: whose.
pub(super) const REPLAYED_FOR: &str = "flotilla-for";

/// Dead letters that are replayed in one transaction.
const BATCH: usize = 100;

/// How long a transaction may take. Nobody reads what comes behind one that is open.
const TRANSACTION: Duration = Duration::from_secs(20);

/// What makes it this letter.
fn key(event: &Event) -> String {
    format!("{} {}", event.source, event.id)
}

/// Writes letters, with a producer that is made for the first.
pub(super) struct Writer {
    address: Address,
    consumer: Consumer,
    producer: Option<Producer>,
}

impl Writer {
    pub(super) fn new(address: Address, consumer: Consumer) -> Self {
        Self { address, consumer, producer: None }
    }

    pub(super) async fn write(&mut self, letter: &DeadLetter) -> Result<(), Error> {
        let text = serde_json::to_string(letter)
            .map_err(|error| Error::Refused(format!("a dead letter cannot be written: {error}")))?;
        let record = Record::new(topics::dead(&self.consumer), text).key(key(&letter.event));
        let producer = if let Some(producer) = self.producer.take() {
            producer
        } else {
            let kafka = self.address.connect().await?;
            kafka.producer().delivery_timeout(PATIENCE * 2).max_block(PATIENCE).build().await?
        };
        Ok(self.producer.insert(producer).send(record).await.map(drop)?)
    }
}

/// All of a consumer, the oldest first.
async fn all(kafka: &Kafka, consumer: &Consumer) -> Result<Vec<DeadLetter>, Error> {
    let topic = topics::dead(consumer);
    if topics::partitions(&kafka.admin(), &topic).await?.is_none() {
        return Ok(Vec::new());
    }
    let mut letters =
        CompactedTopicConsumer::from_consumer_builder(kafka.consumer_without_group(), topic).await?;
    letters.scan_with_timeout(Duration::from_millis(200), PATIENCE * 2).await?;
    let mut entries: Vec<CompactedEntry> = letters.table().values().cloned().collect();
    letters.close().await?;
    entries.sort_by_key(|entry| entry.offset);
    let read = |entry: CompactedEntry| serde_json::from_slice(&entry.value).map_err(Error::unavailable);
    entries.into_iter().map(read).collect()
}

pub(super) async fn list(
    address: &Address,
    consumer: &Consumer,
    limit: u32,
) -> Result<Vec<DeadLetter>, Error> {
    let mut letters = all(&address.connect().await?, consumer).await?;
    letters.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(letters)
}

pub(super) async fn replay(address: &Address, consumer: &Consumer, which: &Which) -> Result<u64, Error> {
    let kafka = address.connect().await?;
    // Before the letters are read: who replays at the same time is shut out by this, or shuts this out.
    let producer = kafka
        .producer()
        .delivery_timeout(PATIENCE * 2)
        .max_block(PATIENCE)
        .transaction_timeout(TRANSACTION)
        .build_transactional(format!("{}.replay", topics::group(consumer)))
        .await?;
    let letters = all(&kafka, consumer).await?;
    let chosen: Vec<_> = letters.into_iter().filter(|letter| which.has(&letter.event)).collect();
    let mut replayed = 0;
    for letters in chosen.chunks(BATCH) {
        producer.begin()?;
        if let Err(error) = send(&producer, consumer, letters).await {
            if let Err(error) = producer.abort().await {
                tracing::debug!(%error, "a transaction ends by itself");
            }
            return Err(error);
        }
        producer.commit().await?;
        replayed += u64::try_from(letters.len()).unwrap_or_default();
    }
    if let Err(error) = producer.close().await {
        tracing::debug!(%error, "the brokers did not say goodbye");
    }
    Ok(replayed)
}

async fn send(
    producer: &TransactionalProducer,
    consumer: &Consumer,
    letters: &[DeadLetter],
) -> Result<(), Error> {
    let mut answers = Vec::new();
    for letter in letters {
        let event = publisher::record(&letter.event)?.header(REPLAYED_FOR, consumer.as_str().to_owned());
        answers.push(producer.enqueue(event).await?);
        let end = Record::tombstone(topics::dead(consumer), key(&letter.event));
        answers.push(producer.enqueue(end).await?);
    }
    let answered: Result<Vec<_>, KrafkaError> = try_join_all(answers).await;
    answered?;
    Ok(())
}
