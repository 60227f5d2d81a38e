//! Removes from a stream what every group has finished.

use redis::{RedisError, Script, aio::MultiplexedConnection};

/// Key: the stream. What the group that is furthest behind has not finished stays, and all after it.
const TRIM: &str = r"
local function parts(id)
    local time, number = string.match(id, '(%d+)%-(%d+)')
    return tonumber(time), tonumber(number)
end
local oldest
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local name, last
    for i = 1, #group, 2 do
        if group[i] == 'name' then name = group[i + 1] end
        if group[i] == 'last-delivered-id' then last = group[i + 1] end
    end
    local pending = redis.call('XPENDING', KEYS[1], name)
    local needed = pending[1] > 0 and pending[2] or last
    if not oldest then
        oldest = needed
    else
        local time, number = parts(needed)
        local oldest_time, oldest_number = parts(oldest)
        if time < oldest_time or (time == oldest_time and number < oldest_number) then oldest = needed end
    end
end
if oldest then
    return redis.call('XTRIM', KEYS[1], 'MINID', oldest)
end
return 0
";

/// Removes it, and says how much that was.
pub(super) async fn trim(connection: &mut MultiplexedConnection, stream: &str) -> Result<u64, RedisError> {
    Script::new(TRIM).key(stream).invoke_async(connection).await
}
