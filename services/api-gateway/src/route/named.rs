//! Which routes or streams a listener names. Looked up, as a search of its list for each of them takes the square of their
//! number.

use std::collections::HashSet;

use flotilla_gateway_config::Listener;

/// The names that a listener has written; without any, all are meant.
pub(crate) struct Named<'c>(Option<HashSet<&'c str, foldhash::fast::RandomState>>);

impl<'c> Named<'c> {
    /// By a listener.
    pub(crate) fn by(listener: &'c Listener) -> Self {
        Self(listener.routes.as_ref().map(|names| names.iter().map(String::as_str).collect()))
    }

    /// Whether one of this name is meant.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.as_ref().is_none_or(|names| names.contains(name))
    }
}
