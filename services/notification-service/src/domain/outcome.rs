//! What became of an attempt, of a delivery, and of a notification.

use std::time::Duration;

use flotilla_kit::Secret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was taken.
    Sent,
    /// It may be taken later; perhaps not before this time.
    Later(Option<Duration>),
    /// It will not be taken. A person has to look.
    Refused,
    /// There is no such recipient: nothing is sent there any more.
    Bounced,
    /// It is not to be sent: nobody is there, or nobody wants it.
    Suppressed,
}

impl Outcome {
    /// As text, for the log of deliveries.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Later(_) => "later",
            Self::Refused => "refused",
            Self::Bounced => "bounced",
            Self::Suppressed => "suppressed",
        }
    }
}

/// Characters of what is said of an attempt. Some of it is of others, who may say much.
const MAX_DETAIL: usize = 500;

/// What is known of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub outcome: Outcome,
    /// The status of SMTP or HTTP.
    pub status: Option<u16>,
    /// What is to be said of it.
    pub detail: String,
    /// The version of the template.
    pub template_version: Option<i32>,
    /// The address that a mail came back from.
    pub bounced: Option<Secret<String>>,
}

impl Report {
    /// Without a status. What is no text in a detail becomes a space: a database does not take all of it.
    pub fn new(outcome: Outcome, detail: impl AsRef<str>) -> Self {
        let plain = |character: char| if character.is_control() { ' ' } else { character };
        let detail = detail.as_ref().chars().map(plain).take(MAX_DETAIL).collect();
        Self { outcome, status: None, detail, template_version: None, bounced: None }
    }

    /// With one.
    #[must_use]
    pub fn with_status(mut self, status: u16) -> Self {
        self.status = Some(status);
        self
    }
}

/// A text without a word, however that is written: servers repeat what they were told, and a log is no place for it.
pub fn without(text: &str, word: &str, stand_in: &str) -> String {
    if word.is_empty() {
        return text.to_owned();
    }
    let (lower, word) = (text.to_ascii_lowercase(), word.to_ascii_lowercase());
    let mut kept = String::with_capacity(text.len());
    let mut end = 0;
    for (at, _) in lower.match_indices(&word) {
        kept.push_str(text.get(end..at).unwrap_or_default());
        kept.push_str(stand_in);
        end = at + word.len();
    }
    kept.push_str(text.get(end..).unwrap_or_default());
    kept
}

/// Where a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits for its time.
    Queued,
    /// Somebody sends it.
    Sending,
    /// It was taken.
    Sent,
    /// It was given up, and may be sent again by hand.
    Dead,
    /// There is no such recipient.
    Bounced,
    /// It is not to be sent.
    Suppressed,
}

/// A text that is none of them.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no state of a delivery")]
pub struct Unknown(String);

impl State {
    const ALL: [Self; 6] =
        [Self::Queued, Self::Sending, Self::Sent, Self::Dead, Self::Bounced, Self::Suppressed];

    /// As text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Dead => "dead",
            Self::Bounced => "bounced",
            Self::Suppressed => "suppressed",
        }
    }
}

impl std::str::FromStr for State {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or_else(|| Unknown(text.to_owned()))
    }
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It is on its way.
    Queued,
    /// It has reached somebody.
    Sent,
    /// It was given up.
    Failed,
    /// There is no such recipient.
    Bounced,
    /// Nobody is to have it.
    Suppressed,
}

impl Status {
    /// By its deliveries: it is on its way while any of them is, and what was good of the rest counts most.
    pub fn of(deliveries: &[State]) -> Self {
        let has = |state| deliveries.contains(&state);
        if has(State::Queued) || has(State::Sending) {
            Self::Queued
        } else if has(State::Sent) {
            Self::Sent
        } else if has(State::Dead) {
            Self::Failed
        } else if has(State::Bounced) {
            Self::Bounced
        } else {
            Self::Suppressed
        }
    }

    /// As text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Bounced => "bounced",
            Self::Suppressed => "suppressed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_is_cut_and_has_no_control_characters() {
        let report = Report::new(Outcome::Refused, format!("a\0b\r\nc{}", "ü".repeat(1_000)));
        assert!(report.detail.starts_with("a b  cü"));
        assert_eq!(report.detail.chars().count(), MAX_DETAIL);
    }

    #[test]
    fn a_word_is_left_out_however_it_is_written() {
        let text = without("550 <Ann@Shop.test>: über ann@shop.test", "ann@shop.TEST", "ADDRESS");
        assert_eq!(text, "550 <ADDRESS>: über ADDRESS");
        assert_eq!(without("550 no", "", "ADDRESS"), "550 no");
    }

    #[test]
    fn a_notification_is_as_far_as_the_best_of_its_deliveries() {
        for (states, status) in [
            (&[][..], Status::Suppressed),
            (&[State::Sent, State::Queued], Status::Queued),
            (&[State::Dead, State::Sending], Status::Queued),
            (&[State::Dead, State::Sent], Status::Sent),
            (&[State::Bounced, State::Dead], Status::Failed),
            (&[State::Bounced, State::Suppressed], Status::Bounced),
            (&[State::Suppressed], Status::Suppressed),
        ] {
            assert_eq!(Status::of(states), status, "{states:?}");
        }
    }
}
