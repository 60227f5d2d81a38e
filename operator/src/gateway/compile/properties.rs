//! What holds whatever the objects are: nothing panics, a gateway takes every configuration, and what is remembered is the
//! same as what is compiled anew.

use proptest::prelude::*;

use super::{
    Compiler, Outcome,
    tests::{objects, read},
};
use crate::gateway::objects::Objects;

fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
    prop::sample::select(words)
}

const HOSTS: &[&str] = &["a.test", "*.test", "b.a.test", "*.a.test", "A b", ""];

fn listener() -> impl Strategy<Value = String> {
    let protocols = one_of(&["HTTP", "HTTPS", "TLS", "TCP", "UDP", "SCTP"]);
    let tls = one_of(&["", ", tls: {mode: Passthrough}", ", tls: {certificateRefs: [{name: gone}]}"]);
    let allowed = one_of(&[
        "",
        ", allowedRoutes: {namespaces: {from: All}}",
        ", allowedRoutes: {kinds: [{kind: TCPRoute}, {kind: HTTPRoute}]}",
        ", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: till}}}}",
    ]);
    (0..4, one_of(&["80", "443", "8080", "9901", "10080"]), protocols, one_of(HOSTS), tls, allowed).prop_map(
        |(name, port, protocol, host, tls, allowed)| {
            format!("{{name: l{name}, port: {port}, protocol: {protocol}, hostname: '{host}'{tls}{allowed}}}")
        },
    )
}

fn gateway() -> impl Strategy<Value = Change> {
    let listeners = prop::collection::vec(listener(), 1..6);
    let class = one_of(&["ours", "ours", "others", "none"]);
    let sets = one_of(&["", ", allowedListeners: {namespaces: {from: All}}"]);
    (0..2, class, listeners, sets).prop_map(|(name, class, mut listeners, sets)| {
        // Names are unique in a list, which the API server sees to.
        listeners.sort();
        listeners.dedup_by_key(|listener| listener.split(',').next().map(str::to_owned));
        Change(
            "Gateway",
            format!(
                "{{metadata: {{name: g{name}, namespace: shop, uid: g{name}, generation: GENERATION}}, spec: {{gatewayClassName: {class}, listeners: [{}]{sets}}}}}",
                listeners.join(", ")
            ),
        )
    })
}

fn rule() -> impl Strategy<Value = String> {
    let matches = one_of(&[
        "",
        "matches: [{path: {type: RegularExpression, value: '('}}], ",
        "matches: [{path: {value: /a b}}], ",
        "matches: [{path: {type: Exact, value: /a}, method: GET, headers: [{name: x, value: '1'}]}], ",
    ]);
    let filters = one_of(&[
        "",
        "filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [te]}}], ",
        "filters: [{type: ExtensionRef, extensionRef: {group: g, kind: k, name: own}}], ",
        "filters: [{type: ExtensionRef, extensionRef: {group: flotilla.dev, kind: TrafficPolicy, name: p0}}], ",
        "filters: [{type: RequestMirror, requestMirror: {backendRef: {name: gone, port: 1}, percent: 200}}], ",
        "filters: [{type: URLRewrite, urlRewrite: {hostname: 'a b'}}], ",
    ]);
    let backends = one_of(&[
        "backendRefs: []",
        "backendRefs: [{name: orders, port: 80}, {name: orders, port: 81, weight: 0}]",
        "backendRefs: [{name: orders, port: 53, weight: -1}]",
        "backendRefs: [{name: other, namespace: till, port: 80}]",
    ]);
    let names = one_of(&["", "name: named, "]);
    let sessions = one_of(&[
        "",
        "sessionPersistence: {}, ",
        "sessionPersistence: {sessionName: 'a b'}, ",
        "sessionPersistence: {type: Header, sessionName: x, absoluteTimeout: 1h}, ",
        "sessionPersistence: {cookieConfig: {lifetimeType: Permanent}, absoluteTimeout: 1h}, ",
    ]);
    (names, matches, filters, sessions, backends).prop_map(|(name, matches, filters, sessions, backends)| {
        format!("{{{name}{matches}{filters}{sessions}{backends}}}")
    })
}

fn route() -> impl Strategy<Value = Change> {
    let parents = one_of(&[
        "{name: g0}",
        "{name: g1, port: 80}",
        "{name: g0, sectionName: l1}",
        "{kind: ListenerSet, name: s}",
        "{kind: Service, name: x}",
    ]);
    let hosts = prop::collection::vec(one_of(HOSTS).prop_map(|host| format!("'{host}'")), 0..3);
    (0..4, parents, hosts, prop::collection::vec(rule(), 0..3)).prop_map(
        |(name, parent, hosts, rules)| {
            Change(
                "HTTPRoute",
                format!(
                    "{{metadata: {{name: r{name}, namespace: shop, uid: r{name}, generation: GENERATION}}, spec: {{parentRefs: [{parent}], hostnames: [{}], rules: [{}]}}}}",
                    hosts.join(", "),
                    rules.join(", ")
                ),
            )
        },
    )
}

/// Of gRPC, which takes hosts from routes of HTTP, and they from it.
fn grpc() -> impl Strategy<Value = Change> {
    let hosts = prop::collection::vec(one_of(HOSTS).prop_map(|host| format!("'{host}'")), 0..3);
    (0..3, one_of(&["{name: g0}", "{name: g1, sectionName: l0}"]), hosts, 0..3).prop_map(
        |(name, parent, hosts, age)| {
            Change(
                "GRPCRoute",
                format!(
                    "{{metadata: {{name: c{name}, namespace: shop, uid: c{name}, generation: GENERATION, creationTimestamp: '2026-01-01T00:00:0{age}Z'}}, spec: {{parentRefs: [{parent}], hostnames: [{}], rules: [{{backendRefs: [{{name: orders, port: 81}}]}}]}}}}",
                    hosts.join(", ")
                ),
            )
        },
    )
}

