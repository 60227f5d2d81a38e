//! `TrafficPolicy`: what counts where, and what is said of it.

use flotilla_gateway_config::{Jwks, RateKey, Rule};
use k8s_openapi::api::core::v1::ConfigMap;

use super::*;

const KEYS: &str =
    r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

fn policy(objects: &mut Objects, name: &str, seconds: u8, targets: &str, fields: &str) {
    objects.traffic_policies.put(read(&format!(
        "{{metadata: {{name: {name}, namespace: shop, uid: {name}, generation: {seconds}, creationTimestamp: '2026-01-01T00:00:{seconds:02}Z'}}, spec: {{targetRefs: [{targets}], {fields}}}}}"
    )));
}

fn target(kind: &str, name: &str, section: &str) -> String {
    let section = if section.is_empty() { String::new() } else { format!(", sectionName: {section}") };
    format!("{{group: gateway.networking.k8s.io, kind: {kind}, name: {name}{section}}}")
}

fn limit(requests: u32) -> String {
    format!("rateLimits: [{{requests: {requests}, per: second}}]")
}

/// A gateway with two listeners, and a route with two rules at both.
fn shop() -> Objects {
    let mut objects = objects();
    gateway(&mut objects, "[{name: web, port: 80, protocol: HTTP}, {name: inner, port: 81, protocol: HTTP}]");
    route(
        &mut objects,
        "a",
        "{parentRefs: [{name: gw}], rules: [{name: cart, matches: [{path: {value: /cart}}], backendRefs: [{name: orders, port: 80}]}, {name: rest, backendRefs: [{name: orders, port: 80}]}]}",
    );
    objects
}

/// What the status says of each policy.
fn verdicts(outcome: &Outcome) -> Vec<String> {
    let said = |(key, verdicts): (&Key, &Verdicts)| {
        let parts: Vec<_> = verdicts
            .iter()
            .map(|(at, said)| {
                let section = at.section.as_ref().map(|section| format!("#{section}")).unwrap_or_default();
                format!("{}/{}{section} {}", at.kind, at.key.1, said.reason)
            })
            .collect();
        format!("{}: {}", key.1, parts.join(", "))
    };
    outcome.traffic.iter().map(said).collect()
}

/// The rates of a rule, by listener.
fn rates(config: &GatewayConfig, listener: &str) -> Vec<Vec<u32>> {
    let rates =
        |rule: &Rule| rule.policy.rate_limits.iter().map(|name| config.rate_limits[name].requests).collect();
    rules(config, listener).iter().map(rates).collect()
}

fn rules(config: &GatewayConfig, listener: &str) -> Vec<Rule> {
    let listener = config.listeners.iter().find(|found| found.name == listener).unwrap();
    let name = &listener.routes.as_ref().unwrap()[0];
    config.routes.iter().find(|found| found.name == *name).unwrap().rules.clone()
}

#[test]
fn the_most_specific_policy_counts_field_by_field() {
    let mut objects = shop();
    let mut compiler = Compiler::default();
    policy(
        &mut objects,
        "of-gateway",
        9,
        &target("Gateway", "gw", ""),
        &format!("{}, maxBodyBytes: 5", limit(1)),
    );
    let config = configuration(&compiler.compile(&objects));
    assert_eq!((rates(&config, "web"), config.routes.len()), (vec![vec![1], vec![1]], 1));
    policy(&mut objects, "of-listener", 8, &target("Gateway", "gw", "inner"), &limit(2));
    let config = configuration(&compiler.compile(&objects));
    assert_eq!(
        (rates(&config, "web"), rates(&config, "inner")),
        (vec![vec![1], vec![1]], vec![vec![2], vec![2]])
    );
    policy(&mut objects, "of-route", 7, &target("HTTPRoute", "a", ""), &limit(3));
    let config = configuration(&compiler.compile(&objects));
    assert_eq!(
        (rates(&config, "web"), rates(&config, "inner")),
        (vec![vec![3], vec![3]], vec![vec![3], vec![3]])
    );
    policy(&mut objects, "of-rule", 6, &target("HTTPRoute", "a", "cart"), &limit(4));
    let outcome = compiler.compile(&objects);
    let config = configuration(&outcome);
    assert_eq!(
        (rates(&config, "web"), rates(&config, "inner")),
        (vec![vec![4], vec![3]], vec![vec![4], vec![3]])
    );
    // What the more specific ones do not say holds on.
    assert!(
        config.routes.iter().flat_map(|route| &route.rules).all(|rule| rule.policy.max_body_bytes == Some(5))
    );
    assert_eq!(
        verdicts(&outcome),
        [
            "of-gateway: Gateway/gw Accepted",
            "of-listener: Gateway/gw Accepted",
            "of-route: Gateway/gw Accepted",
            "of-rule: Gateway/gw Accepted"
        ]
    );
}

