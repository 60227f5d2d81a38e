//! How much may be begun in a time: so much a second, and no more at once than comes together in one.

use std::time::Duration;

/// A limit. Times are since some beginning, and do not go back.
#[derive(Clone, Debug)]
pub struct Rate {
    per_second: f64,
    /// What may be begun now.
    left: f64,
    at: Duration,
}

impl Rate {
    /// So much a second. Nothing for 0: there is no limit.
    pub fn new(per_second: u32) -> Option<Self> {
        let per_second = f64::from(per_second);
        (per_second > 0.0).then_some(Self { per_second, left: per_second, at: Duration::ZERO })
    }

    /// How much may be begun now, at most so much.
    pub fn available(&mut self, now: Duration, most: u32) -> u32 {
        let passed = now.saturating_sub(self.at).as_secs_f64();
        self.at = now.max(self.at);
        self.left = (self.left + passed * self.per_second).min(self.per_second);
        // What it may be is from 0 to `most`, and a part of one is none.
        (0..=most).take_while(|count| f64::from(*count) <= self.left).last().unwrap_or(0)
    }

    /// So much was begun.
    pub fn take(&mut self, count: u32) {
        self.left -= f64::from(count);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn as_much_as_a_second_has_may_be_begun_at_once_and_then_one_after_the_other() {
        assert!(Rate::new(0).is_none());
        let mut rate = Rate::new(10).unwrap();
        let at = Duration::from_millis;
        assert_eq!(rate.available(at(0), 100), 10);
        rate.take(10);
        assert_eq!((rate.available(at(0), 100), rate.available(at(99), 100)), (0, 0));
        assert_eq!(rate.available(at(101), 100), 1);
        rate.take(1);
        assert_eq!((rate.available(at(601), 3), rate.available(at(3_600_000), 100)), (3, 10));
    }

    proptest! {
        #[test]
        fn never_is_more_begun_than_the_time_has(steps in prop::collection::vec((0_u64..500, 0_u32..30), 1..100)) {
            let mut rate = Rate::new(20).unwrap();
            let (mut now, mut begun) = (0, 0);
            for (passed, wanted) in steps {
                now += passed;
                let count = rate.available(Duration::from_millis(now), wanted);
                prop_assert!(count <= wanted);
                rate.take(count);
                begun += count;
                prop_assert!(f64::from(begun) <= 20.0 + 20.0 * Duration::from_millis(now).as_secs_f64() + 0.001);
            }
        }
    }
}
