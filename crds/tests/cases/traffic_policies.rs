//! Policies that are valid and such that are not: the command-line tool says of them what an API server says. Tests of both
//! take this file in.

/// YAML of the `spec` of a `TrafficPolicy`, where REF stands for a target, and a part of the error, or none for a valid one.
pub(crate) const POLICIES: &[(&str, Option<&str>)] = &[
    ("{REF, maxBodyBytes: 1}", None),
    ("{REF}", Some("write at least one of rateLimits, jwt, cors, circuitBreaker and maxBodyBytes")),
    ("{targetRefs: [], maxBodyBytes: 1}", Some("spec.targetRefs")),
    (
        "{targetRefs: [{group: gateway.networking.k8s.io, kind: Service, name: a}], maxBodyBytes: 1}",
        Some("spec.targetRefs[0].kind"),
    ),
    (
        "{targetRefs: [{group: example.com, kind: Gateway, name: a}], maxBodyBytes: 1}",
        Some("spec.targetRefs[0].group"),
    ),
    ("{REF, rateLimits: [{requests: 1, per: minute, burst: 9, key: {type: ClientIP}}]}", None),
    ("{REF, rateLimits: [{requests: 0, per: minute}]}", Some("spec.rateLimits[0].requests")),
    ("{REF, rateLimits: [{requests: 1, per: day}]}", Some("spec.rateLimits[0].per")),
    (
        "{REF, rateLimits: [{requests: 1, per: hour, key: {type: Header}}]}",
        Some("write it with type Header or Claim, and only there"),
    ),
    (
        "{REF, rateLimits: [{requests: 1, per: hour, key: {type: ClientIP, name: a}}]}",
        Some("write it with type Header or Claim, and only there"),
    ),
    (
        "{REF, rateLimits: [{requests: 1, per: hour, key: {type: Claim, name: sub}}]}",
        Some("a limit with a key of type Claim needs jwt.providers"),
    ),
    (
        "{REF, rateLimits: [{requests: 1, per: hour, key: {type: Claim, name: sub}}], jwt: {providers: [{name: a, issuer: a, jwks: {uri: 'https://a'}}]}}",
        None,
    ),
    ("{REF, jwt: {required: false}}", None),
    ("{REF, jwt: {}}", Some("without a provider no token is good")),
    ("{REF, jwt: {providers: []}}", Some("without a provider no token is good")),
    (
        "{REF, jwt: {providers: [{name: a, issuer: a, jwks: {uri: 'https://a'}}, {name: b, issuer: a, jwks: {uri: 'https://b'}}]}}",
        Some("each provider needs another issuer"),
    ),
    (
        "{REF, jwt: {providers: [{name: a, issuer: a, jwks: {}}]}}",
        Some("write exactly one of uri, configMapRef and inline"),
    ),
    (
        "{REF, jwt: {providers: [{name: a, issuer: a, jwks: {inline: '{}', configMapRef: {name: a}}}]}}",
        Some("write exactly one of uri, configMapRef and inline"),
    ),
    (
        "{REF, jwt: {providers: [{name: a, issuer: a, jwks: {uri: a}}]}}",
        Some("spec.jwt.providers[0].jwks.uri"),
    ),
    (
        "{REF, jwt: {providers: [{name: a, issuer: a, jwks: {inline: '{}'}, from: [{}]}]}}",
        Some("write exactly one of header and cookie"),
    ),
    ("{REF, circuitBreaker: {maxRequests: 1}}", None),
    ("{REF, circuitBreaker: {}}", Some("write maxRequests, maxConnections or both")),
    ("{REF, circuitBreaker: {maxRequests: 1, maxPending: 1}}", Some("requests wait only for connections")),
    ("{REF, cors: {allowOrigins: ['https://a.test'], maxAge: 0}}", Some("spec.cors.maxAge")),
    ("{REF, maxBodyBytes: -1}", Some("spec.maxBodyBytes")),
];

/// What REF stands for.
const TARGET: &str = "targetRefs: [{group: gateway.networking.k8s.io, kind: HTTPRoute, name: orders}]";

/// The policy of a case.
pub(crate) fn policy(yaml: &str) -> serde_json::Value {
    let spec: serde_json::Value = serde_saphyr::from_str(&yaml.replace("REF", TARGET)).unwrap();
    serde_json::json!({"apiVersion": "flotilla.dev/v1alpha1", "kind": "TrafficPolicy", "metadata": {"name": "orders"}, "spec": spec})
}
