//! Who signs tokens: its keys, and what its tokens have to have.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use flotilla_gateway_config::{ClaimHeader, Jwks, JwtProvider};
use http::HeaderMap;

use super::{
    Refused,
    claims::Claims,
    jwk::KeySet,
    jws::Token,
    keys::Keys,
    source::{Found, Sources},
    verified,
};

/// By how much clocks may differ when nothing is said.
const SKEW: u32 = 60;

/// Who signs tokens.
#[derive(Debug)]
pub struct Provider {
    /// Its name.
    pub name: Arc<str>,
    /// What the configuration says, to tell whether it is still the same.
    pub written: JwtProvider,
    /// Its keys.
    pub keys: Arc<Keys>,
    pub(super) sources: Sources,
    skew: f64,
}

impl Provider {
    /// From a checked configuration. Keys that are fetched from the same place stay. When keys that stand in it are none all
    /// the same, no token is good; everything else in the configuration has nothing to do with that.
    pub(in crate::policy) fn new(name: &str, written: &JwtProvider, before: Option<&Self>) -> Self {
        let keys = match &written.jwks {
            Jwks::Inline(json) => Arc::new(match KeySet::read(json.as_bytes()) {
                Ok(set) => Keys::fixed(set),
                Err(error) => {
                    tracing::error!(provider = name, %error, "the keys of a provider cannot be used");
                    Keys::remote(None)
                }
            }),
            Jwks::Remote(remote) => match before.map(|before| &before.keys) {
                Some(same) if same.remote.as_ref() == Some(remote) => Arc::clone(same),
                _ => Arc::new(Keys::remote(Some(remote.clone()))),
            },
        };
        Self {
            name: name.into(),
            keys,
            sources: Sources::new(&written.from),
            skew: written.clock_skew_seconds.unwrap_or(SKEW).into(),
            written: written.clone(),
        }
    }

    /// The token that a request has for this provider.
    pub(super) fn find<'h>(&self, headers: &'h HeaderMap) -> Result<Option<Found<'h>>, Refused> {
        self.sources.find(headers)
    }

    /// What a token says that this provider has issued, when it is good now.
    pub(super) fn verify(self: &Arc<Self>, text: &str, token: Token<'_>) -> Result<Arc<Claims>, Refused> {
        let keys = self.keys.now().ok_or(Refused::NoKeys)?;
        let allowed = &self.written.algorithms;
        if !allowed.is_empty() && !allowed.contains(&token.algorithm) {
            return Err(Refused::Algorithm);
        }
        if let Err(refused) = keys.verify(&token) {
            if refused == Refused::Key {
                self.keys.want();
            }
            return Err(refused);
        }
        let claims = Arc::new(token.claims);
        self.check(&claims)?;
        verified::keep(self, &keys, text, &claims);
        Ok(claims)
    }

    /// What a token says that was good before, when it still is.
    pub(super) fn recall(self: &Arc<Self>, text: &str) -> Option<Result<Arc<Claims>, Refused>> {
        let claims = verified::recall(self, &self.keys.now()?, text)?;
        Some(self.check(&claims).map(|()| claims))
    }

    fn check(&self, claims: &Claims) -> Result<(), Refused> {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        claims.check_times(now.as_secs_f64(), self.skew)?;
        let audiences = &self.written.audiences;
        if !audiences.is_empty() && !claims.is_for(audiences) {
            return Err(Refused::Audience);
        }
        Ok(())
    }

    pub(super) fn claim_headers(&self) -> &[ClaimHeader] {
        &self.written.claim_headers
    }

    /// Whether a token is from this provider, by what it says itself.
    pub(super) fn has_issued(&self, token: &Token<'_>) -> bool {
        token.claims.issuer() == Some(&self.written.issuer)
    }
}