#[test]
fn of_two_for_one_target_the_older_has_a_field() {
    let mut objects = shop();
    let route = target("HTTPRoute", "a", "");
    policy(&mut objects, "younger", 2, &route, &format!("{}, maxBodyBytes: 7", limit(2)));
    policy(&mut objects, "older", 1, &route, &limit(1));
    let outcome = Compiler::default().compile(&objects);
    assert_eq!(verdicts(&outcome), ["older: Gateway/gw Accepted", "younger: Gateway/gw Conflicted"]);
    let verdict = outcome.traffic[&("shop".to_owned(), "younger".to_owned())].values().next().unwrap();
    assert!(verdict.message.contains("rateLimits of shop/older"), "{}", verdict.message);
    let config = configuration(&outcome);
    assert_eq!(rates(&config, "web"), [[1], [1]]);
    assert_eq!(rules(&config, "web")[0].policy.max_body_bytes, Some(7));
}

#[test]
fn a_target_that_is_not_there_is_named() {
    for (target, expected) in [
        (target("HTTPRoute", "gone", ""), "HTTPRoute/gone"),
        (target("HTTPRoute", "a", "gone"), "HTTPRoute/a#gone"),
        (target("GRPCRoute", "a", ""), "GRPCRoute/a"),
        (target("Gateway", "gone", ""), "Gateway/gone"),
        (target("Gateway", "gw", "gone"), "Gateway/gw#gone"),
        (target("Gateway", "theirs", ""), "Gateway/theirs"),
        (target("HTTPRoute", "loose", ""), "HTTPRoute/loose"),
    ] {
        let mut objects = shop();
        objects.gateways.put(read(
            "{metadata: {name: theirs, namespace: shop}, spec: {gatewayClassName: others, listeners: [{name: web, port: 80, protocol: HTTP}]}}",
        ));
        route(&mut objects, "loose", "{parentRefs: [{name: theirs}]}");
        policy(&mut objects, "p", 1, &target, &limit(1));
        let outcome = Compiler::default().compile(&objects);
        assert_eq!(verdicts(&outcome), [format!("p: {expected} TargetNotFound")]);
        assert!(configuration(&outcome).rate_limits.is_empty());
    }
}

#[test]
fn all_fields_reach_the_gateway() {
    let mut objects = shop();
    let fields = format!(
        "rateLimits: [{{requests: 10, per: minute, burst: 3, key: {{type: ClientIP}}}}, {{requests: 5, per: hour, key: {{type: Header, name: X-Tenant}}}}, {{requests: 9, per: second, key: {{type: Claim, name: sub}}}}],
         jwt: {{providers: [{{name: corporate, issuer: 'https://login.test', audiences: [shop], jwks: {{uri: 'https://login.test/jwks.json'}}, from: [{{header: {{name: X-Token, prefix: Bearer}}}}, {{cookie: token}}], claimsToHeaders: [{{claim: sub, header: X-User}}], removeToken: true}}, {{name: partner, issuer: partner, jwks: {{inline: '{KEYS}'}}}}], required: false, claims: [{{claim: scope, values: [orders]}}]}},
         cors: {{allowOrigins: ['https://shop.test'], allowCredentials: true, maxAge: 60}},
         circuitBreaker: {{maxRequests: 100, maxConnections: 10, maxPending: 5}},
         maxBodyBytes: 1000"
    );
    policy(&mut objects, "p", 1, &target("HTTPRoute", "a", ""), &fields);
    let outcome = Compiler::default().compile(&objects);
    assert_eq!(verdicts(&outcome), ["p: Gateway/gw Accepted"]);
    insta::assert_yaml_snapshot!(configuration(&outcome));
}

