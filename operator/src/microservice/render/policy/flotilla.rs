//! Policies of a service as a `TrafficPolicy`, for gateways of ours.

use flotilla_crds::v1alpha1::{
    Jwt, KeySet, LimitKey, LimitKeyType, RateKey, RateLimit, TokenPolicy, TokenProvider, TrafficLimit,
    TrafficPolicySpec,
};
use serde_json::Value;

use super::{super::Object, object};
use crate::{cluster::kind::Kind, microservice::validate::Validated};

/// The policy of these targets; `None` when nothing is asked for.
pub(super) fn render(service: &Validated, targets: &[Value]) -> serde_json::Result<Option<Object>> {
    let policies = &service.policies;
    if policies.auth.is_none() && policies.rate_limit.is_empty() {
        return Ok(None);
    }
    let spec = TrafficPolicySpec {
        target_refs: targets
            .iter()
            .map(|target| serde_json::from_value(target.clone()))
            .collect::<serde_json::Result<_>>()?,
        rate_limits: policies.rate_limit.iter().map(limit).collect(),
        jwt: policies.auth.as_ref().map(|auth| tokens(&auth.jwt)),
        ..TrafficPolicySpec::default()
    };
    Ok(Some(object(service, Kind::TrafficPolicy, serde_json::to_value(spec)?)))
}

fn limit(written: &RateLimit) -> TrafficLimit {
    let key = match written.key.unwrap_or_default() {
        RateKey::ClientIp => Some(LimitKey { type_: LimitKeyType::ClientIp, name: None }),
        RateKey::All => None,
    };
    TrafficLimit { requests: written.requests, per: written.per, burst: None, key }
}

fn tokens(jwt: &Jwt) -> TokenPolicy {
    let provider = TokenProvider {
        name: "issuer".to_owned(),
        issuer: jwt.issuer.clone(),
        audiences: jwt.audiences.clone(),
        jwks: KeySet { uri: Some(jwt.keys()), ..KeySet::default() },
        ..TokenProvider::default()
    };
    TokenPolicy { providers: vec![provider], ..TokenPolicy::default() }
}
