//! What policies name, and what providers of tokens have.

use std::collections::BTreeSet;

use super::{Dangling, has_scheme, missing};
use crate::{GatewayConfig, Jwks, Jwt, JwtProvider, Policy, RateKey, RemoteJwks, TokenSource};

/// The most seconds by which clocks may differ.
const MOST_SKEW: u32 = 3_600;

/// Within what keys are fetched again.
const REFRESH: std::ops::RangeInclusive<u32> = 10..=86_400;

/// Headers that the gateway writes itself, or that say whose request it is.
const TAKEN: [&str; 8] = [
    "host",
    "forwarded",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-correlation-id",
    "traceparent",
];

impl GatewayConfig {
    pub(super) fn check_policies(&self, found: &mut Vec<Dangling>) {
        for (name, limit) in &self.rate_limits {
            limit.check(&mut |field, why| {
                found.push(Dangling { field: format!("rateLimits.{name}{field}"), why });
            });
        }
        for (name, provider) in &self.jwt_providers {
            check_provider(provider, &mut |field, why| {
                found.push(Dangling { field: format!("jwtProviders.{name}.{field}"), why });
            });
        }
        let has_tokens = |policy: &Policy| policy.jwt.as_ref().is_some_and(|jwt| !jwt.providers.is_empty());
        let listeners_have = self.listeners.iter().any(|listener| has_tokens(&listener.policy));
        for (index, listener) in self.listeners.iter().enumerate() {
            let place = format!("listeners[{index}].policy");
            if !listener.policy.is_empty() && !listener.protocol.has_requests() {
                let why = format!("{} has no requests: remove it", listener.protocol);
                found.push(Dangling { field: place.clone(), why });
            }
            self.check_policy(&listener.policy, &place, true, found);
        }
        for (index, route) in self.routes.iter().enumerate() {
            for (rule, written) in route.rules.iter().enumerate() {
                let place = format!("routes[{index}].rules[{rule}].policy");
                let has_tokens =
                    has_tokens(&written.policy) || listeners_have && written.policy.jwt.is_none();
                self.check_policy(&written.policy, &place, has_tokens, found);
            }
        }
    }

    fn check_policy(&self, policy: &Policy, place: &str, has_tokens: bool, found: &mut Vec<Dangling>) {
        let limits: BTreeSet<_> = self.rate_limits.keys().map(String::as_str).collect();
        let mut say = |field: String, why: String| {
            found.push(Dangling { field: format!("{place}.{field}"), why });
        };
        for (index, name) in policy.rate_limits.iter().enumerate() {
            match self.rate_limits.get(name) {
                None => say(format!("rateLimits[{index}]"), missing("rate limit", name, &limits)),
                Some(limit) if matches!(limit.key, RateKey::Claim(_)) && !has_tokens => {
                    let why = format!("{name:?} counts by a claim, and there is no token: write jwt");
                    say(format!("rateLimits[{index}]"), why);
                }
                Some(_) => {}
            }
        }
        if let Some(jwt) = &policy.jwt {
            self.check_jwt(jwt, &mut say);
        }
    }

    fn check_jwt(&self, jwt: &Jwt, say: &mut impl FnMut(String, String)) {
        let known: BTreeSet<_> = self.jwt_providers.keys().map(String::as_str).collect();
        let mut issuers = BTreeSet::new();
        for (index, name) in jwt.providers.iter().enumerate() {
            let field = format!("jwt.providers[{index}]");
            match self.jwt_providers.get(name) {
                None => say(field, missing("provider", name, &known)),
                Some(provider) if !issuers.insert(&provider.issuer) => {
                    let why = format!("another provider here has the issuer {:?} too", provider.issuer);
                    say(field, why);
                }
                Some(_) => {}
            }
        }
        if jwt.providers.is_empty() && jwt.required {
            let why = "without one no token is good: name one, or write required: false".to_owned();
            say("jwt.providers".to_owned(), why);
        }
        for (index, wanted) in jwt.claims.iter().enumerate() {
            if wanted.values.is_empty() {
                say(format!("jwt.claims[{index}].values"), "write at least one".to_owned());
            }
        }
    }
}

