//! A consumer's session: reads the partitions that it has, and first what an owner before it has left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use redis::{
    Client, RedisError, Script,
    aio::MultiplexedConnection,
    cmd,
    streams::{StreamAutoClaimReply, StreamId, StreamPendingCountReply, StreamReadReply},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep},
};

use super::{PARTITIONS, dead_letters, link::connect, ownership::Member, stream, trim::trim};
use crate::{
    DeadLetter, Error, Event, Subscription,
    local::{Arrival, Session},
};

/// Entries that are read at a time.
const BATCH: usize = 64;

/// How long the server is asked to wait for some.
const WAIT: Duration = Duration::from_millis(200);

/// How often what everybody has is removed.
const TRIM: Duration = Duration::from_secs(30);

/// Keys: for each entry its stream and the owner of its partition. Arguments: the group, who has it, and the entries. Gives how
/// many were somebody else's.
const FINISH: &str = r"
local lost = 0
for i = 1, #KEYS, 2 do
    if redis.call('GET', KEYS[i + 1]) == ARGV[2] then
        redis.call('XACK', KEYS[i], ARGV[1], ARGV[2 + (i + 1) / 2])
    else
        lost = lost + 1
    end
end
return lost
";

/// Keys: the stream, the owner of its partition, the dead letters. Arguments: the group, who has it, the entry, the letter.
const BURY: &str = r"
if redis.call('GET', KEYS[2]) ~= ARGV[2] then
    return 1
end
redis.call('XADD', KEYS[3], '*', 'letter', ARGV[4])
redis.call('XACK', KEYS[1], ARGV[1], ARGV[3])
return 0
";

/// An entry of a partition.
#[derive(Clone, Debug)]
pub(super) struct Tag {
    partition: u16,
    id: String,
}

/// Entries of each partition that are not finished.
type AtWork = Arc<Mutex<BTreeMap<u16, usize>>>;

pub(super) struct Consuming {
    subscription: Arc<Subscription>,
    member: Member,
    connection: MultiplexedConnection,
    at_work: AtWork,
    arrivals: mpsc::Receiver<Arrival<Tag>>,
    reader: JoinHandle<Error>,
}

impl Consuming {
    pub(super) async fn start(client: Client, subscription: Arc<Subscription>) -> Result<Self, Error> {
        let mut connection = connect(&client).await?;
        for partition in 0..PARTITIONS {
            create_group(&mut connection, &subscription, partition).await?;
        }
        let member = Member::new(subscription.consumer.clone(), subscription.policy.lease);
        let at_work = AtWork::default();
        let (sender, arrivals) = mpsc::channel(BATCH * 2);
        let reader = Reader {
            subscription: Arc::clone(&subscription),
            member: member.clone(),
            // It waits in it.
            connection: connect(&client).await?,
            at_work: Arc::clone(&at_work),
            arrivals: sender,
            reading: BTreeSet::new(),
            retiring: BTreeSet::new(),
        };
        let reader = tokio::spawn(async move {
            let Err(error) = reader.run().await;
            error
        });
        Ok(Self { subscription, member, connection, at_work, arrivals, reader })
    }

    fn done_with(&self, partition: u16) {
        let mut at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = at_work.get_mut(&partition) {
            *count = count.saturating_sub(1);
        }
    }
}

impl Drop for Consuming {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

fn lost() -> Error {
    Error::unavailable("a partition was taken by somebody else")
}

impl Session for Consuming {
    type Tag = Tag;

    async fn receive(&mut self) -> Result<Arrival<Tag>, Error> {
        match self.arrivals.recv().await {
            Some(arrival) => Ok(arrival),
            None => Err((&mut self.reader).await.unwrap_or_else(Error::unavailable)),
        }
    }

