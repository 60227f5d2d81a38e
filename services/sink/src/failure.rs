//! How it is to fail: rules, each for so many deliveries.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::Channel;

/// Rules that there may be.
const MAX: usize = 1_000;

/// What happens in place of a good answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind", deny_unknown_fields)]
pub enum Effect {
    /// It is refused with this status, and not kept. For mail a status of SMTP: 4xx is for now, 5xx for ever.
    #[serde(rename_all = "camelCase")]
    Status {
        /// The status.
        status: u16,
        /// Seconds for `Retry-After`, where there is such a thing.
        retry_after: Option<u32>,
    },
    /// The recipient is refused, before there is a message, as servers do that do not know it. Only of mail.
    #[serde(rename_all = "camelCase")]
    Reject {
        /// The status.
        status: u16,
    },
    /// It is taken and kept, but no answer ever comes.
    Hang,
    /// It is taken and kept, but the connection is cut before the answer. Only of mail.
    Cut,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Failure {
    /// Which one it is. It is given.
    #[serde(default = "Uuid::now_v7")]
    pub id: Uuid,
    /// What kind of deliveries it is for.
    pub channel: Channel,
    /// For whom: an address, the id of a subscription, the name of a webhook. Nothing: for all.
    pub target: Option<String>,
    /// For how many.
    pub times: u32,
    /// What happens.
    pub effect: Effect,
}

/// Why a rule is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The status is none of a failure.
    #[error("write a status from 400 to 599")]
    Status,
    /// It would never be used.
    #[error("write at least 1")]
    Times,
    /// There is no such thing over HTTP.
    #[error("only mail can be cut or rejected; take hang or status")]
    Kind,
    /// There are too many.
    #[error("there are {MAX} failures already; delete some")]
    TooMany,
}

/// The rules that there are.
#[derive(Debug, Default)]
pub struct Failures(Mutex<Vec<Failure>>);

impl Failures {
    /// Adds one, after those that there are.
    pub fn add(&self, failure: Failure) -> Result<(), Invalid> {
        match failure.effect {
            Effect::Status { status, .. } | Effect::Reject { status } if !(400..=599).contains(&status) => {
                return Err(Invalid::Status);
            }
            Effect::Cut | Effect::Reject { .. } if failure.channel != Channel::Mail => {
                return Err(Invalid::Kind);
            }
            _ if failure.times == 0 => return Err(Invalid::Times),
            _ => {}
        }
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if rules.len() >= MAX {
            return Err(Invalid::TooMany);
        }
        rules.push(failure);
        Ok(())
    }

    /// What happens to a delivery once it is here: the first rule that fits is used once.
    pub fn take(&self, channel: Channel, target: &str) -> Option<Effect> {
        self.take_one(channel, target, |effect| !matches!(effect, Effect::Reject { .. }))
    }

    /// The status that a recipient of mail is refused with, if it is to be.
    pub fn reject(&self, target: &str) -> Option<u16> {
        match self.take_one(Channel::Mail, target, |effect| matches!(effect, Effect::Reject { .. }))? {
            Effect::Reject { status } => Some(status),
            _ => None,
        }
    }

    fn take_one(&self, channel: Channel, target: &str, is_of_now: impl Fn(Effect) -> bool) -> Option<Effect> {
        let mut rules = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |rule: &Failure| {
            rule.channel == channel
                && is_of_now(rule.effect)
                && rule.target.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(target))
        };
        let at = rules.iter().position(fits)?;
        let rule = rules.get_mut(at)?;
        let effect = rule.effect;
        rule.times -= 1;
        if rule.times == 0 {
            rules.remove(at);
        }
        Some(effect)
    }

    /// Those that are left.
    pub fn all(&self) -> Vec<Failure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes them all back.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(channel: Channel, target: Option<&str>, times: u32, effect: Effect) -> Failure {
        Failure { id: Uuid::now_v7(), channel, target: target.map(str::to_owned), times, effect }
    }

    #[test]
    fn the_first_rule_that_fits_is_used_as_often_as_it_says() {
        let failures = Failures::default();
        let refuse = Effect::Status { status: 451, retry_after: None };
        failures.add(rule(Channel::Mail, Some("ann@shop.test"), 2, refuse)).unwrap();
        failures.add(rule(Channel::Mail, None, 1, Effect::Hang)).unwrap();
        failures.add(rule(Channel::Mail, None, 1, Effect::Reject { status: 550 })).unwrap();
        assert_eq!((failures.reject("ben@shop.test"), failures.reject("ben@shop.test")), (Some(550), None));
        assert_eq!(failures.take(Channel::Push, "ann@shop.test"), None);
        assert_eq!(failures.take(Channel::Mail, "Ann@shop.test"), Some(refuse));
        assert_eq!(failures.take(Channel::Mail, "ben@shop.test"), Some(Effect::Hang));
        assert_eq!(failures.take(Channel::Mail, "ben@shop.test"), None);
        assert_eq!(failures.take(Channel::Mail, "ann@shop.test"), Some(refuse));
        assert_eq!(failures.all(), []);
    }

    #[test]
    fn a_rule_that_makes_no_sense_is_refused() {
        let failures = Failures::default();
        let status = |status| Effect::Status { status, retry_after: None };
        for (rule, error) in [
            (rule(Channel::Mail, None, 1, status(250)), Invalid::Status),
            (rule(Channel::Mail, None, 1, status(600)), Invalid::Status),
            (rule(Channel::Mail, None, 0, status(451)), Invalid::Times),
            (rule(Channel::Webhook, None, 1, Effect::Cut), Invalid::Kind),
            (rule(Channel::Push, None, 1, Effect::Reject { status: 550 }), Invalid::Kind),
            (rule(Channel::Mail, None, 1, Effect::Reject { status: 250 }), Invalid::Status),
        ] {
            assert_eq!(failures.add(rule), Err(error));
        }
    }
}
