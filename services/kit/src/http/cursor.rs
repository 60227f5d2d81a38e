//! Cursors of pages: opaque, signed and with an end, so that a client can neither make nor change one.

use std::time::Duration;

use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use super::Problem;
use crate::Secret;

/// The first byte, so that a later form can be told from this one.
const VERSION: u8 = 1;

/// Bytes of the version and of the end.
const HEAD: usize = 9;

/// Bytes of the signature.
const TAG: usize = 16;

/// Characters that a cursor may have.
const MAX: usize = 1_024;

/// Makes cursors and reads them. All replicas of a service need the same key.
#[derive(Clone, Debug)]
pub struct Cursors {
    /// As long as a block of the hash.
    key: Secret<[u8; 64]>,
    lifetime: Duration,
}

impl Cursors {
    /// With a key of any length, and the time that a cursor is good for.
    pub fn new(key: &Secret<Vec<u8>>, lifetime: Duration) -> Self {
        let mut block = [0; 64];
        for (byte, digest) in block.iter_mut().zip(Sha256::digest(key.expose())) {
            *byte = digest;
        }
        Self { key: Secret::new(block), lifetime }
    }

    /// A cursor at a position. `scope` is what it belongs to: the route, and filters that have to stay the same.
    pub fn seal(&self, scope: &str, position: &impl Serialize) -> Result<String, serde_json::Error> {
        let lifetime = i64::try_from(self.lifetime.as_secs()).unwrap_or(i64::MAX);
        let end = Timestamp::now().as_second().saturating_add(lifetime);
        let mut bytes = vec![VERSION];
        bytes.extend(end.to_be_bytes());
        serde_json::to_writer(&mut bytes, position)?;
        let tag = self.mac(scope, &bytes).finalize().into_bytes();
        bytes.extend(tag.iter().take(TAG));
        Ok(BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }

    /// The position of a cursor of this scope.
    pub fn open<T: DeserializeOwned>(&self, scope: &str, cursor: &str) -> Result<T, Problem> {
        let bytes = if cursor.len() > MAX { None } else { BASE64_URL_SAFE_NO_PAD.decode(cursor).ok() };
        let bytes = bytes.ok_or_else(forged)?;
        let (signed, tag) =
            bytes.len().checked_sub(TAG).and_then(|at| bytes.split_at_checked(at)).ok_or_else(forged)?;
        self.mac(scope, signed).verify_truncated_left(tag).map_err(|_| forged())?;
        let (head, position) = signed.split_at_checked(HEAD).ok_or_else(forged)?;
        let (version, end) = head.split_first().ok_or_else(forged)?;
        let end = end.try_into().map(i64::from_be_bytes).map_err(|_| forged())?;
        if *version != VERSION || end <= Timestamp::now().as_second() {
            let detail = "the cursor has expired; begin with the first page";
            let problem = Problem::new(StatusCode::BAD_REQUEST, "expired_cursor", detail);
            return Err(problem.parameter("cursor", "has expired"));
        }
        serde_json::from_slice(position).map_err(|_| forged())
    }

    fn mac(&self, scope: &str, bytes: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new(&(*self.key.expose()).into());
        mac.update(&(scope.len() as u64).to_be_bytes());
        mac.update(scope.as_bytes());
        mac.update(bytes);
        mac
    }
}

fn forged() -> Problem {
    let detail = "the cursor is none of this list; begin with the first page";
    let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_cursor", detail);
    problem.parameter("cursor", "is not what next_cursor said")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Position {
        created: i64,
        id: String,
    }

    fn cursors() -> Cursors {
        Cursors::new(&Secret::new(b"a key".to_vec()), Duration::from_secs(60))
    }

    fn position() -> Position {
        Position { created: 7, id: "o-12".to_owned() }
    }

    #[test]
    fn it_leads_back_to_its_position() {
        let cursor = cursors().seal("orders", &position()).unwrap();
        assert_eq!(cursors().open::<Position>("orders", &cursor).unwrap(), position());
    }

    #[test]
    fn one_of_another_list_or_key_or_time_is_refused() {
        let cursor = cursors().seal("orders", &position()).unwrap();
        let code = |cursors: &Cursors, scope: &str, cursor: &str| {
            cursors.open::<Position>(scope, cursor).unwrap_err().code()
        };
        assert_eq!(code(&cursors(), "products", &cursor), "invalid_cursor");
        let other = Cursors::new(&Secret::new(b"another".to_vec()), Duration::from_secs(60));
        assert_eq!(code(&other, "orders", &cursor), "invalid_cursor");
        for nonsense in ["", "a", "????", &"A".repeat(2_000)] {
            assert_eq!(code(&cursors(), "orders", nonsense), "invalid_cursor");
        }
        let old = Cursors::new(&Secret::new(b"a key".to_vec()), Duration::ZERO);
        let expired = old.seal("orders", &position()).unwrap();
        assert_eq!(code(&cursors(), "orders", &expired), "expired_cursor");
    }

    proptest! {
        #[test]
        fn whatever_is_changed_in_one_makes_it_none(at in 0_usize..60, bit in 0_u8..8) {
            let sealed = cursors().seal("orders", &position()).unwrap();
            let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(sealed).unwrap();
            let at = at % bytes.len();
            bytes[at] ^= 1 << bit;
            let changed = BASE64_URL_SAFE_NO_PAD.encode(bytes);
            prop_assert_eq!(cursors().open::<Position>("orders", &changed).unwrap_err().code(), "invalid_cursor");
        }
    }
}