    async fn finish(&mut self, tags: Vec<Tag>) -> Result<(), Error> {
        let script = Script::new(FINISH);
        let mut call = script.prepare_invoke();
        call.arg(self.subscription.consumer.as_str()).arg(&self.member.id);
        for tag in &tags {
            call.key(stream(tag.partition)).key(self.member.owner_key(tag.partition)).arg(&tag.id);
        }
        let others: usize = call.invoke_async(&mut self.connection).await?;
        for tag in &tags {
            self.done_with(tag.partition);
        }
        if others == 0 { Ok(()) } else { Err(lost()) }
    }

    async fn bury(&mut self, tag: Tag, letter: &DeadLetter) -> Result<(), Error> {
        let others: usize = Script::new(BURY)
            .key(stream(tag.partition))
            .key(self.member.owner_key(tag.partition))
            .key(dead_letters::key(&self.subscription.consumer))
            .arg(self.subscription.consumer.as_str())
            .arg(&self.member.id)
            .arg(&tag.id)
            .arg(dead_letters::write(letter)?)
            .invoke_async(&mut self.connection)
            .await?;
        self.done_with(tag.partition);
        if others == 0 { Ok(()) } else { Err(lost()) }
    }

    async fn close(mut self) {
        self.reader.abort();
        if let Err(error) = self.member.leave(&mut self.connection).await {
            tracing::debug!(%error, "partitions are others' when their leases end");
        }
    }
}

/// Makes the group of a consumer, which gets what comes from now on.
async fn create_group(
    connection: &mut MultiplexedConnection,
    subscription: &Subscription,
    partition: u16,
) -> Result<(), RedisError> {
    let mut create = cmd("XGROUP");
    create.arg("CREATE").arg(stream(partition)).arg(subscription.consumer.as_str()).arg("$").arg("MKSTREAM");
    match create.query_async::<()>(connection).await {
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        other => other,
    }
}

struct Reader {
    subscription: Arc<Subscription>,
    member: Member,
    connection: MultiplexedConnection,
    at_work: AtWork,
    arrivals: mpsc::Sender<Arrival<Tag>>,
    reading: BTreeSet<u16>,
    /// Had, but read no more: somebody else is to have them.
    retiring: BTreeSet<u16>,
}

impl Reader {
    async fn run(mut self) -> Result<std::convert::Infallible, Error> {
        let third = self.subscription.policy.lease / 3;
        let mut renewal = Instant::now();
        let mut next_trim = Instant::now() + TRIM;
        loop {
            if Instant::now() >= renewal {
                renewal = Instant::now() + third;
                self.share().await?;
            }
            if Instant::now() >= next_trim {
                next_trim = Instant::now() + TRIM;
                for partition in &self.reading {
                    trim(&mut self.connection, &stream(*partition)).await?;
                }
            }
            // What is read has to have room, so that renewals never wait for it.
            if self.reading.is_empty() || self.arrivals.capacity() < BATCH {
                sleep(Duration::from_millis(20)).await;
            } else {
                self.read().await?;
            }
        }
    }

    /// Renews, takes and lets go.
    async fn share(&mut self) -> Result<(), Error> {
        let share = self.member.renew(&mut self.connection).await?;
        let owned: BTreeSet<_> = share.owned.iter().copied().collect();
        if !self.reading.is_subset(&owned) || !self.retiring.is_subset(&owned) {
            return Err(lost());
        }
        for partition in &owned {
            if !self.reading.contains(partition) && !self.retiring.contains(partition) {
                self.take_over(*partition).await?;
                self.reading.insert(*partition);
            }
        }
        while self.reading.len() > share.fair {
            self.retiring.extend(self.reading.pop_last());
        }
        let idle: Vec<_> = {
            let at_work = self.at_work.lock().unwrap_or_else(PoisonError::into_inner);
            let is_idle = |partition: &u16| at_work.get(partition).is_none_or(|count| *count == 0);
            self.retiring.iter().copied().filter(is_idle).collect()
        };
        if !idle.is_empty() {
            self.member.release(&mut self.connection, idle.iter().copied()).await?;
            self.retiring.retain(|partition| !idle.contains(partition));
        }
        Ok(())
    }

