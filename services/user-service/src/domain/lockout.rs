//! Failed logins of one address. After a few, none is tried for a while, and after each more for longer: whoever guesses gets
//! few guesses, and whoever lost their password is not locked out for ever.

use std::time::Duration;

/// When it begins, and how long it lasts.
#[derive(Clone, Copy, Debug)]
pub struct Lockout {
    /// Failures until the first.
    pub failures: u32,
    /// How long the first lasts. Each further failure doubles it.
    pub first: Duration,
    /// How long one lasts at most.
    pub longest: Duration,
    /// After so long without a failure they are forgotten.
    pub memory: Duration,
}

impl Lockout {
    /// For how long nothing is tried after so many failures.
    pub fn after(&self, failures: u32) -> Option<Duration> {
        let further = failures.checked_sub(self.failures)?;
        let doubled = 2_u32.checked_pow(further).and_then(|factor| self.first.checked_mul(factor));
        Some(doubled.unwrap_or(self.longest).min(self.longest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_more_doubles_the_time() {
        let lockout = Lockout {
            failures: 5,
            first: Duration::from_secs(30),
            longest: Duration::from_secs(900),
            memory: Duration::from_secs(3_600),
        };
        let seconds = |failures| lockout.after(failures).map(|time| time.as_secs());
        assert_eq!(
            [0, 4, 5, 6, 9, 10, 60, u32::MAX].map(seconds),
            [None, None, Some(30), Some(60), Some(480), Some(900), Some(900), Some(900)]
        );
    }
}
