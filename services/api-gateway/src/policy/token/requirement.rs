//! Whose tokens are good for a rule, and what they have to say.

use std::{borrow::Cow, sync::Arc};

use flotilla_gateway_config::{Claim, Jwt, RequiredClaim};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Refused, claims::Claims, jws::Token, provider::Provider, source::Found};

/// What requests need.
#[derive(Debug)]
pub struct Requirement {
    providers: Box<[Arc<Provider>]>,
    is_required: bool,
    claims: Box<[RequiredClaim]>,
    /// Headers that only a token may fill.
    reserved: Box<[HeaderName]>,
}

/// A token that is good.
#[derive(Clone, Debug)]
pub struct Good {
    provider: Arc<Provider>,
    claims: Arc<Claims>,
    /// At which of the provider's places it stood.
    place: usize,
}

impl Good {
    /// A claim as one text.
    pub fn text(&self, claim: &Claim) -> Option<Cow<'_, str>> {
        self.claims.text(claim)
    }
}

impl Requirement {
    /// `replaced` are the providers that would count without this one: what stands for them is no client's to say either.
    pub fn new(written: &Jwt, providers: Vec<Arc<Provider>>, replaced: &[Arc<Provider>]) -> Self {
        let mut reserved: Vec<HeaderName> = Vec::new();
        for header in providers.iter().chain(replaced).flat_map(|provider| provider.claim_headers()) {
            if !reserved.contains(&header.header.0) {
                reserved.push(header.header.0.clone());
            }
        }
        Self {
            providers: providers.into(),
            is_required: written.required,
            claims: written.claims.as_slice().into(),
            reserved: reserved.into(),
        }
    }

    /// The token of a request; `None` when it has none and needs none.
    pub fn admit(&self, headers: &HeaderMap) -> Result<Option<Good>, Refused> {
        let good = |provider, found: Found<'_>, claims| Good {
            provider: Arc::clone(provider),
            claims,
            place: found.place,
        };
        for provider in &self.providers {
            if let Some(found) = provider.find(headers)?
                && let Some(known) = provider.recall(found.text)
            {
                return self.allowed(good(provider, found, known?)).map(Some);
            }
        }
        let mut refused = Refused::Missing;
        for provider in &self.providers {
            let Some(found) = provider.find(headers)? else { continue };
            let token = Token::read(found.text)?;
            if provider.has_issued(&token) {
                return self.allowed(good(provider, found, provider.verify(found.text, token)?)).map(Some);
            }
            // Another provider may know it.
            refused = Refused::Issuer;
        }
        if refused == Refused::Missing && !self.is_required { Ok(None) } else { Err(refused) }
    }

    fn allowed(&self, good: Good) -> Result<Good, Refused> {
        if self.claims.iter().all(|wanted| good.claims.has(wanted)) { Ok(good) } else { Err(Refused::Claims) }
    }

    /// Has a request say what its token says.
    pub fn tell(&self, good: Option<&Good>, headers: &mut HeaderMap) {
        crate::policy::remove(headers, &self.reserved);
        let Some(Good { provider, claims, place }) = good else { return };
        if provider.written.remove_token {
            provider.sources.remove(*place, headers);
        }
        for written in provider.claim_headers() {
            // What cannot stand in a header is left out.
            let value = claims.header(&written.claim);
            if let Some(value) = value.and_then(|value| HeaderValue::from_bytes(value.as_bytes()).ok()) {
                headers.insert(written.header.0.clone(), value);
            }
        }
    }

    /// The providers.
    pub fn providers(&self) -> impl Iterator<Item = &Arc<Provider>> {
        self.providers.iter()
    }

    /// Whether there has to be a token.
    pub fn is_required(&self) -> bool {
        self.is_required
    }
}
