//! Conditions as the Gateway API has them: each with the generation that it is of, and with a time that moves only when
//! its status does.

use std::borrow::Cow;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// The longest message that a condition may have.
const MESSAGE_LENGTH: usize = 32_768;

/// What is said of an object, without its time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The type of the condition.
    pub type_: &'static str,
    /// Whether it holds.
    pub status: Status,
    /// Why, in one word.
    pub reason: &'static str,
    /// Why, and what to do, for people.
    pub message: Cow<'static, str>,
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    True,
    /// It does not.
    False,
    /// Nobody knows yet.
    Unknown,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Verdict {
    /// It holds.
    pub fn good(type_: &'static str, reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { type_, status: Status::True, reason, message: message.into() }
    }

    /// It does not hold.
    pub fn bad(type_: &'static str, reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { type_, status: Status::False, reason, message: message.into() }
    }

    /// Nobody knows yet.
    pub fn unknown(type_: &'static str, reason: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self { type_, status: Status::Unknown, reason, message: message.into() }
    }

    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.status == Status::True
    }
}

/// Verdicts as conditions of an object of this generation. Those of `live` whose status is the same keep their time.
pub fn conditions(
    verdicts: &[Verdict],
    generation: Option<i64>,
    live: &[Condition],
    now: Timestamp,
) -> Vec<Condition> {
    let condition = |verdict: &Verdict| {
        let status = verdict.status.as_str();
        let same = live.iter().find(|known| known.type_ == verdict.type_ && known.status == status);
        Condition {
            type_: verdict.type_.to_owned(),
            status: status.to_owned(),
            reason: verdict.reason.to_owned(),
            message: verdict.message.chars().take(MESSAGE_LENGTH).collect(),
            observed_generation: generation,
            last_transition_time: same.map_or(Time(now), |known| known.last_transition_time.clone()),
        }
    };
    verdicts.iter().map(condition).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_moves_only_when_the_status_does() {
        let (first, second) = (Timestamp::UNIX_EPOCH, "2026-01-01T00:00:00Z".parse().unwrap());
        let before = conditions(&[Verdict::good("Accepted", "Accepted", "a")], Some(1), &[], first);
        let reworded = [Verdict::good("Accepted", "ListenersNotValid", "b")];
        let same = conditions(&reworded, Some(2), &before, second);
        assert_eq!(same[0].last_transition_time, Time(first));
        assert_eq!((same[0].observed_generation, same[0].message.as_str()), (Some(2), "b"));
        let flipped = conditions(&[Verdict::bad("Accepted", "Pending", "")], Some(2), &same, second);
        assert_eq!(flipped[0].last_transition_time, Time(second));
        assert_eq!(conditions(&reworded, Some(2), &same, second), same);
    }
}
