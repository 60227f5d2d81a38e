//! Where an upstream is now: its endpoints, and what finds one of them for a session. Made anew whenever it changes.

use std::sync::Arc;

use super::{Endpoint, affinity::Affinity};

/// Endpoints.
#[derive(Debug, Default)]
pub(super) struct Placed {
    pub(super) endpoints: Vec<Arc<Endpoint>>,
    /// The names that cookies have for them, in order, each with its place.
    tags: Vec<(u64, usize)>,
}

impl Placed {
    pub(super) fn new(name: &str, endpoints: Vec<Arc<Endpoint>>, affinity: Option<&Affinity>) -> Self {
        let tag = |(place, endpoint): (usize, &Arc<Endpoint>)| Some((affinity?.tag(name, endpoint)?, place));
        let mut tags: Vec<_> = endpoints.iter().enumerate().filter_map(tag).collect();
        tags.sort_unstable();
        Self { endpoints, tags }
    }

    /// The endpoint that a cookie names.
    pub(super) fn tagged(&self, tag: u64) -> Option<&Arc<Endpoint>> {
        let found = self.tags.binary_search_by_key(&tag, |(tag, _)| *tag).ok()?;
        self.endpoints.get(self.tags.get(found)?.1)
    }
}
