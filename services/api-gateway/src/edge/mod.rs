//! What is refused before anything is decided: requests that two programs could read in two ways. Pure.
//!
//! hyper has refused what is no HTTP at all. What is left here is what it lets through and a gateway must not.

mod headers;
mod path;
mod target;

pub use self::{
    headers::{Upgrade, check_headers, extended_connect, strip_hop_by_hop, upgrade},
    path::normalise,
    target::{Target, target},
};

use http::{Method, StatusCode, request::Parts};

/// A request that is not forwarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Refused {
    /// The status of the answer.
    pub status: StatusCode,
    /// Why, from a fixed list, for logs and metrics.
    pub reason: &'static str,
}

impl Refused {
    const fn bad(reason: &'static str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, reason }
    }
}

/// How large the head of a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of path and query.
    pub uri: usize,
    /// Lines of headers.
    pub headers: usize,
    /// Bytes of all headers, as RFC 9113 section 6.5.2 counts them: 32 more a line.
    pub header_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { uri: 8 * 1024, headers: 100, header_bytes: 64 * 1024 }
    }
}

/// Checks the head of a request, and says what it asks for.
///
/// # Errors
/// When it can be read in two ways, or is too large.
pub fn admit(parts: &Parts, limits: Limits) -> Result<Target, Refused> {
    // What a tunnel or an echo of the request could tell is nothing for others (RFC 9110 sections 9.3.6 and 9.3.8).
    if matches!(parts.method, Method::TRACE | Method::CONNECT) {
        return Err(Refused { status: StatusCode::METHOD_NOT_ALLOWED, reason: "method" });
    }
    let length = parts.uri.path_and_query().map_or(0, |path| path.as_str().len());
    if length > limits.uri {
        return Err(Refused { status: StatusCode::URI_TOO_LONG, reason: "uri-too-long" });
    }
    check_headers(parts, limits)?;
    target(parts)
}

#[cfg(test)]
mod tests;
