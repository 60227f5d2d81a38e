//! What gateways ask of callers, in the form of the gateway that the class names.

use flotilla_crds::v1alpha1::{Capability, GatewayPolicies, Jwt, RateKey, RateLimit, RateUnit};
use serde_json::{Value, json};

use super::{Object, Unmet, metadata};
use crate::{
    cluster::kind::Kind,
    microservice::{dereference::Observed, validate::Validated},
};

/// Every address, for a limit that each has for itself.
const ANYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// The policies of these routes.
pub(super) fn render(service: &Validated, routes: &[Object]) -> Vec<Object> {
    let targets: Vec<_> = routes
        .iter()
        .filter(|route| matches!(route.kind, Kind::HttpRoute | Kind::GrpcRoute))
        .map(|route| json!({"group": route.kind.group(), "kind": route.kind.name(), "name": route.name}))
        .collect();
    if targets.is_empty() {
        return Vec::new();
    }
    let policy = |kind: Kind, field: &str, value: Value| Object {
        kind,
        name: service.name.clone(),
        manifest: json!({
            "apiVersion": kind.api_version(),
            "kind": kind.name(),
            "metadata": metadata(service),
            "spec": {"targetRefs": targets, field: value},
        }),
        first_replicas: None,
    };
    let auth = service.policies.auth.as_ref();
    let sign_in =
        auth.map(|auth| policy(Kind::SecurityPolicy, "jwt", json!({"providers": [provider(&auth.jwt)]})));
    let limits = &service.policies.rate_limit;
    let rules: Vec<_> = limits.iter().flat_map(rules).collect();
    let limited = (!rules.is_empty()).then(|| {
        let value = json!({"type": "Local", "local": {"rules": rules}});
        policy(Kind::BackendTrafficPolicy, "rateLimit", value)
    });
    sign_in.into_iter().chain(limited).collect()
}

fn provider(jwt: &Jwt) -> Value {
    let mut provider = json!({"name": "issuer", "issuer": jwt.issuer, "remoteJWKS": {"uri": jwt.keys()}});
    if !jwt.audiences.is_empty() {
        provider["audiences"] = json!(jwt.audiences);
    }
    provider
}

fn rules(limit: &RateLimit) -> Vec<Value> {
    let unit = match limit.per {
        RateUnit::Second => "Second",
        RateUnit::Minute => "Minute",
        RateUnit::Hour => "Hour",
    };
    let most = json!({"requests": limit.requests, "unit": unit});
    match limit.key.unwrap_or_default() {
        RateKey::All => vec![json!({"limit": most})],
        RateKey::ClientIp => ANYWHERE
            .iter()
            .map(|range| json!({"clientSelectors": [{"sourceCIDR": {"type": "Distinct", "value": range}}], "limit": most}))
            .collect(),
    }
}

/// What stands in the way of the policies.
pub(super) fn unmet(service: &Validated, observed: &Observed) -> Option<Unmet> {
    let policies = &service.policies;
    let asked = [
        (policies.auth.is_some(), Kind::SecurityPolicy, "spec.policies.auth"),
        (!policies.rate_limit.is_empty(), Kind::BackendTrafficPolicy, "spec.policies.rateLimit"),
    ];
    let mut asked = asked.into_iter().filter(|(is_asked, ..)| *is_asked).peekable();
    asked.peek()?;
    let mut unmet = match service.class.policies() {
        None => Unmet {
            is_fatal: !service.class.is_optional(Capability::Policies),
            reason: "MissingCapability",
            message: "spec.policies needs a gateway whose policies the operator can write: let the class say gateway.policies, or remove spec.policies".to_owned(),
        },
        Some(GatewayPolicies::EnvoyGateway) => {
            let (_, kind, field) = asked.find(|(_, kind, _)| observed.unserved.contains(kind))?;
            Unmet::missing_kind(service, kind, field, "install Envoy Gateway")
        }
    };
    if needs_sign_in(service) {
        unmet.message.push_str("; until then, routes that need a sign-in are not made");
    }
    Some(unmet)
}

/// Whether routes must not be there without their policies, whatever the class can do without: a limit can wait, a
/// sign-in cannot.
pub(super) fn needs_sign_in(service: &Validated) -> bool {
    service.policies.auth.is_some()
}
