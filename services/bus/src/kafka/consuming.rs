//! A consumer's session: takes part in its group, reads the partitions that it has, and commits what is finished.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use krafka::{
    CloseOptions,
    consumer::{AutoOffsetReset, Consumer, ConsumerRecord, GroupProtocol, IsolationLevel},
};
use tokio::{runtime::Handle, sync::mpsc, task::JoinHandle};

use super::{
    address::{Address, PATIENCE},
    dead_letters::{self, REPLAYED_FOR},
    partitions::{Listener, Partitions, Tag},
    topics::{EVENTS, group, prepare_consumer},
};
use crate::{
    DeadLetter, Error, Event, Subscription,
    local::{Arrival, Session},
};

/// Events that are read at a time.
const BATCH: u16 = 64;

/// Batches that have room. One is enough, but partitions may come while there is none.
const ROOM: u16 = 8;

/// How long brokers are asked to wait for some.
const WAIT: Duration = Duration::from_millis(500);

/// Bytes that brokers send at a time.
const FETCH: i32 = 4 * 1024 * 1024;

/// How long what is being handled may take when its partition is to be somebody else's.
const HANDLING: Duration = Duration::from_secs(300);

pub(super) struct Consuming {
    subscription: Arc<Subscription>,
    consumer: Arc<Consumer>,
    partitions: Arc<Partitions>,
    letters: dead_letters::Writer,
    arrivals: mpsc::Receiver<Arrival<Tag>>,
    reader: JoinHandle<Error>,
}

impl Consuming {
    pub(super) async fn start(address: Address, subscription: Arc<Subscription>) -> Result<Self, Error> {
        let kafka = address.connect().await?;
        prepare_consumer(&kafka.admin(), &subscription.consumer).await?;
        let partitions = Partitions::new(group(&subscription.consumer), kafka.admin());
        let consumer = kafka
            .consumer(group(&subscription.consumer))
            .group_protocol(GroupProtocol::Consumer)
            .enable_auto_commit(false)
            // Of partitions that were added meanwhile.
            .auto_offset_reset(AutoOffsetReset::Earliest)
            // What is replayed is written together with the end of its letter.
            .isolation_level(IsolationLevel::ReadCommitted)
            .max_poll_records(BATCH.into())
            .max_buffered_records(BATCH.into())
            .fetch_max_bytes(FETCH)
            .fetch_max_wait(WAIT)
            .max_poll_interval(HANDLING)
            .rebalance_listener(Listener(Arc::clone(&partitions)))
            .build()
            .await?;
        let consumer = Arc::new(consumer);
        partitions.attach(&consumer);
        consumer.subscribe([EVENTS]).await?;
        let letters = dead_letters::Writer::new(address, subscription.consumer.clone());
        let (sender, arrivals) = mpsc::channel(usize::from(BATCH * ROOM));
        let reader = Reader {
            subscription: Arc::clone(&subscription),
            consumer: Arc::clone(&consumer),
            partitions: Arc::clone(&partitions),
            arrivals: sender,
            is_paused: false,
        };
        let reader = tokio::spawn(async move {
            let Err(error) = reader.run().await;
            error
        });
        Ok(Self { subscription, consumer, partitions, letters, arrivals, reader })
    }
}

/// Leaves the group, so that others need not wait for it.
async fn leave(consumer: &Consumer) {
    if let Err(error) = consumer.close_with(CloseOptions::new().timeout(PATIENCE)).await {
        tracing::debug!(%error, "partitions are others' when this one is missed");
    }
}

impl Drop for Consuming {
    fn drop(&mut self) {
        self.reader.abort();
        self.partitions.abandon();
        if !self.consumer.is_closed()
            && let Ok(runtime) = Handle::try_current()
        {
            let consumer = Arc::clone(&self.consumer);
            runtime.spawn(async move { leave(&consumer).await });
        }
    }
}

impl Session for Consuming {
    type Tag = Tag;

    async fn receive(&mut self) -> Result<Arrival<Tag>, Error> {
        match self.arrivals.recv().await {
            Some(arrival) => Ok(arrival),
            None => Err((&mut self.reader).await.unwrap_or_else(Error::unavailable)),
        }
    }

    fn begin(&mut self, tag: &Tag) -> bool {
        self.partitions.begin(*tag)
    }

    fn put_back(&mut self, tag: &Tag, has_failed: bool) {
        self.partitions.put_back(*tag, has_failed);
    }

    async fn finish(&mut self, tags: Vec<Tag>) -> Result<(), Error> {
        self.partitions.finish(&tags).await
    }

    async fn bury(&mut self, tag: Tag, letter: &DeadLetter) -> Result<(), Error> {
        // First the letter: it has its event's name, so that twice is once.
        self.letters.write(letter).await?;
        self.partitions.finish(&[tag]).await
    }

    async fn close(self) {
        self.reader.abort();
        tracing::debug!(consumer = %self.subscription.consumer, "leaves its group");
        leave(&self.consumer).await;
    }
}

struct Reader {
    subscription: Arc<Subscription>,
    consumer: Arc<Consumer>,
    partitions: Arc<Partitions>,
    arrivals: mpsc::Sender<Arrival<Tag>>,
    is_paused: bool,
}

impl Reader {
    async fn run(mut self) -> Result<std::convert::Infallible, Error> {
        loop {
            self.pause_or_resume().await;
            // Also when there is no room: that is how it takes part in its group.
            let records = self.consumer.poll(WAIT).await?;
            let mut arrivals = Vec::with_capacity(records.len());
            let mut touched = BTreeSet::new();
            for record in records {
                if let Some((tag, tries)) = self.partitions.read(record.partition, record.offset)? {
                    touched.insert(tag.partition);
                    arrivals.push(self.arrival(&record, tag, tries));
                }
            }
            self.partitions.charge(touched).await?;
            for arrival in arrivals {
                self.arrivals.try_send(arrival).map_err(|_full| Error::unavailable("there is no room"))?;
            }
        }
    }

    async fn pause_or_resume(&mut self) {
        let is_full = self.arrivals.capacity() < usize::from(BATCH);
        if is_full {
            // Each time: partitions may have come.
            self.consumer.pause(EVENTS, &self.partitions.numbers()).await;
        } else if self.is_paused {
            self.consumer.resume(EVENTS, &self.partitions.numbers()).await;
        }
        self.is_paused = is_full;
    }

    fn arrival(&self, record: &ConsumerRecord, tag: Tag, tries: u32) -> Arrival<Tag> {
        let consumer = &self.subscription.consumer;
        let replayed_for = record.header_str(REPLAYED_FOR);
        if replayed_for.is_some_and(|name| name != consumer.as_str()) {
            return Arrival::Nothing { tag };
        }
        match serde_json::from_slice::<Event>(record.value.as_deref().unwrap_or_default()) {
            Ok(event) if self.subscription.types.iter().any(|pattern| pattern.has(&event.kind)) => {
                Arrival::Event {
                    tag,
                    event: Box::new(event),
                    returns: tries,
                    is_replayed: replayed_for.is_some(),
                }
            }
            Ok(_unwanted) => Arrival::Nothing { tag },
            Err(error) => {
                tracing::error!(%consumer, %error, "what is no event was left out");
                Arrival::Nothing { tag }
            }
        }
    }
}