#[test]
fn keys_of_a_config_map_are_read_and_followed() {
    let mut objects = shop();
    let fields = "jwt: {providers: [{name: p, issuer: p, jwks: {configMapRef: {name: keys}}}]}";
    policy(&mut objects, "p", 1, &target("HTTPRoute", "a", ""), fields);
    assert!(needs::config_maps(&objects).contains(&("shop".to_owned(), "keys".to_owned())));
    let mut compiler = Compiler::default();
    assert_eq!(verdicts(&compiler.compile(&objects)), ["p: Gateway/gw Invalid"]);
    let mut keys: ConfigMap = read("{metadata: {name: keys, namespace: shop, uid: keys}}");
    keys.data = Some([("jwks.json".to_owned(), KEYS.to_owned())].into());
    objects.config_maps.put(keys);
    let outcome = compiler.compile(&objects);
    assert_eq!(verdicts(&outcome), ["p: Gateway/gw Accepted"]);
    let config = configuration(&outcome);
    assert_eq!(config.jwt_providers["shop/p/p"].jwks, Jwks::Inline(KEYS.to_owned()));
}

#[test]
fn what_cannot_be_had_closes_the_rules_that_need_it_and_no_others() {
    let token = |provider: &str| format!("jwt: {{providers: [{{name: p, issuer: p, {provider}}}]}}");
    for (fields, part) in [
        (token("jwks: {inline: '{}'}"), "jwt.providers.p.jwks.inline"),
        (token("jwks: {inline: '{\"keys\": [{\"kty\": \"oct\", \"k\": \"AA\"}]}'}"), "secret"),
        (token("jwks: {configMapRef: {name: gone}}"), "jwt.providers.p.jwks.configMapRef"),
        (token("jwks: {uri: 'http://'}"), "jwt.providers.p.jwks.remote.uri"),
        (token("jwks: {uri: 'http://a.test/'}, from: [{cookie: 'a b'}]"), "from.cookie"),
        (
            token("jwks: {uri: 'http://a.test/'}, claimsToHeaders: [{claim: sub, header: host}]"),
            "claimHeaders",
        ),
        (
            "rateLimits: [{requests: 1, per: second, key: {type: Header, name: 'a b'}}]".to_owned(),
            "rateLimits.key",
        ),
        ("circuitBreaker: {maxRequests: 0}".to_owned(), "circuitBreaker.requests"),
        ("maxBodyBytes: -1".to_owned(), "maxBodyBytes"),
    ] {
        let mut objects = shop();
        policy(&mut objects, "p", 1, &target("HTTPRoute", "a", "cart"), &fields);
        let outcome = Compiler::default().compile(&objects);
        assert_eq!(verdicts(&outcome), ["p: Gateway/gw Invalid"], "{fields}");
        let verdict = outcome.traffic[&("shop".to_owned(), "p".to_owned())].values().next().unwrap();
        assert!(verdict.message.contains(part), "{fields}: {}", verdict.message);
        let rules = rules(&configuration(&outcome), "web");
        let count = |rule: &Rule| (rule.matches.len(), rule.backends.len());
        assert_eq!((count(&rules[0]), count(&rules[1])), ((1, 0), (0, 1)), "{fields}");
    }
}

