//! Changes of headers.

use flotilla_gateway_config::{HeaderModifier, HeaderValue as Written};
use http::{HeaderMap, HeaderName, HeaderValue};

/// What becomes of headers: first some go, then some have one value, then some get one more.
#[derive(Clone, Debug, Default)]
pub(super) struct Changes {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
}

impl Changes {
    pub(super) fn compile(written: &HeaderModifier) -> Self {
        // A value that is none is refused where the configuration is read.
        let header = |header: &Written| {
            Some((header.name.0.clone(), HeaderValue::from_str(header.value.as_str()).ok()?))
        };
        Self {
            remove: written.remove.iter().map(|name| name.0.clone()).collect(),
            set: written.set.iter().filter_map(header).collect(),
            add: written.add.iter().filter_map(header).collect(),
        }
    }

    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}
