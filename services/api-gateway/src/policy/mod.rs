//! What requests need before they go on: room in rate limits (`limit`) and a token that says who sends them (`token`).
//! Compiled once for each rule and listener. Deciding asks nobody: what a limit has counted and which keys a provider has is
//! in memory, for all workers, and `fetch` gets keys apart from them.

pub mod fetch;
mod limit;
mod refusal;
mod token;

pub use self::{
    limit::{Full, Limit},
    refusal::Refusal,
    token::{BadKeys, Good, KeySet, Keys, Provider, Refused, Requirement},
};

use std::{cell::OnceCell, net::IpAddr, sync::Arc, time::Instant};

use flotilla_gateway_config::{self as config, GatewayConfig, RateKey};
use http::{HeaderMap, HeaderName};

use crate::{map::Map, metrics::Metrics};

/// The limits and providers of a configuration, by name.
#[derive(Debug, Default)]
pub struct Policies {
    limits: Map<Arc<str>, Arc<Limit>>,
    providers: Map<Arc<str>, Arc<Provider>>,
}

/// What requests of a rule need, that of its listener included.
#[derive(Debug)]
pub struct Policy {
    /// The limits that need no token: they keep others from having many tokens looked at.
    before: Box<[Arc<Limit>]>,
    tokens: Option<Requirement>,
    /// The limits that count by a claim.
    after: Box<[Arc<Limit>]>,
    /// The most bytes of a body, when it is said.
    pub body_bytes: Option<u64>,
}

/// What a request brings that a policy decides by.
#[derive(Debug)]
pub struct Asking<'a, C> {
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Tells the client's address.
    pub client: C,
    /// When its head was there.
    pub time: Instant,
}

impl Policies {
    /// Those of a checked configuration. What stays as it was is held over, with what it has counted and fetched.
    pub fn compile(config: &GatewayConfig, before: Option<&Self>, metrics: &Metrics) -> Self {
        let limits = config.rate_limits.iter().map(|(name, written)| {
            let known = before.and_then(|before| before.limits.get(name.as_str()));
            let limit = match known.filter(|known| known.written == *written) {
                Some(same) => Arc::clone(same),
                None => Arc::new(Limit::new(name, written.clone(), metrics.limited(name))),
            };
            (Arc::clone(&limit.name), limit)
        });
        let providers = config.jwt_providers.iter().map(|(name, written)| {
            let known = before.and_then(|before| before.providers.get(name.as_str()));
            let provider = match known.filter(|known| known.written == *written) {
                Some(same) => Arc::clone(same),
                None => Arc::new(Provider::new(name, written, known.map(|known| &**known))),
            };
            (Arc::clone(&provider.name), provider)
        });
        Self { limits: limits.collect(), providers: providers.collect() }
    }

    /// The providers.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.values()
    }

    /// What requests of a rule need; `None` when nothing.
    pub fn of(&self, listener: &config::Policy, rule: &config::Policy) -> Option<Arc<Policy>> {
        if listener.is_empty() && rule.is_empty() {
            return None;
        }
        let mut limits: Vec<&Arc<Limit>> = Vec::new();
        for limit in listener
            .rate_limits
            .iter()
            .chain(&rule.rate_limits)
            .filter_map(|name| self.limits.get(name.as_str()))
        {
            if !limits.iter().any(|known| Arc::ptr_eq(known, limit)) {
                limits.push(limit);
            }
        }
        let (after, before): (Vec<_>, Vec<_>) =
            limits.into_iter().cloned().partition(|limit| matches!(limit.written.key, RateKey::Claim(_)));
        let providers = |jwt: &config::Jwt| -> Vec<Arc<Provider>> {
            jwt.providers.iter().filter_map(|name| self.providers.get(name.as_str()).cloned()).collect()
        };
        // A rule that asks for other tokens, or none, is no way past the headers that the listener's stand for.
        let replaced = listener.jwt.as_ref().filter(|_| rule.jwt.is_some()).map(providers);
        let tokens = rule
            .jwt
            .as_ref()
            .or(listener.jwt.as_ref())
            .map(|written| Requirement::new(written, providers(written), &replaced.unwrap_or_default()));
        let body_bytes = rule.max_body_bytes.or(listener.max_body_bytes);
        Some(Arc::new(Policy { before: before.into(), tokens, after: after.into(), body_bytes }))
    }
}

impl Policy {
    /// Whether a request may go on, and with whose token. Limits that need none are asked first; a request that one refuses
    /// still counts in those before it.
    pub fn admit<C>(&self, asking: &Asking<'_, C>) -> Result<Option<Good>, Refusal>
    where
        C: Fn() -> IpAddr,
    {
        let address = OnceCell::new();
        let client = || *address.get_or_init(&asking.client);
        for limit in &self.before {
            limit.take(asking.headers, client, None, asking.time).map_err(|full| refused(limit, full))?;
        }
        let good = match &self.tokens {
            None => None,
            Some(tokens) => tokens.admit(asking.headers)?,
        };
        for limit in &self.after {
            limit
                .take(asking.headers, client, good.as_ref(), asking.time)
                .map_err(|full| refused(limit, full))?;
        }
        Ok(good)
    }

    /// Has the request say what its token says, and nothing that a client has made up.
    pub fn tell(&self, good: Option<&Good>, headers: &mut HeaderMap) {
        if let Some(tokens) = &self.tokens {
            tokens.tell(good, headers);
        }
    }

    /// The limits, in the order in which they are asked.
    pub fn limits(&self) -> impl Iterator<Item = &Arc<Limit>> {
        self.before.iter().chain(&self.after)
    }

    /// The providers whose tokens are good.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.tokens.iter().flat_map(Requirement::providers)
    }

    /// Whether there has to be a token.
    pub fn needs_token(&self) -> bool {
        self.tokens.as_ref().is_some_and(Requirement::is_required)
    }
}

fn refused(limit: &Arc<Limit>, full: Full) -> Refusal {
    limit.limited.inc();
    Refusal::Limited { limit: Arc::clone(limit), full }
}

/// Takes headers of these names away, and those whose names have `_` for `-`: many servers take one for the other.
fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    if names.is_empty() {
        return;
    }
    let is_meant = |name: &str| {
        let same =
            |(one, other): (u8, u8)| one == other || matches!((one, other), (b'_', b'-') | (b'-', b'_'));
        names.iter().any(|meant| {
            meant.as_str().len() == name.len() && meant.as_str().bytes().zip(name.bytes()).all(same)
        })
    };
    let found: Vec<HeaderName> = headers.keys().filter(|name| is_meant(name.as_str())).cloned().collect();
    for name in found {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests;
