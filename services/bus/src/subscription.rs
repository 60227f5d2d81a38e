//! Who wants which events, and what becomes of those that fail.

use std::{fmt, num::NonZeroU32, time::Duration};

use crate::Pattern;

/// Why a text is no name of a consumer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no name of a consumer: write from 1 to 63 of a-z, 0-9 and -, such as notification-service")]
pub struct InvalidConsumer(String);

/// The name of a consumer. All that subscribe with one name share its events.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Consumer(String);

impl Consumer {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Consumer {
    type Error = InvalidConsumer;

    fn try_from(text: &str) -> Result<Self, InvalidConsumer> {
        let is_good = (1..=63).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        if is_good { Ok(Self(text.to_owned())) } else { Err(InvalidConsumer(text.to_owned())) }
    }
}

impl fmt::Display for Consumer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// What becomes of an event that a consumer fails at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How long to wait before it comes again, after each failure. After the last one it is a dead letter.
    pub delays: Vec<Duration>,
    /// How long nothing may be heard of whoever has it until it is somebody else's. While a [`Deliveries`] is there, the
    /// broker hears of it.
    ///
    /// [`Deliveries`]: crate::Deliveries
    pub lease: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            delays: [1, 5, 30, 120, 600, 1_800].map(Duration::from_secs).into(),
            lease: Duration::from_secs(30),
        }
    }
}

impl Policy {
    /// How long to wait after the failure of an attempt, counted from 1. Nothing: it is dead.
    pub(crate) fn after(&self, attempt: u32) -> Option<Duration> {
        let failures = usize::try_from(attempt).ok()?;
        self.delays.get(failures.checked_sub(1)?).copied()
    }

    /// Attempts that there are at most.
    pub(crate) fn attempts(&self) -> u32 {
        u32::try_from(self.delays.len()).unwrap_or(u32::MAX).saturating_add(1)
    }
}

/// What a consumer wants.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// Who.
    pub consumer: Consumer,
    /// The types of events.
    pub types: Vec<Pattern>,
    /// Events that it has at a time.
    pub in_flight: NonZeroU32,
    /// What becomes of those that fail.
    pub policy: Policy,
}

impl Subscription {
    /// Some types, 16 at a time.
    pub fn new(consumer: Consumer, types: impl Into<Vec<Pattern>>) -> Self {
        let in_flight = NonZeroU32::MIN.saturating_add(15);
        Self { consumer, types: types.into(), in_flight, policy: Policy::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_is_named_as_services_are() {
        assert_eq!(Consumer::try_from("notification-service").unwrap().as_str(), "notification-service");
        for bad in ["", "Orders", "orders.service", "a b", &"a".repeat(64)] {
            assert_eq!(Consumer::try_from(bad), Err(InvalidConsumer(bad.to_owned())));
        }
    }

    #[test]
    fn each_failure_has_its_delay_and_the_last_one_none() {
        let delays = [1, 5].map(Duration::from_secs).to_vec();
        let policy = Policy { delays, ..Policy::default() };
        let after = [1, 2, 3, u32::MAX].map(|attempt| policy.after(attempt));
        assert_eq!(after, [Some(Duration::from_secs(1)), Some(Duration::from_secs(5)), None, None]);
        assert_eq!(policy.attempts(), 3);
    }
}
