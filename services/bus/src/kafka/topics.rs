//! What there is at the cluster, and how it is called. What an administrator has made before is taken as it is.

use std::time::Duration;

use krafka::{
    KrafkaError,
    admin::{
        AdminClient, CreateTopicsOptions, DescribeTopicsOptions, ListConsumerGroupOffsetsOptions,
        ListOffsetsOptions, NewTopic, OffsetSpec, TopicPartition,
    },
    error::ErrorCode,
};
use tokio::time::{Instant, sleep};

use super::address::PATIENCE;
use crate::{Consumer, Error};

/// Where all events go.
pub(super) const EVENTS: &str = "flotilla.events";

/// Parts of all keys, in a topic that is made here. More can be added, but move keys.
const PARTITIONS: i32 = 8;

/// How long events are kept, in milliseconds: two weeks, as in the outbox.
const RETENTION: &str = "1209600000";

/// The number of copies that the cluster makes of what does not say.
const DEFAULT_COPIES: i16 = -1;

/// The group of a consumer.
pub(super) fn group(consumer: &Consumer) -> String {
    format!("flotilla.{consumer}")
}

/// The topic of its dead letters.
pub(super) fn dead(consumer: &Consumer) -> String {
    format!("flotilla.{consumer}.dead")
}

/// The topic of events, made when it is not there.
pub(super) async fn prepare_events(admin: &AdminClient) -> Result<i32, Error> {
    prepare(admin, NewTopic::new(EVENTS, PARTITIONS, DEFAULT_COPIES)?.with_config("retention.ms", RETENTION))
        .await
}

/// The topic of a consumer's dead letters, made when it is not there. The last of each event stays; one that is replayed goes.
pub(super) async fn prepare_dead(admin: &AdminClient, consumer: &Consumer) -> Result<(), Error> {
    let topic = NewTopic::new(dead(consumer), 1, DEFAULT_COPIES)?.with_config("cleanup.policy", "compact");
    prepare(admin, topic).await.map(drop)
}

/// Partitions of a topic. Nothing: there is none.
pub(super) async fn partitions(admin: &AdminClient, topic: &str) -> Result<Option<i32>, KrafkaError> {
    let described =
        admin.describe_topics([topic], DescribeTopicsOptions::default().timeout(PATIENCE)).await?;
    match described.into_values().next() {
        Some(Ok(topic)) => Ok(i32::try_from(topic.partitions.len()).ok()),
        Some(Err(KrafkaError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. })) | None => Ok(None),
        Some(Err(error)) => Err(error),
    }
}

async fn prepare(admin: &AdminClient, topic: NewTopic) -> Result<i32, Error> {
    let name = topic.name.clone();
    if let Some(count) = partitions(admin, &name).await? {
        return Ok(count);
    }
    let created = admin.create_topics([topic], CreateTopicsOptions::default().timeout(PATIENCE)).await?;
    match created.into_values().next() {
        Some(Err(KrafkaError::Broker { code: ErrorCode::TopicAlreadyExists, .. }) | Ok(())) | None => {}
        Some(Err(error)) => return Err(error.into()),
    }
    // Brokers hear of it a moment later.
    let deadline = Instant::now() + PATIENCE;
    loop {
        match partitions(admin, &name).await? {
            Some(count) => return Ok(count),
            None if Instant::now() > deadline => {
                return Err(Error::unavailable(format!("the topic {name} was made and is not there")));
            }
            None => sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Has a consumer get what is published from now on, when this is its first time.
pub(super) async fn prepare_consumer(admin: &AdminClient, consumer: &Consumer) -> Result<(), Error> {
    let count = prepare_events(admin).await?;
    let all = (0..count).map(|partition| TopicPartition::new(EVENTS, partition));
    // In this order: where somebody else has begun since, that is later.
    let latest = all.clone().map(|partition| (partition, OffsetSpec::Latest));
    let ends = admin.list_offsets(latest, ListOffsetsOptions::default().timeout(PATIENCE)).await?;
    let known = ListConsumerGroupOffsetsOptions::default().timeout(PATIENCE).partitions(all.collect());
    let known = admin.list_consumer_group_offsets(group(consumer), known).await?;
    let is_known = known.into_values().any(|offset| offset.is_ok_and(|offset| offset.offset.is_some()));
    // A group that was nobody for a week is forgotten, its topic is not: then all that is kept comes, rather than some never.
    if !is_known && partitions(admin, &dead(consumer)).await?.is_none() {
        let mut offsets = Vec::new();
        for (partition, end) in ends {
            offsets.push((partition, end?.offset));
        }
        let options = krafka::admin::AlterConsumerGroupOffsetsOptions::default().timeout(PATIENCE);
        let answers = admin.alter_consumer_group_offsets(group(consumer), offsets, options).await?;
        for answer in answers.into_values() {
            match answer {
                // Somebody takes part already, and has done this.
                Ok(()) | Err(KrafkaError::Broker { code: ErrorCode::UnknownMemberId, .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    prepare_dead(admin, consumer).await
}
