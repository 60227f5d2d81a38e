//! What has just been handled.

use std::collections::{HashSet, VecDeque};

use uuid::Uuid;

use crate::Event;

/// Events that are remembered.
const MOST: usize = 10_000;

/// Which event it is.
type Id = (String, Uuid);

/// The last events that were handled.
#[derive(Debug, Default)]
pub(super) struct Recent {
    known: HashSet<Id>,
    order: VecDeque<Id>,
}

impl Recent {
    pub(super) fn has(&self, event: &Event) -> bool {
        self.known.contains(&(event.source.clone(), event.id))
    }

    pub(super) fn add(&mut self, event: &Event) {
        let id = (event.source.clone(), event.id);
        if self.known.insert(id.clone()) {
            self.order.push_back(id);
        }
        if self.order.len() > MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::EventType;

    #[test]
    fn the_last_are_known_and_the_oldest_forgotten() {
        let kind = EventType::try_from("shop.order.paid.v1").unwrap();
        let event = |source: &str| Event::new(source, kind.clone(), "o-12", Value::Null);
        let (first, last) = (event("/a"), event("/a"));
        let mut recent = Recent::default();
        recent.add(&first);
        recent.add(&first);
        assert!(recent.has(&first));
        assert!(!recent.has(&Event { source: "/b".to_owned(), ..first.clone() }));
        for _ in 0..MOST - 1 {
            recent.add(&event("/a"));
        }
        assert!(recent.has(&first));
        recent.add(&last);
        assert!(!recent.has(&first) && recent.has(&last));
    }
}
