//! Why a policy refuses a request, and what the client is told beside the status.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::{
    limit::{Full, Limit},
    token::Refused,
};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Why a policy refuses a request.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// There were too many.
    #[error("there are more requests than there may be")]
    Limited {
        /// The limit.
        limit: Arc<Limit>,
        /// How full it is.
        full: Full,
    },
    /// Its token is not good.
    #[error(transparent)]
    Token(#[from] Refused),
}

impl Refusal {
    /// A word for logs and metrics, from a fixed list.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Limited { .. } => "rate-limited",
            Self::Token(refused) => refused.reason(),
        }
    }

    /// The status of HTTP (RFC 6585 section 4, RFC 6750 section 3.1).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Limited { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Token(Refused::Claims) => StatusCode::FORBIDDEN,
            Self::Token(Refused::NoKeys) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Token(_) => StatusCode::UNAUTHORIZED,
        }
    }

    /// The status of gRPC: `RESOURCE_EXHAUSTED`, `PERMISSION_DENIED`, `UNAVAILABLE` or `UNAUTHENTICATED`. By its table for
    /// statuses of HTTP, 429 would be `UNAVAILABLE`, which many clients try again at once.
    pub fn grpc_status(&self) -> &'static str {
        match self {
            Self::Limited { .. } => "8",
            Self::Token(Refused::Claims) => "7",
            Self::Token(Refused::NoKeys) => "14",
            Self::Token(_) => "16",
        }
    }

    /// What the client is told beside the status.
    pub fn tell(&self, headers: &mut HeaderMap) {
        let mut set = |name: HeaderName, text: String| {
            // Names of limits are written so that a header may have them.
            if let Ok(value) = HeaderValue::from_str(&text) {
                headers.insert(name, value);
            }
        };
        match self {
            Self::Limited { limit, full } => {
                let seconds = whole_seconds(full.wait);
                let name = structured(&limit.name);
                let (quota, window) = (limit.written.requests, limit.written.per.seconds());
                set(header::RETRY_AFTER, seconds.to_string());
                // draft-ietf-httpapi-ratelimit-headers-11: the quota of a window, and what is left until when.
                set(POLICY, format!("{name};q={quota};w={window}"));
                set(LIMIT, format!("{name};r=0;t={seconds}"));
            }
            Self::Token(Refused::NoKeys) => {}
            // RFC 6750 section 3.1: whoever sent no token is told of no error.
            Self::Token(Refused::Missing) => set(header::WWW_AUTHENTICATE, "Bearer".to_owned()),
            Self::Token(refused) => {
                let error =
                    if matches!(refused, Refused::Claims) { "insufficient_scope" } else { "invalid_token" };
                set(
                    header::WWW_AUTHENTICATE,
                    format!("Bearer error=\"{error}\", error_description=\"{refused}\""),
                );
            }
        }
    }
}

/// Rounded up, as whoever comes a moment too early is refused again.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// A String of structured fields (RFC 9651 section 3.3.3).
fn structured(text: &str) -> String {
    let mut written = String::with_capacity(text.len() + 2);
    written.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => written.extend(['\\', character]),
            ' '..='~' => written.push(character),
            _ => written.push('?'),
        }
    }
    written.push('"');
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_rounded_up() {
        for (milliseconds, seconds) in [(0, 0), (1, 1), (1_000, 1), (1_001, 2)] {
            assert_eq!(whole_seconds(Duration::from_millis(milliseconds)), seconds);
        }
    }

    #[test]
    fn a_name_is_a_string_of_structured_fields() {
        assert_eq!(structured("shop/a"), "\"shop/a\"");
        assert_eq!(structured("a\"b\\c\u{e4}\n"), "\"a\\\"b\\\\c??\"");
    }
}
