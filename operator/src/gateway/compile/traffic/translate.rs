//! What one policy means for a gateway, field by field, or why it cannot be had.

use std::{collections::BTreeMap, sync::Arc};

use flotilla_crds::v1alpha1::{self as api, LimitKeyType, TrafficPolicy};
use flotilla_gateway_config::{
    Backend, BackendRef, Claim, ClaimHeader, CookieName, Cors, Endpoint, GatewayConfig, HeaderName, Jwks,
    Jwt, JwtProvider, Limits, Policy, RateKey, RateLimit, RateUnit, RemoteJwks, RequiredClaim, Route, Rule,
    TokenHeader, TokenSource,
};
use kube::ResourceExt;

use crate::gateway::objects::{Key, Objects};

/// The key of a ConfigMap that has keys of tokens, when none is written.
const KEY_SET: &str = "jwks.json";

/// What a field is, or why it cannot be had.
pub(super) type Field<T> = Option<Result<T, String>>;

/// A policy as gateways have it.
#[derive(Debug, PartialEq)]
pub(super) struct Translated {
    pub(super) key: Key,
    pub(super) targets: Vec<api::PolicyTarget>,
    pub(super) rate_limits: Field<Vec<RateLimit>>,
    pub(super) jwt: Field<Tokens>,
    pub(super) cors: Field<Cors>,
    pub(super) circuit_breaker: Field<Limits>,
    pub(super) max_body_bytes: Field<u64>,
}

/// Whose tokens are good.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tokens {
    /// By name.
    pub(super) providers: BTreeMap<String, JwtProvider>,
    pub(super) jwt: Jwt,
}

/// All policies, the older first. Those that have not changed are the same as `known`.
pub(super) fn all(objects: &Objects, known: Vec<Arc<Translated>>) -> Vec<Arc<Translated>> {
    let mut known: BTreeMap<Key, Arc<Translated>> =
        known.into_iter().map(|policy| (policy.key.clone(), policy)).collect();
    let mut ordered: Vec<_> = objects.traffic_policies.iter().map(|(_, policy)| policy).collect();
    ordered.sort_by_key(|policy| (policy.creation_timestamp(), policy.namespace(), policy.name_any()));
    let same = |policy: &Arc<TrafficPolicy>| {
        let translated = Translated::new(objects, policy);
        known
            .remove(&translated.key)
            .filter(|known| **known == translated)
            .unwrap_or_else(|| Arc::new(translated))
    };
    ordered.into_iter().map(same).collect()
}

impl Translated {
    fn new(objects: &Objects, policy: &TrafficPolicy) -> Self {
        let namespace = policy.namespace().unwrap_or_default();
        let api::TrafficPolicySpec { target_refs, rate_limits, jwt, cors, circuit_breaker, max_body_bytes } =
            &policy.spec;
        let limits: Result<Vec<_>, _> = rate_limits.iter().map(rate_limit).collect();
        Self {
            key: (namespace.clone(), policy.name_any()),
            targets: target_refs.clone(),
            rate_limits: (!rate_limits.is_empty()).then_some(limits.and_then(check_limits)),
            jwt: jwt.as_ref().map(|jwt| tokens(objects, &namespace, jwt).and_then(check_tokens)),
            cors: cors.as_ref().map(self::cors),
            circuit_breaker: circuit_breaker
                .as_ref()
                .map(|written| limits_of(written).and_then(check_breaker)),
            max_body_bytes: max_body_bytes
                .map(|bytes| u64::try_from(bytes).map_err(|error| format!("maxBodyBytes: {error}"))),
        }
    }

    /// What cannot be had.
    pub(super) fn errors(&self) -> Vec<&str> {
        fn error<T>(field: Option<&Result<T, String>>) -> Option<&str> {
            field?.as_ref().err().map(String::as_str)
        }
        let errors = [
            error(self.rate_limits.as_ref()),
            error(self.jwt.as_ref()),
            error(self.cors.as_ref()),
            error(self.circuit_breaker.as_ref()),
            error(self.max_body_bytes.as_ref()),
        ];
        errors.into_iter().flatten().collect()
    }
}

