//! Things of which only so many are kept: the one that was used longest ago goes first. Pure.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
    time::{Duration, Instant},
};

/// Things by key, in the order of their last use.
#[derive(Debug)]
pub(super) struct Recent<K, V> {
    most: usize,
    known: HashMap<K, Used<V>>,
    /// Keys by the number of their last use.
    order: BTreeMap<u64, K>,
    uses: u64,
}

#[derive(Debug)]
struct Used<V> {
    value: V,
    number: u64,
    at: Instant,
}

impl<K: Hash + Eq + Copy, V> Recent<K, V> {
    /// At most so many.
    pub(super) fn new(most: usize) -> Self {
        Self { most, known: HashMap::new(), order: BTreeMap::new(), uses: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether there is one with such a key.
    pub(super) fn any(&self, is_it: impl Fn(&K) -> bool) -> bool {
        self.known.keys().any(is_it)
    }

    /// What is under a key, which is used now.
    pub(super) fn take_up(&mut self, key: &K, now: Instant) -> Option<&V> {
        let used = self.known.get_mut(key)?;
        self.uses += 1;
        self.order.remove(&used.number);
        self.order.insert(self.uses, *key);
        (used.number, used.at) = (self.uses, now);
        Some(&used.value)
    }

    /// Puts something under a key, in place of what was there. Returns what has to go for it.
    pub(super) fn put(&mut self, key: K, value: V, now: Instant) -> Option<V> {
        self.remove(&key);
        let gone = if self.known.len() >= self.most { self.remove_first() } else { None };
        self.uses += 1;
        self.order.insert(self.uses, key);
        self.known.insert(key, Used { value, number: self.uses, at: now });
        gone
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let used = self.known.remove(key)?;
        self.order.remove(&used.number);
        Some(used.value)
    }

    /// Removes the one that has not been used for longest, when that is as long as `idle`.
    pub(super) fn remove_idle(&mut self, now: Instant, idle: Duration) -> Option<V> {
        let (_, key) = self.order.first_key_value()?;
        let used = self.known.get(key)?;
        if now.saturating_duration_since(used.at) < idle { None } else { self.remove_first() }
    }

    /// Removes those that are not wanted.
    pub(super) fn retain(&mut self, is_wanted: impl Fn(&K, &V) -> bool) -> Vec<V> {
        let unwanted: Vec<K> = self
            .known
            .iter()
            .filter(|(key, used)| !is_wanted(key, &used.value))
            .map(|(key, _)| *key)
            .collect();
        unwanted.iter().filter_map(|key| self.remove(key)).collect()
    }

    fn remove_first(&mut self) -> Option<V> {
        let (_, key) = self.order.pop_first()?;
        self.known.remove(&key).map(|used| used.value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Put(u8),
        TakeUp(u8),
        Remove(u8),
        RemoveIdle(u8),
        Retain(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u8..8).prop_map(Step::Put),
            (0u8..8).prop_map(Step::TakeUp),
            (0u8..8).prop_map(Step::Remove),
            (0u8..8).prop_map(Step::RemoveIdle),
            (0u8..8).prop_map(Step::Retain),
        ]
    }

    proptest! {
        /// A list, the least recently used first, does the same.
        #[test]
        fn it_is_a_list_in_the_order_of_use(most in 1usize..5, steps in prop::collection::vec(step(), 0..60)) {
            let mut recent = Recent::new(most);
            let mut list: Vec<(u8, usize, u64)> = Vec::new();
            let begin = Instant::now();
            for (number, step) in steps.into_iter().enumerate() {
                let second = number as u64;
                let now = begin + Duration::from_secs(second);
                let place = |list: &[(u8, usize, u64)], key| list.iter().position(|(known, ..)| *known == key);
                match step {
                    Step::Put(key) => {
                        if let Some(at) = place(&list, key) {
                            list.remove(at);
                        }
                        let gone = (list.len() == most).then(|| list.remove(0).1);
                        list.push((key, number, second));
                        prop_assert_eq!(recent.put(key, number, now), gone);
                    }
                    Step::TakeUp(key) => {
                        let found = place(&list, key).map(|at| list.remove(at));
                        list.extend(found.map(|(key, value, _)| (key, value, second)));
                        prop_assert_eq!(recent.take_up(&key, now).copied(), found.map(|(_, value, _)| value));
                    }
                    Step::Remove(key) => {
                        let found = place(&list, key).map(|at| list.remove(at).1);
                        prop_assert_eq!(recent.remove(&key), found);
                    }
                    Step::RemoveIdle(idle) => {
                        let is_idle = list.first().is_some_and(|(_, _, at)| second - at >= u64::from(idle));
                        let found = is_idle.then(|| list.remove(0).1);
                        prop_assert_eq!(recent.remove_idle(now, Duration::from_secs(idle.into())), found);
                    }
                    Step::Retain(least) => {
                        let mut gone: Vec<_> =
                            list.extract_if(.., |(key, ..)| *key < least).map(|(_, value, _)| value).collect();
                        let mut found = recent.retain(|key, _| *key >= least);
                        gone.sort_unstable();
                        found.sort_unstable();
                        prop_assert_eq!(found, gone);
                    }
                }
                prop_assert_eq!(recent.len(), list.len());
                prop_assert_eq!(recent.order.len(), list.len());
            }
        }
    }
}
