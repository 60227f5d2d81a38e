//! What clients are told of failures.

use std::time::Duration;

use axum::http::StatusCode;
use flotilla_kit::http::Problem;

use crate::crypto::{Busy, NoKey, Unable};

impl From<Unable> for Problem {
    fn from(error: Unable) -> Self {
        Self::internal(&error)
    }
}

impl From<Busy> for Problem {
    fn from(error: Busy) -> Self {
        match error {
            Busy::Full => {
                tracing::warn!("too many passwords wait to be checked");
                Self::unavailable(Duration::from_secs(2), "too many log in at once; try again")
            }
            Busy::Unable(error) => error.into(),
        }
    }
}

impl From<NoKey> for Problem {
    fn from(error: NoKey) -> Self {
        match error {
            NoKey::None => {
                Self::unavailable(Duration::from_secs(1), "there is no key to sign with yet; try again")
            }
            NoKey::Sign(_) => Self::internal(&error),
        }
    }
}

/// A token of a mail is none, was used, or has ended: which of them is nobody's business.
pub(super) fn bad_token() -> Problem {
    let detail = "the token is not valid, or no longer; ask for another mail";
    Problem::new(StatusCode::BAD_REQUEST, "token_invalid", detail).at("/token", "is not valid, or no longer")
}

/// There is no such account, or it is none of theirs.
pub(super) fn no_user() -> Problem {
    Problem::not_found("there is no such user")
}