fn positive(field: &str, number: i32) -> Result<u32, String> {
    u32::try_from(number).map_err(|error| format!("{field}: {error}"))
}

fn rate_limit(written: &api::TrafficLimit) -> Result<RateLimit, String> {
    let bad = |error: &dyn std::fmt::Display| format!("rateLimits.key.name: {error}");
    let key = match &written.key {
        None => RateKey::Everybody,
        Some(key) => {
            let name = key.name.clone().unwrap_or_default();
            match key.type_ {
                LimitKeyType::ClientIp => RateKey::ClientAddress,
                LimitKeyType::Header => {
                    RateKey::Header(HeaderName::try_from(name).map_err(|error| bad(&error))?)
                }
                LimitKeyType::Claim => RateKey::Claim(Claim::try_from(name).map_err(|error| bad(&error))?),
            }
        }
    };
    Ok(RateLimit {
        requests: positive("rateLimits.requests", written.requests)?,
        per: match written.per {
            api::RateUnit::Second => RateUnit::Second,
            api::RateUnit::Minute => RateUnit::Minute,
            api::RateUnit::Hour => RateUnit::Hour,
        },
        burst: written.burst.map(|burst| positive("rateLimits.burst", burst)).transpose()?,
        key,
    })
}

fn tokens(objects: &Objects, namespace: &str, written: &api::TokenPolicy) -> Result<Tokens, String> {
    let mut providers = BTreeMap::new();
    for provider in &written.providers {
        let why = |error: String| format!("jwt.providers.{}.{error}", provider.name);
        providers.insert(provider.name.clone(), self::provider(objects, namespace, provider).map_err(why)?);
    }
    let claim = |wanted: &api::RequiredClaim| {
        let claim = Claim::try_from(wanted.claim.clone()).map_err(|error| format!("jwt.claims: {error}"))?;
        Ok(RequiredClaim { claim, values: wanted.values.clone() })
    };
    let jwt = Jwt {
        providers: written.providers.iter().map(|provider| provider.name.clone()).collect(),
        required: written.required.unwrap_or(true),
        claims: written.claims.iter().map(claim).collect::<Result<_, String>>()?,
    };
    Ok(Tokens { providers, jwt })
}

fn provider(objects: &Objects, namespace: &str, written: &api::TokenProvider) -> Result<JwtProvider, String> {
    let header = |name: &str, field: &str| {
        HeaderName::try_from(name.to_owned()).map_err(|error| format!("{field}: {error}"))
    };
    let source = |source: &api::TokenSource| match (&source.header, &source.cookie) {
        (Some(written), None) => {
            let name = header(&written.name, "from.header.name")?;
            Ok(TokenSource::Header(TokenHeader { name, prefix: written.prefix.clone() }))
        }
        (None, Some(cookie)) => CookieName::try_from(cookie.clone())
            .map(TokenSource::Cookie)
            .map_err(|error| format!("from.cookie: {error}")),
        _ => Err("from: write exactly one of header and cookie".to_owned()),
    };
    let claim_header = |written: &api::ClaimHeader| {
        let claim = Claim::try_from(written.claim.clone())
            .map_err(|error| format!("claimsToHeaders.claim: {error}"))?;
        Ok(ClaimHeader { claim, header: header(&written.header, "claimsToHeaders.header")? })
    };
    Ok(JwtProvider {
        issuer: written.issuer.clone(),
        audiences: written.audiences.clone(),
        jwks: key_set(objects, namespace, &written.jwks).map_err(|error| format!("jwks.{error}"))?,
        algorithms: Vec::new(),
        from: written.from.iter().map(source).collect::<Result<_, String>>()?,
        remove_token: written.remove_token.unwrap_or(false),
        claim_headers: written.claims_to_headers.iter().map(claim_header).collect::<Result<_, String>>()?,
        clock_skew_seconds: None,
    })
}

