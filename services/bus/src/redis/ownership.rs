//! Who has which partitions of a consumer. Each that takes part renews what it has, takes what is free up to its fair share, and
//! lets go of what is above that once nothing of it is at work.

use std::time::Duration;

use redis::{RedisError, Script, aio::MultiplexedConnection};
use uuid::Uuid;

use super::PARTITIONS;
use crate::Consumer;

/// Keys: those that take part, and the owner of each partition. Arguments: who asks, and milliseconds of the lease. Gives the
/// fair share, and the partitions that whoever asks has.
const RENEW: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
local fair = math.ceil((#KEYS - 1) / redis.call('ZCARD', KEYS[1]))
local owned = {}
for i = 2, #KEYS do
    if redis.call('GET', KEYS[i]) == ARGV[1] then
        redis.call('PEXPIRE', KEYS[i], ARGV[2])
        owned[#owned + 1] = i - 2
    end
end
for i = 2, #KEYS do
    if #owned < fair and redis.call('SET', KEYS[i], ARGV[1], 'NX', 'PX', ARGV[2]) then
        owned[#owned + 1] = i - 2
    end
end
return {fair, owned}
";

/// Keys: owners of partitions. Argument: who lets go.
const RELEASE: &str = r"
for i = 1, #KEYS do
    if redis.call('GET', KEYS[i]) == ARGV[1] then
        redis.call('DEL', KEYS[i])
    end
end
return 1
";

/// What one of those that take part has.
#[derive(Debug)]
pub(super) struct Share {
    /// Partitions that each should have at most.
    pub(super) fair: usize,
    /// Partitions that this one has.
    pub(super) owned: Vec<u16>,
}

/// One that takes part.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) id: String,
    consumer: Consumer,
    lease: Duration,
}

impl Member {
    pub(super) fn new(consumer: Consumer, lease: Duration) -> Self {
        Self { id: Uuid::now_v7().to_string(), consumer, lease }
    }

    /// The key that says who has a partition.
    pub(super) fn owner_key(&self, partition: u16) -> String {
        format!("flotilla:owner:{}:{partition}", self.consumer)
    }

    fn members_key(&self) -> String {
        format!("flotilla:members:{}", self.consumer)
    }

    /// Renews what it has, and takes what it may.
    pub(super) async fn renew(&self, connection: &mut MultiplexedConnection) -> Result<Share, RedisError> {
        let script = Script::new(RENEW);
        let mut call = script.key(self.members_key());
        for partition in 0..PARTITIONS {
            call.key(self.owner_key(partition));
        }
        call.arg(&self.id).arg(u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX));
        let (fair, owned) = call.invoke_async(connection).await?;
        Ok(Share { fair, owned })
    }

    /// Lets go of a partition.
    pub(super) async fn release(
        &self,
        connection: &mut MultiplexedConnection,
        partitions: impl IntoIterator<Item = u16>,
    ) -> Result<(), RedisError> {
        let script = Script::new(RELEASE);
        let mut call = script.prepare_invoke();
        for partition in partitions {
            call.key(self.owner_key(partition));
        }
        call.arg(&self.id).invoke_async(connection).await
    }

    /// Takes part no more.
    pub(super) async fn leave(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        self.release(connection, 0..PARTITIONS).await?;
        redis::cmd("ZREM").arg(self.members_key()).arg(&self.id).query_async(connection).await
    }
}
