//! The generic cell rate algorithm (ITU-T I.371): one number a key, the time at which there is all room again. Pure.

use std::time::Duration;

use flotilla_gateway_config::RateLimit;

use super::Full;

/// A rate and how much may come at once, in nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gcra {
    /// From one request to the next. Rounded up, so that there are never more than the rate says.
    interval: u64,
    /// How far ahead of now the time may be at which there is all room again, before a request.
    tolerance: u64,
}

impl Gcra {
    pub(super) fn new(written: &RateLimit) -> Self {
        let period = u64::from(written.per.seconds()) * 1_000_000_000;
        let interval = period.div_ceil(u64::from(written.requests.max(1)));
        let burst = u64::from(written.burst.unwrap_or(written.requests).max(1));
        Self { interval, tolerance: interval.saturating_mul(burst - 1) }
    }

    /// Takes room for a request. `full_at` is when there is all room again; returns when that is afterwards.
    pub(super) fn take(&self, full_at: u64, now: u64) -> Result<u64, Full> {
        let full_at = full_at.max(now);
        if full_at - now > self.tolerance {
            return Err(Full { wait: self.wait(full_at, now) });
        }
        Ok(full_at.saturating_add(self.interval))
    }

    /// How long it takes until there is room for a request.
    pub(super) fn wait(&self, full_at: u64, now: u64) -> Duration {
        Duration::from_nanos(full_at.saturating_sub(now).saturating_sub(self.tolerance))
    }
}

#[cfg(test)]
mod tests {
    use flotilla_gateway_config::{RateKey, RateUnit};
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn gcra(requests: u32, per: RateUnit, burst: Option<u32>) -> Gcra {
        Gcra::new(&RateLimit { requests, per, burst, key: RateKey::Everybody })
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let gcra = gcra(10, RateUnit::Second, Some(3));
        let mut full_at = 0;
        for _ in 0..3 {
            full_at = gcra.take(full_at, 5 * SECOND).unwrap();
        }
        assert_eq!(gcra.take(full_at, 5 * SECOND), Err(Full { wait: Duration::from_millis(100) }));
        let later = 5 * SECOND + SECOND / 10;
        assert!(gcra.take(full_at, later - 1).is_err());
        full_at = gcra.take(full_at, later).unwrap();
        assert!(gcra.take(full_at, later).is_err());
    }

    #[test]
    fn a_request_that_is_refused_takes_nothing() {
        let gcra = gcra(1, RateUnit::Hour, None);
        let full_at = gcra.take(0, SECOND).unwrap();
        for second in 1..3_601 {
            assert!(gcra.take(full_at, second * SECOND).is_err(), "{second}");
        }
        assert!(gcra.take(full_at, 3_601 * SECOND).is_ok());
    }

    #[test]
    fn no_rate_is_rounded_up() {
        for requests in 1..10_000 {
            let gcra = gcra(requests, RateUnit::Second, None);
            assert!(gcra.interval * u64::from(requests) >= SECOND, "{requests}");
        }
    }

    #[test]
    fn the_largest_numbers_do_not_wrap() {
        let gcra = gcra(1, RateUnit::Hour, Some(1_000_000));
        let mut full_at = u64::MAX - SECOND;
        for _ in 0..3 {
            full_at = gcra.take(full_at, u64::MAX - 2 * SECOND).unwrap();
        }
        assert_eq!(full_at, u64::MAX);
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_burst_and_the_rate(
            requests in 1u32..50,
            per in prop::sample::select(vec![RateUnit::Second, RateUnit::Minute]),
            burst in prop::option::of(1u32..20),
            gaps in prop::collection::vec(0u64..400_000_000, 1..200),
        ) {
            let gcra = gcra(requests, per, burst);
            let (mut now, mut full_at) = (SECOND, 0);
            let mut admitted = Vec::new();
            for gap in gaps {
                now += gap;
                if let Ok(next) = gcra.take(full_at, now) {
                    full_at = next;
                    admitted.push(now);
                }
            }
            let burst = u64::from(burst.unwrap_or(requests));
            for (first, from) in admitted.iter().enumerate() {
                for (last, to) in admitted.iter().enumerate().skip(first) {
                    let count = (last - first + 1) as u64;
                    let by_rate = (to - from) * u64::from(requests) / (u64::from(per.seconds()) * SECOND);
                    prop_assert!(count <= burst + by_rate, "{count} of {burst} and {by_rate}");
                }
            }
        }

        #[test]
        fn whoever_waits_as_long_as_is_said_passes(
            requests in 1u32..1_000_000,
            burst in 1u32..1_000,
            ahead in 0u64..3_600 * SECOND,
        ) {
            let gcra = gcra(requests, RateUnit::Minute, Some(burst));
            if let Err(Full { wait }) = gcra.take(SECOND + ahead, SECOND) {
                let then = SECOND + u64::try_from(wait.as_nanos()).unwrap();
                prop_assert!(gcra.take(SECOND + ahead, then).is_ok());
                prop_assert!(gcra.take(SECOND + ahead, then - 1).is_err());
            }
        }
    }
}
