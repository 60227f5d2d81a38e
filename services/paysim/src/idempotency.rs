//! `Idempotency-Key` as Stripe has it: the first answer of a request is given again, also when it was a failure; the same key
//! with other parameters is refused, and so is one whose request is still at work. A request that had not begun leaves none.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// How long an answer is kept.
pub const RETENTION: Duration = Duration::from_secs(24 * 3_600);

/// Keys that are kept without a look at how old they are.
const FEW: usize = 10_000;

/// An answer: its status and its body.
pub type Answer = (u16, Value);

/// What is known of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known {
    fingerprint: [u8; 32],
    since: Timestamp,
    answer: Option<Answer>,
}

impl Known {
    fn is_good(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) < RETENTION.try_into().unwrap_or_default()
    }
}

/// Whether a request is to be done.
#[derive(Clone, Debug, PartialEq)]
pub enum Begun {
    /// It is the first with its key.
    First,
    /// It has been: this is the answer.
    Repeated(Answer),
}

/// The keys that were used.
#[derive(Debug, Default)]
pub struct Keys {
    known: HashMap<String, Known>,
    /// How many there may be until those that are too old are looked for.
    enough: usize,
}

impl Keys {
    /// A request begins.
    pub fn begin(&mut self, key: &str, path: &str, body: &[u8], now: Timestamp) -> Result<Begun, Error> {
        let mut hash = Sha256::new();
        hash.update((path.len() as u64).to_be_bytes());
        hash.update(path);
        hash.update(body);
        let fingerprint = hash.finalize().into();
        self.forget(now);
        match self.known.get(key).filter(|known| known.is_good(now)) {
            Some(known) if known.fingerprint != fingerprint => Err(Error::key_reused()),
            Some(Known { answer: Some(answer), .. }) => Ok(Begun::Repeated(answer.clone())),
            Some(_) => Err(Error::key_in_use()),
            None => {
                self.known.insert(key.to_owned(), Known { fingerprint, since: now, answer: None });
                Ok(Begun::First)
            }
        }
    }

    /// Forgets those that are too old, each time that there are twice as many as were left.
    fn forget(&mut self, now: Timestamp) {
        if self.known.len() > self.enough {
            self.known.retain(|_, known| known.is_good(now));
            self.enough = self.known.len().saturating_mul(2).max(FEW);
        }
    }

    /// Forgets all, as after a day.
    pub fn clear(&mut self) {
        self.known.clear();
    }

    /// What is known of a key.
    pub fn known(&self, key: &str) -> Option<Known> {
        self.known.get(key).cloned()
    }

    /// What was known of a key before.
    pub fn restore(&mut self, key: String, known: Known) {
        self.known.insert(key, known);
    }

    /// It has ended: with an answer that is its own from now on, or as if it had never been.
    pub fn end(&mut self, key: &str, answer: Option<Answer>) {
        match (self.known.get_mut(key), answer) {
            (Some(known), Some(answer)) => known.answer = Some(answer),
            (Some(_), None) => {
                self.known.remove(key);
            }
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_has_one_answer_for_one_request() {
        let (mut keys, now) = (Keys::default(), Timestamp::now());
        assert_eq!(keys.begin("k", "/v1/refunds", b"a=1", now), Ok(Begun::First));
        let refused =
            |keys: &mut Keys, path: &str, body: &[u8]| keys.begin("k", path, body, now).unwrap_err();
        assert_eq!(refused(&mut keys, "/v1/refunds", b"a=1").status.as_u16(), 409);
        assert_eq!(refused(&mut keys, "/v1/refunds", b"a=2").status.as_u16(), 400);
        keys.end("k", Some((500, json!({}))));
        assert_eq!(keys.begin("k", "/v1/refunds", b"a=1", now), Ok(Begun::Repeated((500, json!({})))));
        assert_eq!(refused(&mut keys, "/v1/refunds", b"a=2").status.as_u16(), 400);
        assert_eq!(refused(&mut keys, "/v1/refund", b"sa=1").status.as_u16(), 400);
        let later = now + jiff::SignedDuration::from_hours(25);
        assert_eq!(keys.begin("k", "/v1/refunds", b"a=2", later), Ok(Begun::First));
    }

    #[test]
    fn keys_that_are_too_old_are_forgotten() {
        let (mut keys, now) = (Keys::default(), Timestamp::now());
        let later = now + jiff::SignedDuration::from_hours(25);
        for number in 0..=FEW {
            keys.begin(&number.to_string(), "/", b"", now).unwrap();
        }
        keys.begin("late", "/", b"", later).unwrap();
        assert_eq!(keys.known.len(), 1);
    }

    #[test]
    fn a_request_that_had_not_begun_leaves_its_key() {
        let (mut keys, now) = (Keys::default(), Timestamp::now());
        keys.begin("k", "/", b"bad", now).unwrap();
        keys.end("k", None);
        assert_eq!(keys.begin("k", "/", b"good", now), Ok(Begun::First));
    }
}
