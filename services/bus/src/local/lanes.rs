//! Lanes: one for each key, in which the first is out, waits for its time, or is ready, and the others wait behind it. Knows no
//! time but what it is told.

use std::collections::{BTreeSet, HashMap, VecDeque};

use tokio::time::Instant;

/// What waits, by key.
#[derive(Debug)]
pub(super) struct Lanes<T> {
    items: HashMap<String, VecDeque<T>>,
    ready: VecDeque<String>,
    parked: BTreeSet<(Instant, String)>,
    waiting: usize,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Self { items: HashMap::new(), ready: VecDeque::new(), parked: BTreeSet::new(), waiting: 0 }
    }
}

impl<T> Lanes<T> {
    /// Something new, behind all others of its key.
    pub(super) fn arrive(&mut self, key: &str, item: T) {
        self.waiting += 1;
        if let Some(lane) = self.items.get_mut(key) {
            lane.push_back(item);
        } else {
            self.items.insert(key.to_owned(), VecDeque::from([item]));
            self.ready.push_back(key.to_owned());
        }
    }

    /// The next that may go out. Its lane is closed until it is finished or parked.
    pub(super) fn next(&mut self, now: Instant) -> Option<T> {
        while self.parked.first().is_some_and(|(until, _)| *until <= now) {
            if let Some((_, key)) = self.parked.pop_first() {
                self.ready.push_back(key);
            }
        }
        let key = self.ready.pop_front()?;
        let item = self.items.get_mut(&key)?.pop_front()?;
        self.waiting -= 1;
        Some(item)
    }

    /// What was out is done with: the next of its key may go.
    pub(super) fn finish(&mut self, key: &str) {
        if self.items.get(key).is_some_and(VecDeque::is_empty) {
            self.items.remove(key);
        } else if self.items.contains_key(key) {
            self.ready.push_back(key.to_owned());
        }
    }

    /// What was out waits until then, before all others of its key.
    pub(super) fn park(&mut self, key: &str, item: T, until: Instant) {
        if let Some(lane) = self.items.get_mut(key) {
            lane.push_front(item);
            self.waiting += 1;
            self.parked.insert((until, key.to_owned()));
        }
    }

    /// When the next that is parked is due.
    pub(super) fn due(&self) -> Option<Instant> {
        self.parked.first().map(|(until, _)| *until)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_of_a_key_is_out_at_a_time() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        for (key, item) in [("a", 1), ("a", 2), ("b", 3)] {
            lanes.arrive(key, item);
        }
        assert_eq!(lanes.waiting(), 3);
        assert_eq!((lanes.next(now), lanes.next(now), lanes.next(now)), (Some(1), Some(3), None));
        lanes.finish("a");
        lanes.finish("b");
        assert_eq!((lanes.next(now), lanes.next(now)), (Some(2), None));
        lanes.finish("a");
        lanes.arrive("a", 4);
        assert_eq!((lanes.next(now), lanes.waiting()), (Some(4), 0));
    }

    #[test]
    fn what_is_parked_holds_up_its_key_and_no_other() {
        let (mut lanes, now) = (Lanes::default(), Instant::now());
        let later = now + Duration::from_secs(1);
        lanes.arrive("a", 1);
        lanes.arrive("a", 2);
        assert_eq!(lanes.next(now), Some(1));
        lanes.park("a", 1, later);
        lanes.arrive("b", 3);
        assert_eq!((lanes.next(now), lanes.next(now)), (Some(3), None));
        assert_eq!(lanes.due(), Some(later));
        assert_eq!((lanes.next(later), lanes.next(later)), (Some(1), None));
        lanes.finish("a");
        assert_eq!(lanes.next(later), Some(2));
    }

    proptest! {
        #[test]
        fn whatever_happens_each_key_is_in_order_and_nothing_is_lost(
            steps in prop::collection::vec((0_u8..3, 0_usize..8), 0..200),
        ) {
            let mut lanes = Lanes::default();
            let mut now = Instant::now();
            let mut arrived: HashMap<String, Vec<usize>> = HashMap::new();
            let mut done: HashMap<String, Vec<usize>> = HashMap::new();
            let mut out: Vec<(String, usize)> = Vec::new();
            let mut number = 0;
            let mut settle = |lanes: &mut Lanes<(String, usize)>, out: &mut Vec<(String, usize)>, index: usize, parks: bool, now| {
                if out.is_empty() {
                    return;
                }
                let (key, item) = out.remove(index % out.len());
                if parks {
                    lanes.park(&key, (key.clone(), item), now + Duration::from_millis(5));
                } else {
                    done.entry(key.clone()).or_default().push(item);
                    lanes.finish(&key);
                }
            };
            for (step, index) in steps {
                now += Duration::from_millis(1);
                match step {
                    0 => {
                        let key = format!("key-{}", index % 3);
                        arrived.entry(key.clone()).or_default().push(number);
                        lanes.arrive(&key, (key.clone(), number));
                        number += 1;
                    }
                    1 => settle(&mut lanes, &mut out, index, index % 2 == 0, now),
                    _ => out.extend(lanes.next(now)),
                }
                let keys: std::collections::HashSet<_> = out.iter().map(|(key, _)| key).collect();
                prop_assert_eq!(keys.len(), out.len());
            }
            now += Duration::from_secs(1);
            loop {
                out.extend(lanes.next(now));
                if out.is_empty() {
                    break;
                }
                settle(&mut lanes, &mut out, 0, false, now);
            }
            prop_assert_eq!(lanes.waiting(), 0);
            prop_assert_eq!(done, arrived);
        }
    }
}
