//! Times that fit an atomic.

use std::{sync::LazyLock, time::Instant};

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the first time that somebody asked, and one more: 0 is no time.
pub(crate) fn milliseconds(time: Instant) -> u64 {
    let passed = time.saturating_duration_since(*START);
    u64::try_from(passed.as_millis()).unwrap_or(u64::MAX - 1) + 1
}

/// Nanoseconds since the first time that somebody asked, and one more: 0 is no time.
pub(crate) fn nanoseconds(time: Instant) -> u64 {
    let passed = time.saturating_duration_since(*START);
    u64::try_from(passed.as_nanos()).unwrap_or(u64::MAX - 1) + 1
}