#[test]
fn a_limit_by_a_claim_counts_everybody_where_no_token_is_asked_for() {
    let mut objects = shop();
    let fields = format!(
        "rateLimits: [{{requests: 9, per: second, key: {{type: Claim, name: sub}}}}], jwt: {{providers: [{{name: p, issuer: p, jwks: {{inline: '{KEYS}'}}}}]}}"
    );
    policy(&mut objects, "p", 1, &target("Gateway", "gw", ""), &fields);
    policy(&mut objects, "open", 2, &target("HTTPRoute", "a", "rest"), "jwt: {required: false}");
    let config = configuration(&Compiler::default().compile(&objects));
    let rules = rules(&config, "web");
    let key = |rule: &Rule| config.rate_limits[&rule.policy.rate_limits[0]].key.clone();
    assert!(matches!(key(&rules[0]), RateKey::Claim(_)));
    assert_eq!(key(&rules[1]), RateKey::Everybody);
    assert_eq!(rules[1].policy.jwt.as_ref().unwrap().providers, Vec::<String>::new());
}

#[test]
fn a_policy_compiles_the_routes_that_it_touches_and_no_others() {
    let mut objects = shop();
    route(
        &mut objects,
        "b",
        "{parentRefs: [{name: gw}], hostnames: [b.test], rules: [{backendRefs: [{name: orders, port: 80}]}]}",
    );
    policy(&mut objects, "of-b", 1, &target("HTTPRoute", "b", ""), &limit(1));
    let mut compiler = Compiler::default();
    let first = compiler.compile(&objects);
    let place = |name: &str| {
        ((RouteKind::Http, ("shop".to_owned(), name.to_owned())), ("shop".to_owned(), "gw".to_owned()))
    };
    let of_b = compiler.traffic.policed(&place("b"));
    policy(&mut objects, "of-a", 2, &target("HTTPRoute", "a", ""), &limit(2));
    let second = compiler.compile(&objects);
    let key = (RouteKind::Http, ("shop".to_owned(), "a".to_owned()));
    assert!(Arc::ptr_eq(&first.routes[&key], &second.routes[&key]));
    assert!(Arc::ptr_eq(&of_b, &compiler.traffic.policed(&place("b"))));
    assert_ne!(configuration(&first), configuration(&second));
    // Nothing has changed, so a gateway has the same bytes.
    let gateway = ("shop".to_owned(), "gw".to_owned());
    let third = compiler.compile(&objects);
    assert!(Arc::ptr_eq(&second.gateways[&gateway].configuration, &third.gateways[&gateway].configuration));
}

#[test]
fn a_route_that_names_its_policy_is_closed_without_it() {
    let mut objects = objects();
    gateway(&mut objects, HTTP);
    route(
        &mut objects,
        "a",
        "{parentRefs: [{name: gw}], rules: [{filters: [{type: ExtensionRef, extensionRef: {group: flotilla.dev, kind: TrafficPolicy, name: p}}], backendRefs: [{name: orders, port: 80}]}]}",
    );
    let mut compiler = Compiler::default();
    let closed = compiler.compile(&objects);
    assert_eq!(said(&closed, "a"), ["Accepted=True Accepted", "ResolvedRefs=False InvalidKind"]);
    assert!(configuration(&closed).routes[0].rules[0].backends.is_empty());
    // One that is for others does not count.
    policy(&mut objects, "p", 1, &target("HTTPRoute", "b", ""), &limit(1));
    assert!(configuration(&compiler.compile(&objects)).routes[0].rules[0].backends.is_empty());
    policy(&mut objects, "p", 2, &target("HTTPRoute", "a", ""), &limit(1));
    let open = compiler.compile(&objects);
    assert_eq!(said(&open, "a"), ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs"]);
    let rule = &configuration(&open).routes[0].rules[0];
    assert_eq!((rule.backends.len(), rule.policy.rate_limits.len()), (1, 1));
    objects.traffic_policies.observe(kube::runtime::watcher::Event::Delete(read(
        "{metadata: {name: p, namespace: shop, uid: p}, spec: {targetRefs: []}}",
    )));
    assert!(configuration(&compiler.compile(&objects)).routes[0].rules[0].backends.is_empty());
}