    /// Takes what an owner before has read and not finished.
    async fn take_over(&mut self, partition: u16) -> Result<(), Error> {
        let (stream, group) = (stream(partition), self.subscription.consumer.to_string());
        let mut from = "0-0".to_owned();
        loop {
            let mut claim = cmd("XAUTOCLAIM");
            claim.arg(&stream).arg(&group).arg(&self.member.id).arg(0).arg(&from).arg("COUNT").arg(BATCH);
            let claimed: StreamAutoClaimReply = claim.query_async(&mut self.connection).await?;
            let (Some(first), Some(last)) = (claimed.claimed.first(), claimed.claimed.last()) else {
                return Ok(());
            };
            let mut pending = cmd("XPENDING");
            pending.arg(&stream).arg(&group).arg(&first.id).arg(&last.id).arg(BATCH).arg(&self.member.id);
            let counts: StreamPendingCountReply = pending.query_async(&mut self.connection).await?;
            let counts: BTreeMap<_, _> =
                counts.ids.into_iter().map(|pending| (pending.id, pending.times_delivered)).collect();
            for entry in claimed.claimed {
                let times = counts.get(&entry.id).copied().unwrap_or(1);
                let arrival = self.arrival(partition, &entry, times.saturating_sub(1));
                // There may be more of these than there is room. Nothing else is read, but renewals have to go on.
                while self.arrivals.capacity() == 0 {
                    self.member.renew(&mut self.connection).await?;
                    sleep(Duration::from_millis(50)).await;
                }
                self.arrivals.try_send(arrival).map_err(|_closed| lost())?;
            }
            if claimed.next_stream_id == "0-0" {
                return Ok(());
            }
            from = claimed.next_stream_id;
        }
    }

    /// Reads what is new.
    async fn read(&mut self) -> Result<(), Error> {
        let mut read = cmd("XREADGROUP");
        read.arg("GROUP").arg(self.subscription.consumer.as_str()).arg(&self.member.id);
        read.arg("COUNT").arg((BATCH / self.reading.len().max(1)).max(1));
        read.arg("BLOCK").arg(u64::try_from(WAIT.as_millis()).unwrap_or(u64::MAX)).arg("STREAMS");
        for partition in &self.reading {
            read.arg(stream(*partition));
        }
        for _ in &self.reading {
            read.arg(">");
        }
        let reply: Option<StreamReadReply> = read.query_async(&mut self.connection).await?;
        for key in reply.into_iter().flat_map(|reply| reply.keys) {
            let Some(partition) =
                self.reading.iter().copied().find(|partition| stream(*partition) == key.key)
            else {
                continue;
            };
            for entry in key.ids {
                let arrival = self.arrival(partition, &entry, 0);
                self.arrivals.try_send(arrival).map_err(|_closed| lost())?;
            }
        }
        Ok(())
    }

    fn arrival(&self, partition: u16, entry: &StreamId, returns: usize) -> Arrival<Tag> {
        *self.at_work.lock().unwrap_or_else(PoisonError::into_inner).entry(partition).or_default() += 1;
        let tag = Tag { partition, id: entry.id.clone() };
        let consumer = &self.subscription.consumer;
        let replayed_for: Option<String> = entry.get("for");
        if replayed_for.as_ref().is_some_and(|name| name != consumer.as_str()) {
            return Arrival::Nothing { tag };
        }
        let text: String = entry.get("event").unwrap_or_default();
        match serde_json::from_str::<Event>(&text) {
            Ok(event) if self.subscription.types.iter().any(|pattern| pattern.has(&event.kind)) => {
                Arrival::Event {
                    tag,
                    event: Box::new(event),
                    returns: u32::try_from(returns).unwrap_or(u32::MAX),
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
