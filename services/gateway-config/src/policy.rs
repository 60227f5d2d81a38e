//! What requests need before they go on: limits on how many there are, tokens that say who sends them, and how large they
//! may be.

use serde::{Deserialize, Serialize};

use crate::Jwt;

/// What requests of a listener or a rule need. Left out: nothing.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    /// Names of rate limits. A request needs room in every one of them; those of its listener and of its rule all count,
    /// each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rate_limits: Vec<String>,

    /// Whose tokens are good. That of a rule counts in place of that of its listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,

    /// The most bytes of a request's body, at most what the gateway takes of any (`GATEWAY_MAX_BODY_BYTES`). More is
    /// answered with 413. That of a rule counts in place of that of its listener.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_body_bytes: Option<u64>,
}

impl Policy {
    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
