//! Who has which hosts, found without comparing each with each: there may be thousands.

use std::{collections::BTreeMap, ops::Bound};

use flotilla_gateway_config::HostPattern;

/// Hosts, each with the first who has it.
#[derive(Debug)]
pub(super) struct Hosts<T> {
    any: Option<T>,
    /// Labels from the last to the first, so that what is below a name comes after it.
    exact: BTreeMap<String, T>,
    below: BTreeMap<String, T>,
}

impl<T> Default for Hosts<T> {
    fn default() -> Self {
        Self { any: None, exact: BTreeMap::new(), below: BTreeMap::new() }
    }
}

impl<T: Copy> Hosts<T> {
    /// Takes a host in, unless somebody has it; `None` is any.
    pub(super) fn take(&mut self, host: Option<&HostPattern>, by: T) {
        match host {
            None => drop(self.any.get_or_insert(by)),
            Some(HostPattern::Exact(name)) => {
                self.exact.entry(reversed(name.as_str())).or_insert(by);
            }
            Some(HostPattern::Below(name)) => {
                self.below.entry(reversed(name.as_str())).or_insert(by);
            }
        }
    }

    /// Who has a name that is meant by this host.
    pub(super) fn meeting(&self, host: Option<&HostPattern>) -> Option<T> {
        let equal = match host {
            None => self.any,
            Some(HostPattern::Exact(name)) => self.exact.get(&reversed(name.as_str())).copied(),
            Some(HostPattern::Below(name)) => self.below.get(&reversed(name.as_str())).copied(),
        };
        equal.or_else(|| self.overlapping(host))
    }

    /// Who has a name that is meant by this host, and another host than this.
    pub(super) fn overlapping(&self, host: Option<&HostPattern>) -> Option<T> {
        let Some(host) = host else {
            return self.exact.values().chain(self.below.values()).next().copied();
        };
        let (HostPattern::Exact(name) | HostPattern::Below(name)) = host;
        let name = reversed(name.as_str());
        let above = || {
            let mut parents = name.match_indices('.').map(|(end, _)| name.get(..end).unwrap_or_default());
            parents.find_map(|parent| self.below.get(parent)).copied()
        };
        self.any.or_else(above).or_else(|| match host {
            HostPattern::Exact(_) => None,
            HostPattern::Below(_) => {
                first_below(&self.exact, &name).or_else(|| first_below(&self.below, &name))
            }
        })
    }
}

fn first_below<T: Copy>(names: &BTreeMap<String, T>, parent: &str) -> Option<T> {
    let start = format!("{parent}.");
    let mut after = names.range::<str, _>((Bound::Included(start.as_str()), Bound::Unbounded));
    after.next().filter(|(name, _)| name.starts_with(&start)).map(|(_, by)| *by)
}

fn reversed(name: &str) -> String {
    name.rsplit('.').collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use flotilla_gateway_config::intersection;
    use proptest::prelude::*;

    use super::*;

    fn host() -> impl Strategy<Value = Option<HostPattern>> {
        prop::sample::select(vec!["", "a", "*.a", "b.a", "*.b.a", "c.b.a", "*.c.b.a", "ab", "*.ab", "b"])
            .prop_map(|text| (!text.is_empty()).then(|| HostPattern::try_from(text.to_owned()).unwrap()))
    }

    proptest! {
        #[test]
        fn what_is_found_is_what_comparing_all_finds(all in prop::collection::vec(host(), 0..6), asked in host()) {
            let mut hosts = Hosts::default();
            for (place, host) in all.iter().enumerate() {
                hosts.take(host.as_ref(), place);
            }
            let meets = |other: &Option<HostPattern>| intersection(asked.as_ref(), other.as_ref()).is_ok();
            prop_assert_eq!(hosts.meeting(asked.as_ref()).is_some(), all.iter().any(meets));
            let overlaps = |other: &Option<HostPattern>| *other != asked && meets(other);
            prop_assert_eq!(hosts.overlapping(asked.as_ref()).is_some(), all.iter().any(overlaps));
            if let Some(found) = hosts.overlapping(asked.as_ref()) {
                prop_assert!(overlaps(&all[found]));
            }
        }
    }
}
