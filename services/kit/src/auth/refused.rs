//! Why somebody is not believed.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};

use crate::http::Problem;

/// Why somebody is not believed.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// There is no token.
    #[error("send a token as Authorization: Bearer")]
    Missing,
    /// It is none, or of somebody else.
    #[error("the token is not valid: {0}")]
    Invalid(&'static str),
    /// It was one.
    #[error("the token has expired; take a new one")]
    Expired,
    /// The keys to check it with are not there.
    #[error("tokens cannot be checked now")]
    NoKeys(#[from] super::NoKeys),
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let code = match &refused {
            Refused::NoKeys(error) => {
                tracing::warn!(%error, "tokens cannot be checked");
                return Self::unavailable(Duration::from_secs(1), refused.to_string());
            }
            Refused::Missing => "token_missing",
            Refused::Invalid(_) => "token_invalid",
            Refused::Expired => "token_expired",
        };
        // RFC 6750, section 3.
        let challenge = match &refused {
            Refused::Missing => HeaderValue::from_static("Bearer"),
            _ => HeaderValue::from_static("Bearer error=\"invalid_token\""),
        };
        Self::new(StatusCode::UNAUTHORIZED, code, refused.to_string())
            .header(header::WWW_AUTHENTICATE, challenge)
    }
}
