//! When each request is to be sent.

use std::time::Duration;

/// Requests at a constant rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Schedule {
    rate: u32,
    count: u32,
    seconds: u32,
}

impl Schedule {
    /// So many a second, for so many seconds.
    pub(crate) fn new(rate: u32, seconds: u32) -> Self {
        Self { rate, count: rate.saturating_mul(seconds), seconds }
    }

    /// When a request is to be sent, from the beginning on. Nothing: there are not so many.
    pub(crate) fn due(self, turn: u32) -> Option<Duration> {
        // From the beginning each time, so that rounding does not add up.
        (turn < self.count)
            .then(|| Duration::from_nanos(u64::from(turn) * 1_000_000_000 / u64::from(self.rate)))
    }

    /// When nothing more is sent: a server that is so far behind does not keep up.
    pub(crate) fn end(self) -> Duration {
        Duration::from_secs(self.seconds.into()) + Self::GRACE
    }

    /// How many there are.
    pub(crate) fn count(self) -> u32 {
        self.count
    }

    const GRACE: Duration = Duration::from_secs(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_evenly_apart_and_no_rounding_adds_up() {
        let schedule = Schedule::new(3_000, 7);
        assert_eq!(schedule.due(0), Some(Duration::ZERO));
        assert_eq!(schedule.due(1), Some(Duration::from_nanos(333_333)));
        assert_eq!(schedule.due(18_000), Some(Duration::from_secs(6)));
        assert_eq!((schedule.due(20_999).is_some(), schedule.due(21_000)), (true, None));
        assert_eq!((schedule.count(), schedule.end()), (21_000, Duration::from_secs(8)));
    }
}
