//! Dead letters: a stream of them for each consumer.

use redis::{Script, cmd, streams::StreamRangeReply};

use super::{PARTITIONS, link::Link, stream};
use crate::{Consumer, DeadLetter, Error, Which, partition::partition};

/// Dead letters that are looked at at a time.
const BATCH: u32 = 100;

/// Keys: the dead letters, the stream. Arguments: the letter's id, the event, the consumer. Only who removes the letter
/// publishes it.
const REPLAY: &str = r"
if redis.call('XDEL', KEYS[1], ARGV[1]) == 0 then
    return 0
end
redis.call('XADD', KEYS[2], '*', 'event', ARGV[2], 'for', ARGV[3])
return 1
";

pub(super) fn key(consumer: &Consumer) -> String {
    format!("flotilla:dead:{consumer}")
}

pub(super) fn write(letter: &DeadLetter) -> Result<String, Error> {
    serde_json::to_string(letter)
        .map_err(|error| Error::Refused(format!("a dead letter cannot be written: {error}")))
}

/// Dead letters with their ids, the oldest first, from after an id on.
async fn after(
    link: &Link,
    consumer: &Consumer,
    id: &str,
    limit: u32,
) -> Result<Vec<(String, DeadLetter)>, Error> {
    let mut connection = link.connection().await?;
    let mut range = cmd("XRANGE");
    range.arg(key(consumer)).arg(id).arg("+").arg("COUNT").arg(limit);
    let answer = range.query_async::<StreamRangeReply>(&mut connection).await;
    let reply = link.heard(answer).await?;
    let read = |entry: redis::streams::StreamId| {
        let text: String = entry.get("letter").unwrap_or_default();
        Ok((entry.id, serde_json::from_str(&text).map_err(Error::unavailable)?))
    };
    reply.ids.into_iter().map(read).collect()
}

pub(super) async fn list(link: &Link, consumer: &Consumer, limit: u32) -> Result<Vec<DeadLetter>, Error> {
    let letters = after(link, consumer, "-", limit).await?;
    Ok(letters.into_iter().map(|(_, letter)| letter).collect())
}

pub(super) async fn replay(link: &Link, consumer: &Consumer, which: &Which) -> Result<u64, Error> {
    let (mut replayed, mut from) = (0, "-".to_owned());
    loop {
        let letters = after(link, consumer, &from, BATCH).await?;
        let Some((last, _)) = letters.last() else { return Ok(replayed) };
        from = format!("({last}");
        let mut connection = link.connection().await?;
        for (id, letter) in letters.iter().filter(|(_, letter)| which.has(&letter.event)) {
            let answer = Script::new(REPLAY)
                .key(key(consumer))
                .key(stream(partition(&letter.event.key, PARTITIONS)))
                .arg(id)
                .arg(letter.event.to_json()?)
                .arg(consumer.as_str())
                .invoke_async::<u64>(&mut connection)
                .await;
            replayed += link.heard(answer).await?;
        }
    }
}
