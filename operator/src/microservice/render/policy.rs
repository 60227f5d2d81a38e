//! What gateways ask of callers, in the form of the gateway that the class names.

mod flotilla;

use flotilla_crds::v1alpha1::{Capability, GatewayPolicies, Jwt, RateKey, RateLimit, RateUnit};
use serde_json::{Value, json};

use super::{Error, Object, Unmet, metadata};
use crate::{
    cluster::kind::Kind,
    microservice::{dereference::Observed, validate::Validated},
};

/// Every address, for a limit that each has for itself.
const ANYWHERE: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// In whose form the policies of a service are.
fn form(service: &Validated, observed: &Observed) -> Option<GatewayPolicies> {
    service.class.policies().or_else(|| observed.has_gateways.then_some(GatewayPolicies::Flotilla))
}

/// Adds the policies of these routes.
pub(super) fn add(service: &Validated, observed: &Observed, objects: &mut Vec<Object>) -> Result<(), Error> {
    let targets: Vec<_> = objects
        .iter()
        .filter(|route| is_route(route))
        .map(|route| json!({"group": route.kind.group(), "kind": route.kind.name(), "name": route.name}))
        .collect();
    if targets.is_empty() {
        return Ok(());
    }
    let policies = match form(service, observed) {
        Some(GatewayPolicies::Flotilla) => {
            if needs_sign_in(service) {
                objects
                    .iter_mut()
                    .filter(|route| is_route(route))
                    .for_each(|route| close(route, &service.name));
            }
            flotilla::render(service, &targets).map_err(Error::Shape)?.into_iter().collect()
        }
        Some(GatewayPolicies::EnvoyGateway) => envoy_gateway(service, &targets),
        None => Vec::new(),
    };
    objects.extend(policies);
    Ok(())
}

fn is_route(object: &Object) -> bool {
    matches!(object.kind, Kind::HttpRoute | Kind::GrpcRoute)
}

/// Has a route name its policy in a filter: no gateway may pass by a filter that it does not know, so whoever does not know the
/// policy, or has not seen it yet, lets nobody through.
fn close(route: &mut Object, policy: &str) {
    let reference = json!({"group": flotilla_crds::GROUP, "kind": "TrafficPolicy", "name": policy});
    let rules = route.manifest["spec"]["rules"].as_array_mut();
    for rule in rules.into_iter().flatten() {
        let filter = json!({"type": "ExtensionRef", "extensionRef": reference});
        match rule["filters"].as_array_mut() {
            Some(filters) => filters.push(filter),
            None => rule["filters"] = json!([filter]),
        }
    }
}

fn envoy_gateway(service: &Validated, targets: &[Value]) -> Vec<Object> {
    let policy = |kind: Kind, field: &str, value: Value| {
        object(service, kind, json!({"targetRefs": targets, field: value}))
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

fn object(service: &Validated, kind: Kind, spec: Value) -> Object {
    Object {
        kind,
        name: service.name.clone(),
        manifest: json!({
            "apiVersion": kind.api_version(),
            "kind": kind.name(),
            "metadata": metadata(service),
            "spec": spec,
        }),
        first_replicas: None,
    }
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
    let mut unmet = match form(service, observed) {
        None => Unmet {
            is_fatal: !service.class.is_optional(Capability::Policies),
            reason: "MissingCapability",
            message: "spec.policies needs a gateway whose policies the operator can write: let the class say gateway.policies, or remove spec.policies".to_owned(),
        },
        Some(GatewayPolicies::Flotilla) => {
            let (.., field) = asked.next()?;
            if !observed.unserved.contains(&Kind::TrafficPolicy) {
                return None;
            }
            Unmet::missing_kind(service, Kind::TrafficPolicy, field, "install the definitions of this version of Flotilla")
        }
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
