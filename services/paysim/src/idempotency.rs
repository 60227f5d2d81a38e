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

/// An answer: its status and its body.
pub type Answer = (u16, Value);

/// What is known of a key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Known {
    fingerprint: [u8; 32],
    since: Timestamp,
    answer: Option<Answer>,
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
pub struct Keys(HashMap<String, Known>);

impl Keys {
    /// A request begins.
    pub fn begin(&mut self, key: &str, path: &str, body: &[u8], now: Timestamp) -> Result<Begun, Error> {
        let mut hash = Sha256::new();
        hash.update((path.len() as u64).to_be_bytes());
        hash.update(path);
        hash.update(body);
        let fingerprint = hash.finalize().into();
        match self
            .0
            .get(key)
            .filter(|known| now.duration_since(known.since) < RETENTION.try_into().unwrap_or_default())
        {
            Some(known) if known.fingerprint != fingerprint => Err(Error::key_reused()),
            Some(Known { answer: Some(answer), .. }) => Ok(Begun::Repeated(answer.clone())),
            Some(_) => Err(Error::key_in_use()),
            None => {
                self.0.insert(key.to_owned(), Known { fingerprint, since: now, answer: None });
                Ok(Begun::First)
            }
        }
    }

    /// What is known of a key.
    pub fn known(&self, key: &str) -> Option<Known> {
        self.0.get(key).cloned()
    }

    /// What was known of a key before.
    pub fn restore(&mut self, key: String, known: Known) {
        self.0.insert(key, known);
    }

    /// It has ended: with an answer that is its own from now on, or as if it had never been.
    pub fn end(&mut self, key: &str, answer: Option<Answer>) {
        match (self.0.get_mut(key), answer) {
            (Some(known), Some(answer)) => known.answer = Some(answer),
            (Some(_), None) => {
                self.0.remove(key);
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
        assert_eq!(refused(&mut keys, "/v1/refunds", b"a=2").status.as_u16(), 422);
        keys.end("k", Some((500, json!({}))));
        assert_eq!(keys.begin("k", "/v1/refunds", b"a=1", now), Ok(Begun::Repeated((500, json!({})))));
        assert_eq!(refused(&mut keys, "/v1/refunds", b"a=2").status.as_u16(), 422);
        assert_eq!(refused(&mut keys, "/v1/refund", b"sa=1").status.as_u16(), 422);
        let later = now + jiff::SignedDuration::from_hours(25);
        assert_eq!(keys.begin("k", "/v1/refunds", b"a=2", later), Ok(Begun::First));
    }

    #[test]
    fn a_request_that_had_not_begun_leaves_its_key() {
        let (mut keys, now) = (Keys::default(), Timestamp::now());
        keys.begin("k", "/", b"bad", now).unwrap();
        keys.end("k", None);
        assert_eq!(keys.begin("k", "/", b"good", now), Ok(Begun::First));
    }
}