fn check_provider(provider: &JwtProvider, say: &mut impl FnMut(&str, String)) {
    if provider.issuer.is_empty() {
        say("issuer", "write what tokens have in iss".to_owned());
    }
    if provider.clock_skew_seconds.is_some_and(|seconds| seconds > MOST_SKEW) {
        say("clockSkewSeconds", format!("it is at most {MOST_SKEW}"));
    }
    match &provider.jwks {
        Jwks::Remote(remote) => check_remote(remote, say),
        Jwks::Inline(json) => {
            if let Err(why) = check_keys(json) {
                say("jwks.inline", why);
            }
        }
    }
    for (index, source) in provider.from.iter().enumerate() {
        if let TokenSource::Header(header) = source {
            if header.name.frames_messages() || header.name.0.as_str() == "host" {
                say(&format!("from[{index}].header.name"), "no token stands there".to_owned());
            }
            if header.prefix.as_ref().is_some_and(|prefix| !is_word(prefix)) {
                let why = "it is one word such as Bearer, without the space".to_owned();
                say(&format!("from[{index}].header.prefix"), why);
            }
        }
    }
    let mut headers = BTreeSet::new();
    for (index, written) in provider.claim_headers.iter().enumerate() {
        let name = written.header.0.as_str();
        let field = format!("claimHeaders[{index}].header");
        if written.header.frames_messages() || TAKEN.contains(&name) {
            say(&field, format!("{name:?} is the gateway's own: write another"));
        } else if !headers.insert(name) {
            say(&field, format!("{name:?} is there twice"));
        }
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn check_remote(remote: &RemoteJwks, say: &mut impl FnMut(&str, String)) {
    let uri = remote.uri.parse::<http::Uri>().ok();
    let scheme = uri.as_ref().filter(|uri| uri.host().is_some()).and_then(http::Uri::scheme_str);
    let has_user = uri.as_ref().and_then(http::Uri::authority).is_some_and(|who| who.as_str().contains('@'));
    if !has_scheme(&remote.uri) || !matches!(scheme, Some("http" | "https")) || has_user {
        let why =
            format!("{:?} is no URL: write one such as https://login.example.com/jwks.json", remote.uri);
        say("jwks.remote.uri", why);
    } else if scheme == Some("http") && remote.ca.is_some() {
        say("jwks.remote.ca", "http has none: remove it, or write https".to_owned());
    }
    if remote.refresh_seconds.is_some_and(|seconds| !REFRESH.contains(&seconds)) {
        let (least, most) = (REFRESH.start(), REFRESH.end());
        say("jwks.remote.refreshSeconds", format!("it is from {least} to {most}"));
    }
}

/// Whether it is a set of public keys. Which of them can be used, the gateway says.
fn check_keys(json: &str) -> Result<(), String> {
    let set: serde_json::Value =
        serde_json::from_str(json).map_err(|error| format!("it is no JSON: {error}"))?;
    let Some(keys) = set.get("keys").and_then(serde_json::Value::as_array).filter(|keys| !keys.is_empty())
    else {
        return Err("it has no keys: write a set as RFC 7517 section 5 has it".to_owned());
    };
    for (index, key) in keys.iter().enumerate() {
        // The private parts of all kinds that have some (RFC 7518 section 6).
        if key.get("d").is_some() || key.get("k").is_some() {
            return Err(format!("keys[{index}] is a secret: write the public key alone"));
        }
        if !key.get("kty").is_some_and(serde_json::Value::is_string) {
            return Err(format!("keys[{index}] has no kty"));
        }
    }
    if keys.iter().any(is_usable) {
        Ok(())
    } else {
        Err("none of its keys is for EdDSA, ES256, ES384, RS256 to RS512 or PS256 to PS512".to_owned())
    }
}

/// Whether a key has what those of its kind have, in base64url and as long as it has to be (RFC 7518 section 6, RFC 8037).
fn is_usable(key: &serde_json::Value) -> bool {
    let text = |name: &str| key.get(name).and_then(serde_json::Value::as_str);
    let has = |name: &str, fits: &dyn Fn(usize) -> bool| {
        let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        text(name).is_some_and(|value| value.bytes().all(is_letter) && fits(value.len()))
    };
    let is_for_signatures = text("use").is_none_or(|used_for| used_for == "sig");
    is_for_signatures
        && match (text("kty"), text("crv")) {
            // 32 bytes are 43 letters, and 48 are 64.
            (Some("OKP"), Some("Ed25519")) => has("x", &|length| length == 43),
            (Some("EC"), Some("P-256")) => {
                has("x", &|length| length == 43) && has("y", &|length| length == 43)
            }
            (Some("EC"), Some("P-384")) => {
                has("x", &|length| length == 64) && has("y", &|length| length == 64)
            }
            // 2,048 bits are 342.
            (Some("RSA"), _) => has("n", &|length| length >= 342) && has("e", &|length| length >= 2),
            _ => false,
        }
}
