//! How much a backend may have at a time (circuit breaking): what comes on top is refused at once, so that a backend that is
//! slow does not make everything slow.

use serde::{Deserialize, Serialize};

/// What a backend may have at a time from one gateway. What is left out has no limit.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Requests, from their heads to the ends of their answers. One more is answered with 503.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,

    /// Connections, to all endpoints together. When all are in use, requests wait for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,

    /// Requests that may wait for a connection. One more is answered with 503. Left out: 1,024.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pending_requests: Option<u32>,
}

impl Limits {
    /// What cannot be done, with the field.
    pub(crate) fn check(&self, say: &mut impl FnMut(&str, String)) {
        for (field, limit) in [("requests", self.requests), ("connections", self.connections)] {
            if limit == Some(0) {
                say(&format!(".limits.{field}"), "it is at least 1".to_owned());
            }
        }
        if self.pending_requests.is_some() && self.connections.is_none() {
            say(
                ".limits.pendingRequests",
                "requests wait only for connections: write connections".to_owned(),
            );
        }
    }
}
