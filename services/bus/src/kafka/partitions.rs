//! The partitions that a session has, and their comings and goings.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    time::Duration,
};

use krafka::{
    KrafkaError,
    admin::{AdminClient, ListConsumerGroupOffsetsOptions},
    consumer::{Consumer, ConsumerRebalanceListener, OffsetAndMetadata, TopicPartition},
    error::ErrorCode,
};
use tokio::{
    sync::{Mutex as AsyncMutex, Notify},
    time::sleep,
};

use super::{address::PATIENCE, progress::Progress, topics::EVENTS};
use crate::Error;

/// Tries to commit, while the group has moved on and this member does not know yet, and the pause between them.
const TRIES: (u32, Duration) = (30, Duration::from_millis(100));

/// An event of a partition, as long as this session has it. One that was lost and came back is another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) partition: i32,
    pub(super) offset: i64,
    count: u64,
}

#[derive(Default)]
struct Held {
    progress: BTreeMap<i32, (u64, Progress)>,
    /// Partitions that came, ever.
    count: u64,
    /// Nobody answers any more.
    is_abandoned: bool,
}

/// What there is of each partition.
pub(super) struct Partitions {
    group: String,
    admin: AdminClient,
    held: Mutex<Held>,
    /// Something is finished or put back, or nobody answers any more.
    changed: Notify,
    /// Held while something is committed, so that what is older is never committed later.
    committing: AsyncMutex<()>,
    /// It has this as well.
    consumer: OnceLock<Weak<Consumer>>,
}

impl Partitions {
    pub(super) fn new(group: String, admin: AdminClient) -> Arc<Self> {
        Arc::new(Self {
            group,
            admin,
            held: Mutex::default(),
            changed: Notify::new(),
            committing: AsyncMutex::default(),
            consumer: OnceLock::new(),
        })
    }

