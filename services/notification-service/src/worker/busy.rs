//! Endpoints with deliveries under way.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// How many there are of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Busy(Arc<Mutex<HashMap<String, u32>>>);

/// One that is under way, until it is dropped.
#[derive(Debug)]
pub(super) struct Held {
    busy: Busy,
    endpoint: String,
}

impl Busy {
    /// One more for an endpoint.
    pub(super) fn hold(&self, endpoint: &str) -> Held {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(endpoint.to_owned()).or_default() += 1;
        Held { busy: self.clone(), endpoint: endpoint.to_owned() }
    }

    /// Endpoints with so many.
    pub(super) fn with(&self, count: u32) -> Vec<String> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().filter(|(_, held)| **held >= count).map(|(endpoint, _)| endpoint.clone()).collect()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut all = self.busy.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&self.endpoint) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.endpoint);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_busy_while_enough_is_held_and_forgotten_with_the_last() {
        let busy = Busy::default();
        let first = busy.hold("a");
        let second = busy.hold("a");
        let other = busy.hold("b");
        assert_eq!(busy.with(2), ["a"]);
        drop(second);
        assert!(busy.with(2).is_empty());
        drop((first, other));
        assert!(busy.with(1).is_empty() && busy.0.lock().unwrap().is_empty());
    }
}