fn stream() -> impl Strategy<Value = Change> {
    let backends = one_of(&[
        "{name: orders, port: 80}",
        "{name: orders, port: 53}",
        "{name: gone, port: 1, weight: -3}",
    ]);
    (one_of(&["TCPRoute", "UDPRoute", "TLSRoute"]), 0..3, one_of(HOSTS), backends).prop_map(
        |(kind, name, host, backend)| {
            let hosts = if kind == "TLSRoute" { format!("hostnames: ['{host}'], ") } else { String::new() };
            Change(
                kind,
                format!(
                    "{{metadata: {{name: t{name}, namespace: shop, uid: t{name}, generation: GENERATION}}, spec: {{parentRefs: [{{name: g0}}], {hosts}rules: [{{backendRefs: [{backend}]}}]}}}}"
                ),
            )
        },
    )
}

fn set() -> impl Strategy<Value = Change> {
    listener().prop_map(|listener| {
        Change(
            "ListenerSet",
            format!(
                "{{metadata: {{name: s, namespace: shop, uid: s, generation: GENERATION}}, spec: {{parentRef: {{name: g0}}, listeners: [{listener}]}}}}"
            ),
        )
    })
}

fn policy() -> impl Strategy<Value = Change> {
    let targets = one_of(&[
        "{group: gateway.networking.k8s.io, kind: Gateway, name: g0}",
        "{group: gateway.networking.k8s.io, kind: Gateway, name: g1, sectionName: l0}",
        "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r0}",
        "{group: gateway.networking.k8s.io, kind: HTTPRoute, name: r1, sectionName: named}",
        "{group: gateway.networking.k8s.io, kind: GRPCRoute, name: c0}",
    ]);
    let fields = one_of(&[
        "rateLimits: [{requests: 1, per: second}, {requests: 0, per: minute}]",
        "rateLimits: [{requests: 1, per: hour, burst: 2, key: {type: Claim, name: sub}}]",
        "jwt: {required: false}",
        "jwt: {providers: [{name: p, issuer: p, jwks: {inline: '{}'}}]}",
        "jwt: {providers: [{name: p, issuer: p, jwks: {uri: 'https://a.test/keys'}}, {name: q, issuer: q, jwks: {uri: 'https://a.test/keys'}}], claims: [{claim: scope, values: [a]}]}",
        "cors: {allowOrigins: ['*']}",
        "circuitBreaker: {maxPending: 1}",
        "circuitBreaker: {maxConnections: 1}, maxBodyBytes: 3",
    ]);
    let targets = prop::collection::vec(targets, 1..4);
    (0..3, 0..3, targets, fields).prop_map(|(name, age, targets, fields)| {
        Change(
            "TrafficPolicy",
            format!(
                "{{metadata: {{name: p{name}, namespace: shop, uid: p{name}, generation: GENERATION, creationTimestamp: '2026-01-01T00:00:0{age}Z'}}, spec: {{targetRefs: [{}], {fields}}}}}",
                targets.join(", ")
            ),
        )
    })
}

/// A kind and an object of it.
#[derive(Clone, Debug)]
struct Change(&'static str, String);

impl Change {
    /// Each change is of another generation, as the API server sees to.
    fn apply(&self, objects: &mut Objects, generation: usize) {
        let Self(kind, yaml) = self;
        let yaml = &yaml.replace("GENERATION", &(generation + 1).to_string());
        match *kind {
            "Gateway" => objects.gateways.put(read(yaml)),
            "ListenerSet" => objects.listener_sets.put(read(yaml)),
            "HTTPRoute" => objects.http_routes.put(read(yaml)),
            "TrafficPolicy" => objects.traffic_policies.put(read(yaml)),
            "GRPCRoute" => objects.grpc_routes.put(read(yaml)),
            "TCPRoute" => objects.tcp_routes.put(read(yaml)),
            "UDPRoute" => objects.udp_routes.put(read(yaml)),
            _ => objects.tls_routes.put(read(yaml)),
        };
    }
}

fn seen(outcome: &Outcome) -> (Vec<String>, Vec<String>) {
    let gateways = outcome.gateways.iter().map(|(key, served)| {
        format!("{key:?} {} {:?}", String::from_utf8_lossy(&served.configuration), served.attached)
    });
    let routes = outcome.routes.iter().map(|(key, route)| format!("{key:?} {:?}", route.parents));
    let policies = outcome.traffic.iter().map(|(key, verdicts)| format!("{key:?} {verdicts:?}"));
    (gateways.collect(), routes.chain(policies).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_is_written_becomes_a_good_configuration(
        changes in prop::collection::vec(prop_oneof![gateway(), route(), grpc(), stream(), set(), policy()], 1..12)
    ) {
        let mut objects = objects();
        let mut compiler = Compiler::default();
        for (generation, change) in changes.iter().enumerate() {
            change.apply(&mut objects, generation);
            let outcome = compiler.compile(&objects);
            for served in outcome.gateways.values() {
                let config: flotilla_gateway_config::GatewayConfig = serde_json::from_slice(&served.configuration).unwrap();
                prop_assert_eq!(config.check(), Vec::new());
            }
            prop_assert_eq!(seen(&outcome), seen(&Compiler::default().compile(&objects)));
        }
    }
}