    /// Who commits.
    pub(super) fn attach(&self, consumer: &Arc<Consumer>) {
        self.consumer.get_or_init(|| Arc::downgrade(consumer));
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The partitions that there are.
    pub(super) fn numbers(&self) -> Vec<i32> {
        self.held().progress.keys().copied().collect()
    }

    /// Something has been read. Gives its tries before; nothing, if it is finished.
    pub(super) fn read(&self, partition: i32, offset: i64) -> Result<Option<(Tag, u32)>, Error> {
        let mut held = self.held();
        let (count, progress) = held
            .progress
            .get_mut(&partition)
            .ok_or_else(|| Error::unavailable("how far a partition is could not be read"))?;
        let tag = Tag { partition, offset, count: *count };
        Ok(progress.read(offset).map(|tries| (tag, tries)))
    }

    fn with<T>(&self, tag: Tag, change: impl FnOnce(&mut Progress) -> T) -> Option<T> {
        let mut held = self.held();
        let (count, progress) = held.progress.get_mut(&tag.partition)?;
        (*count == tag.count).then(|| change(progress))
    }

    pub(super) fn begin(&self, tag: Tag) -> bool {
        self.with(tag, |progress| progress.begin(tag.offset)).unwrap_or(false)
    }

    pub(super) fn put_back(&self, tag: Tag, has_failed: bool) {
        self.with(tag, |progress| progress.put_back(tag.offset, has_failed));
        self.changed.notify_waiters();
    }

    /// These are done with, for ever once this has returned.
    pub(super) async fn finish(&self, tags: &[Tag]) -> Result<(), Error> {
        let mut is_lost = false;
        for tag in tags {
            is_lost |= self.with(*tag, |progress| progress.finish(tag.offset)).is_none();
        }
        let committed = self.commit(tags.iter().map(|tag| tag.partition), Progress::charged).await;
        self.changed.notify_waiters();
        committed?;
        if is_lost { Err(Error::unavailable("a partition was lost to somebody else")) } else { Ok(()) }
    }

    /// What these have come to.
    pub(super) async fn charge(&self, partitions: impl IntoIterator<Item = i32>) -> Result<(), Error> {
        self.commit(partitions, Progress::charged).await
    }

    async fn commit(
        &self,
        partitions: impl IntoIterator<Item = i32>,
        what: impl Fn(&Progress) -> (i64, String),
    ) -> Result<(), Error> {
        let _alone = self.committing.lock().await;
        let offsets: BTreeMap<_, _> = {
            let held = self.held();
            let of = |partition| {
                let (_, progress) = held.progress.get(&partition)?;
                let (offset, text) = what(progress);
                Some((partition, OffsetAndMetadata::with_metadata(offset, text)))
            };
            partitions.into_iter().filter_map(of).collect()
        };
        if offsets.is_empty() {
            return Ok(());
        }
        let gone = || Error::unavailable("the session has ended");
        let consumer = self.consumer.get().and_then(Weak::upgrade).ok_or_else(gone)?;
        let mut tries = 0;
        loop {
            let named = offsets.iter().map(|(partition, at)| (TopicPartition::new(EVENTS, *partition), at));
            match consumer.commit_offsets(named).await {
                Ok(()) => return Ok(()),
                Err(KrafkaError::Broker { code: ErrorCode::StaleMemberEpoch, .. }) if tries < TRIES.0 => {
                    tries += 1;
                    sleep(TRIES.1).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Nobody answers any more for what is out.
    pub(super) fn abandon(&self) {
        self.held().is_abandoned = true;
        self.changed.notify_waiters();
    }

    /// Waits until nothing of these is out. No, if nobody answers any more.
    async fn are_idle(&self, partitions: &[i32]) -> bool {
        loop {
            let changed = self.changed.notified();
            {
                let held = self.held();
                if held.is_abandoned {
                    return false;
                }
                let mut progress = partitions.iter().filter_map(|partition| held.progress.get(partition));
                if progress.all(|(_, progress)| progress.is_idle()) {
                    return true;
                }
            }
            changed.await;
        }
    }

    async fn committed(&self, partitions: &[TopicPartition]) -> Result<Vec<(i32, Progress)>, KrafkaError> {
        let options =
            ListConsumerGroupOffsetsOptions::default().timeout(PATIENCE).partitions(partitions.to_vec());
        let offsets = self.admin.list_consumer_group_offsets(self.group.clone(), options).await?;
        let resume = |(partition, at): (TopicPartition, Result<_, KrafkaError>)| {
            let at: krafka::admin::GroupOffset = at?;
            let progress = Progress::resume(at.offset.unwrap_or_default(), at.metadata.as_deref());
            Ok((partition.partition, progress))
        };
        offsets.into_iter().map(resume).collect()
    }
}

/// What krafka tells of comings and goings, while it is asked for events.
pub(super) struct Listener(pub(super) Arc<Partitions>);

impl ConsumerRebalanceListener for Listener {
    async fn on_partitions_assigned(&self, partitions: &[TopicPartition]) {
        if partitions.is_empty() {
            return;
        }
        match self.0.committed(partitions).await {
            Ok(resumed) => {
                let mut held = self.0.held();
                for (partition, progress) in resumed {
                    held.count += 1;
                    let count = held.count;
                    held.progress.insert(partition, (count, progress));
                }
            }
            // The session ends when something is read of one that is not known.
            Err(error) => {
                tracing::warn!(group = self.0.group, %error, "how far partitions are cannot be read")
            }
        }
    }

    async fn on_partitions_revoked(&self, partitions: &[TopicPartition]) {
        let partitions: Vec<_> = partitions.iter().map(|partition| partition.partition).collect();
        for (_, progress) in self
            .0
            .held()
            .progress
            .iter_mut()
            .filter_map(|(number, held)| partitions.contains(number).then_some((number, &mut held.1)))
        {
            progress.retire();
        }
        if self.0.are_idle(&partitions).await
            && let Err(error) = self.0.commit(partitions.iter().copied(), Progress::clean).await
        {
            tracing::debug!(group = self.0.group, ?error, "tries are counted that there were not");
        }
        self.0.held().progress.retain(|number, _| !partitions.contains(number));
    }

    async fn on_partitions_lost(&self, partitions: &[TopicPartition]) {
        let is_lost = |number: i32| partitions.iter().any(|partition| partition.partition == number);
        self.0.held().progress.retain(|number, _| !is_lost(*number));
    }
}
