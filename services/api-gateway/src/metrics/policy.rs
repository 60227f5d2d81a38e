//! What is measured of rate limits and providers of tokens.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LimitLabel {
    limit: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FetchLabels {
    provider: String,
    outcome: &'static str,
}

const OUTCOMES: [&str; 2] = ["fetched", "failed"];

#[derive(Debug, Default)]
pub(super) struct PolicyFamilies {
    limited: Family<LimitLabel, Counter>,
    fetches: Family<FetchLabels, Counter>,
    /// Names of limits and of providers that have series.
    known: Mutex<(HashSet<String>, HashSet<String>)>,
}

impl PolicyFamilies {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "rate_limited_requests",
            "Requests that a rate limit refused, by limit",
            self.limited.clone(),
        );
        registry.register(
            "jwks_fetches",
            "Fetches of the keys of providers of tokens, by outcome",
            self.fetches.clone(),
        );
    }

    pub(super) fn limited(&self, limit: &str) -> Counter {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).0.insert(limit.to_owned());
        self.limited.get_or_create_owned(&LimitLabel { limit: limit.to_owned() })
    }

    pub(super) fn fetched(&self, provider: &str, is_good: bool) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).1.insert(provider.to_owned());
        let outcome = OUTCOMES[usize::from(!is_good)];
        self.fetches.get_or_create(&FetchLabels { provider: provider.to_owned(), outcome }).inc();
    }

    /// Forgets what is in no configuration.
    pub(super) fn keep(&self, has_limit: impl Fn(&str) -> bool, has_provider: impl Fn(&str) -> bool) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.0.retain(|limit| {
            let is_kept = has_limit(limit);
            if !is_kept {
                self.limited.remove(&LimitLabel { limit: limit.clone() });
            }
            is_kept
        });
        known.1.retain(|provider| {
            let is_kept = has_provider(provider);
            if !is_kept {
                for outcome in OUTCOMES {
                    self.fetches.remove(&FetchLabels { provider: provider.clone(), outcome });
                }
            }
            is_kept
        });
    }
}
