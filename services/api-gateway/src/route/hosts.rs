//! Things by host: exact names, and patterns for all names below one.

use flotilla_gateway_config::HostPattern;

use crate::map::Map;

/// Something for each host or pattern of hosts, and something for all others.
#[derive(Clone, Debug)]
pub(crate) struct Hosts<T> {
    exact: Map<Box<str>, T>,
    /// By the name that the hosts are below.
    below: Map<Box<str>, T>,
    any: Option<T>,
}

impl<T> Default for Hosts<T> {
    fn default() -> Self {
        Self { exact: Map::default(), below: Map::default(), any: None }
    }
}

impl<T> Hosts<T> {
    /// What is under a pattern, made when there is nothing yet. `None` is every host.
    pub(crate) fn entry(&mut self, pattern: Option<&HostPattern>) -> &mut T
    where
        T: Default,
    {
        match pattern {
            Some(HostPattern::Exact(name)) => self.exact.entry(name.as_str().into()).or_default(),
            Some(HostPattern::Below(parent)) => self.below.entry(parent.as_str().into()).or_default(),
            None => self.any.get_or_insert_default(),
        }
    }

    /// Everything that is for a host, the most specific first.
    pub(crate) fn find<'t>(&'t self, host: &str) -> impl Iterator<Item = &'t T> {
        let parents =
            host.match_indices('.').filter(|(at, _)| *at > 0).filter_map(|(at, _)| host.get(at + 1..));
        self.exact
            .get(host)
            .into_iter()
            .chain(parents.filter_map(|parent| self.below.get(parent)))
            .chain(self.any.as_ref())
    }

    /// All of them.
    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.exact.values_mut().chain(self.below.values_mut()).chain(self.any.as_mut())
    }
}
