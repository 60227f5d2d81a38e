//! Publishing: each event once for a while, into the stream of its partition. All of a batch or nothing.

use std::time::Duration;

use redis::Script;

use super::{PARTITIONS, link::Link, stream};
use crate::{Error, Event, partition::partition};

/// What was published is known for so long, so that it is not there twice.
const WINDOW: Duration = Duration::from_secs(3_600);

/// Events that a stream may have. With more, consumers have fallen behind, and publishers wait with theirs in the outbox.
const MOST: usize = 100_000;

/// Keys: the stream and the mark of each event. Arguments: the most, seconds that marks stay, 1 for those that are published even
/// if they have a mark, and each event.
const PUBLISH: &str = r"
for i = 1, #KEYS, 2 do
    if redis.call('XLEN', KEYS[i]) >= tonumber(ARGV[1]) then
        return 0
    end
end
for i = 1, #KEYS, 2 do
    if redis.call('SET', KEYS[i + 1], '', 'NX', 'EX', ARGV[2]) or ARGV[3] == '1' then
        redis.call('XADD', KEYS[i], '*', 'event', ARGV[3 + (i + 1) / 2])
    end
end
return 1
";

pub(super) async fn publish(link: &Link, events: &[Event], is_again: bool) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let bodies = events.iter().map(Event::to_json).collect::<Result<Vec<_>, _>>()?;
    let script = Script::new(PUBLISH);
    let mut call = script.prepare_invoke();
    call.arg(MOST).arg(WINDOW.as_secs()).arg(u8::from(is_again));
    for (event, body) in events.iter().zip(bodies) {
        call.key(stream(partition(&event.key, PARTITIONS)));
        call.key(format!("flotilla:seen:{}:{}", event.source, event.id));
        call.arg(body);
    }
    let mut connection = link.connection().await?;
    let answer = call.invoke_async::<bool>(&mut connection).await;
    if link.heard(answer).await? {
        Ok(())
    } else {
        Err(Error::unavailable("consumers have fallen too far behind"))
    }
}
