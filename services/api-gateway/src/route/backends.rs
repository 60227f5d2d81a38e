//! To which backend a request goes, in proportion to weights.

use std::sync::Arc;

use flotilla_gateway_config::BackendRef;

use crate::filter::Filters;

/// The backends of a rule.
#[derive(Clone, Debug, Default)]
pub struct Backends {
    shares: Vec<Share>,
    /// The sum of all weights.
    total: u64,
}

/// A backend, and what happens to requests to it alone.
#[derive(Clone, Debug)]
pub struct Share {
    /// Its name in the configuration; `None` when it may not be used, and requests are answered with 500.
    pub backend: Option<Arc<str>>,
    /// What happens to requests to it.
    pub filters: Filters,
    /// The sum of the weights up to this one.
    end: u64,
}

impl Backends {
    pub(crate) fn compile(written: &[BackendRef]) -> Self {
        let mut total = 0;
        let shares = written.iter().filter(|backend| backend.weight > 0).map(|backend| {
            total += u64::from(backend.weight);
            Share {
                backend: backend.backend.as_deref().map(Into::into),
                filters: Filters::compile(&backend.filters),
                end: total,
            }
        });
        Self { shares: shares.collect(), total }
    }

    /// The share that a random number falls into. `None` when there is none, which is answered with 500.
    pub fn pick(&self, random: u32) -> Option<&Share> {
        // Scaled, not divided: a remainder would favour the first ones.
        let point = (u64::from(random) * self.total) >> 32;
        let index = self.shares.partition_point(|share| share.end <= point);
        self.shares.get(index)
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Share> {
        self.shares.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(weights: &[(&str, u32)]) -> Backends {
        let backend = |(name, weight): &(&str, u32)| BackendRef {
            backend: Some((*name).to_owned()).filter(|name| !name.is_empty()),
            weight: *weight,
            filters: Vec::new(),
        };
        Backends::compile(&weights.iter().map(backend).collect::<Vec<_>>())
    }

    fn name(backends: &Backends, random: u32) -> &str {
        backends.pick(random).and_then(|share| share.backend.as_deref()).unwrap_or("none")
    }

    #[test]
    fn shares_are_in_proportion_and_none_is_left_out() {
        let backends = of(&[("a", 1), ("never", 0), ("b", 3)]);
        let step = u32::MAX / 400;
        let hits = (0..400).filter(|index| name(&backends, index * step) == "a").count();
        assert!((99..=101).contains(&hits), "{hits}");
        assert_eq!((name(&backends, 0), name(&backends, u32::MAX)), ("a", "b"));
    }

    #[test]
    fn without_a_usable_backend_there_is_none() {
        assert!(of(&[]).pick(1).is_none());
        assert!(of(&[("a", 0)]).pick(1).is_none());
        assert_eq!(name(&of(&[("", 1)]), 1), "none");
    }
}