fn key_set(objects: &Objects, namespace: &str, written: &api::KeySet) -> Result<Jwks, String> {
    match (&written.uri, &written.config_map_ref, &written.inline) {
        (Some(uri), None, None) => {
            Ok(Jwks::Remote(RemoteJwks { uri: uri.clone(), ca: None, refresh_seconds: None }))
        }
        (None, Some(reference), None) => {
            let api::KeySetReference { name, key } = reference;
            let key = key.as_deref().unwrap_or(KEY_SET);
            let found = objects.config_maps.get(namespace, name);
            let found =
                found.ok_or_else(|| format!("configMapRef: there is no ConfigMap {namespace}/{name}"))?;
            let text = found.data.as_ref().and_then(|data| data.get(key));
            text.cloned()
                .map(Jwks::Inline)
                .ok_or_else(|| format!("configMapRef: ConfigMap {namespace}/{name} has no key {key:?}"))
        }
        (None, None, Some(text)) => Ok(Jwks::Inline(text.clone())),
        _ => Err("write exactly one of uri, configMapRef and inline".to_owned()),
    }
}

fn cors(written: &api::Cors) -> Result<Cors, String> {
    Ok(Cors {
        allow_origins: written.allow_origins.clone(),
        allow_credentials: written.allow_credentials.unwrap_or(false),
        allow_methods: written.allow_methods.clone(),
        allow_headers: written.allow_headers.clone(),
        expose_headers: written.expose_headers.clone(),
        max_age: written.max_age.map(|seconds| positive("cors.maxAge", seconds)).transpose()?,
    })
}

fn limits_of(written: &api::CircuitBreaker) -> Result<Limits, String> {
    let count = |field, count: Option<i32>| count.map(|count| positive(field, count)).transpose();
    Ok(Limits {
        requests: count("circuitBreaker.maxRequests", written.max_requests)?,
        connections: count("circuitBreaker.maxConnections", written.max_connections)?,
        pending_requests: count("circuitBreaker.maxPending", written.max_pending)?,
    })
}

/// Whether a gateway takes such limits. One that counts by a claim has tokens to count by, which `policed` sees to.
fn check_limits(limits: Vec<RateLimit>) -> Result<Vec<RateLimit>, String> {
    let named = limits.iter().enumerate().map(|(at, limit)| (at.to_string(), limit.clone())).collect();
    check(&GatewayConfig { rate_limits: named, ..GatewayConfig::default() })?;
    Ok(limits)
}

fn check_tokens(tokens: Tokens) -> Result<Tokens, String> {
    let policy = Policy { jwt: Some(tokens.jwt.clone()), ..Policy::default() };
    let rule = Rule { policy, ..Rule::default() };
    let route = Route { name: "jwt".to_owned(), hostnames: Vec::new(), rules: vec![rule] };
    let jwt_providers = tokens.providers.clone();
    check(&GatewayConfig { routes: vec![route.into()], jwt_providers, ..GatewayConfig::default() })?;
    Ok(tokens)
}

fn check_breaker(limits: Limits) -> Result<Limits, String> {
    let endpoint = Endpoint { host: "127.0.0.1".to_owned(), port: 1 };
    let backend = Backend { endpoints: vec![endpoint], limits: Some(limits.clone()), ..Backend::default() };
    let share = BackendRef { backend: Some("any".to_owned()), weight: 1, filters: Vec::new() };
    let rule = Rule { backends: vec![share], ..Rule::default() };
    let route = Route { name: "any".to_owned(), hostnames: Vec::new(), rules: vec![rule] };
    let backends = [("any".to_owned(), backend)].into();
    check(&GatewayConfig { routes: vec![route.into()], backends, ..GatewayConfig::default() })?;
    Ok(limits)
}

/// Whether a gateway takes this, by its own check.
fn check(config: &GatewayConfig) -> Result<(), String> {
    let found: Vec<_> = config
        .check()
        .iter()
        .map(|dangling| {
            let field = dangling.field.replacen("jwtProviders.", "jwt.providers.", 1);
            let field = field.replacen("routes[0].rules[0].policy.", "", 1);
            let field = field.replacen("backends.any.limits.", "circuitBreaker.", 1);
            format!("{field}: {}", dangling.why)
        })
        .collect();
    if found.is_empty() { Ok(()) } else { Err(found.join("; ")) }
}
