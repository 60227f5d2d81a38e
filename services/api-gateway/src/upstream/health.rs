//! Which endpoints get no requests: those that have failed, for a while (passive outlier ejection), and those that say
//! themselves, when they are asked, that they are not well.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use crate::clock::milliseconds;

/// Failures in a row after which an endpoint is left alone.
const FAILURES: u32 = 5;

/// How long it is left alone the first time; each time in a row it is as much longer.
const EJECTION: Duration = Duration::from_secs(10);

/// How often in a row this grows.
const LONGEST: u32 = 6;

/// How an endpoint has answered.
#[derive(Debug, Default)]
pub struct Health {
    failures: AtomicU32,
    ejections: AtomicU32,
    /// When it may be asked again, in milliseconds.
    until: AtomicU64,
    /// Whether its checks have failed.
    is_unwell: AtomicBool,
}

impl Health {
    /// It has answered.
    pub fn succeeded(&self) {
        // Most have nothing to forget, and a store would take the line from the other cores.
        if self.failures.load(Ordering::Relaxed) != 0 || self.ejections.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
            self.ejections.store(0, Ordering::Relaxed);
        }
    }

    /// It could not be reached, gave no answer in time, or one that says that it cannot (502, 503, 504). Returns whether
    /// it is left alone from now on.
    pub fn failed(&self, now: Instant) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if !failures.is_multiple_of(FAILURES) {
            return false;
        }
        let times = self.ejections.fetch_add(1, Ordering::Relaxed).min(LONGEST - 1) + 1;
        self.until.store(milliseconds(now + EJECTION * times), Ordering::Relaxed);
        true
    }

    /// Its checks have failed. Returns whether that is new.
    pub fn check_fails(&self) -> bool {
        !self.is_unwell.swap(true, Ordering::Relaxed)
    }

    /// Its checks go well, or there are none any more. Returns whether that is new.
    pub fn check_succeeds(&self) -> bool {
        self.is_unwell.swap(false, Ordering::Relaxed)
    }

    /// Whether it may be asked.
    pub fn is_good(&self, now: Instant) -> bool {
        !self.is_unwell.load(Ordering::Relaxed) && milliseconds(now) >= self.until.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_eject_for_longer_each_time() {
        let (health, now) = (Health::default(), Instant::now());
        let fail = |at| (0..FAILURES).map(|_| health.failed(at)).filter(|ejected| *ejected).count();
        assert!(health.is_good(now));
        assert_eq!(fail(now), 1);
        assert!(!health.is_good(now + EJECTION / 2));
        let later = now + EJECTION;
        assert!(health.is_good(later));
        assert_eq!(fail(later), 1);
        assert!(!health.is_good(later + EJECTION));
        assert!(health.is_good(later + EJECTION * 2));
    }

    #[test]
    fn what_checks_say_holds_until_they_say_something_else() {
        let (health, now) = (Health::default(), Instant::now());
        assert!(health.check_fails() && !health.check_fails());
        health.succeeded();
        assert!(!health.is_good(now + EJECTION));
        assert!(health.check_succeeds() && !health.check_succeeds());
        assert!(health.is_good(now));
    }

    #[test]
    fn one_answer_makes_up_for_failures() {
        let health = Health::default();
        for _ in 1..FAILURES {
            assert!(!health.failed(Instant::now()));
        }
        health.succeeded();
        assert!(!health.failed(Instant::now()));
        assert!(health.is_good(Instant::now()));
    }
}
