//! What a person who writes a configuration is told.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::sync::Arc;

use flotilla_gateway_config::{Error, GatewayConfig, Loader, load, load_json};

const WHOLE: &str = include_str!("whole.yaml");

#[test]
fn every_field_is_read_and_written_again() {
    let config = load(WHOLE).unwrap();
    let again: GatewayConfig = load(&serde_saphyr::to_string(&config).unwrap()).unwrap();
    assert_eq!(again, config);
    assert_eq!(load_json(&serde_json::to_vec(&config).unwrap()).unwrap(), config);
}

#[test]
fn json_is_held_to_the_same() {
    let error = |json: &str| load_json(json.as_bytes()).unwrap_err().to_string();
    assert_eq!(error("{\"listeners\": ["), "EOF while parsing a list at line 1 column 15");
    assert!(error("{\"routs\": []}").starts_with("unknown field `routs`"));
    let plain = "{\"listeners\": [{\"name\": \"a\", \"port\": 80, \"protocol\": \"HTTPS\"}]}";
    assert_eq!(error(plain), "listeners[0].tls: HTTPS needs it: name a certificate");
}

#[test]
fn a_route_that_is_written_as_before_is_the_same_one() {
    let json = |routes: &[&str]| {
        let routes: Vec<_> =
            routes.iter().map(|rule| format!("{{\"name\": \"{rule}\", \"rules\": []}}")).collect();
        format!("{{\"listeners\": [], \"routes\": [{}]}}", routes.join(",")).into_bytes()
    };
    let mut loader = Loader::default();
    let mut load = |routes: &[&str]| {
        let config = loader.load(json(routes)).unwrap();
        assert_eq!(config, load_json(&json(routes)).unwrap());
        config.routes
    };
    let first = load(&["a", "b", "c"]);
    let second = load(&["new", "c", "a"]);
    assert!(Arc::ptr_eq(&first[2], &second[1]) && Arc::ptr_eq(&first[0], &second[2]));
    // Those that are gone are forgotten, and what is refused changes nothing.
    assert!(!Arc::ptr_eq(&first[1], &load(&["b", "a"])[0]));
    assert!(Arc::ptr_eq(&first[0], &load(&["a"])[0]));
    let wrong = |loader: &mut Loader, json: &str| {
        let own = load_json(json.as_bytes()).unwrap_err().to_string();
        assert_eq!(loader.load(json.as_bytes().to_vec()).unwrap_err().to_string(), own);
        own
    };
    for (text, expected) in [
        ("{\"listeners\": [", "EOF while parsing a list at line 1 column 15"),
        ("{\"routs\": []}", "unknown field `routs`"),
        ("{\"routes\":\n [{\"name\": \"a\", \"rules\": 1}]}", "at line 2 column 26"),
        (
            "{\"routes\": [{\"name\": \"a\", \"rules\": []}, {\"name\": \"a\", \"rules\": []}]}",
            "routes[1].name: \"a\" is there twice",
        ),
    ] {
        let said = wrong(&mut loader, text);
        assert!(said.contains(expected), "{said}");
    }
    assert!(Arc::ptr_eq(&first[0], &loader.load(json(&["a"])).unwrap().routes[0]));
}

#[test]
fn a_key_is_not_printed() {
    let printed = format!("{:?}", load(WHOLE).unwrap());
    assert!(
        printed.contains("BEGIN CERTIFICATE") && printed.contains("CookieName(\"session\")"),
        "{printed}"
    );
    assert!(!printed.contains("PRIVATE KEY") && !printed.contains("SECRET"), "{printed}");
}

/// The error of a configuration in which one text is another.
fn error(from: &str, to: &str) -> String {
    assert_eq!(WHOLE.matches(from).count(), 1, "{from:?} is there once");
    match load(&WHOLE.replace(from, to)) {
        Ok(_) => panic!("{to:?} is taken"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    for (from, to, line, expected) in [
        ("port: 8080\n", "port: 80800\n", 4, "u16"),
        ("protocol: HTTP\n", "protocol: SMTP\n", 5, "HTTPS"),
        ("name: shop/orders", "nme: shop/orders", 35, "nme"),
        ("*.shop.example.com", "shop.*.com", 36, "write a name such as"),
        ("pathPrefix: /v1", "pathPrefix: v1", 40, "begins with /"),
        ("regularExpression: '[a-z]+'", "regularExpression: '[a-z'", 43, "no regular expression"),
        ("name: x-tenant", "name: 'x tenant'", 42, "no name of a header"),
        ("method: GET", "method: 'G T'", 41, "no method"),
        ("statusCode: 308", "statusCode: 200", 71, "301, 302, 303, 307 or 308"),
        ("weight: 9", "weight: -9", 54, "u32"),
        ("name: session", "name: 'a session'", 93, "no name of a cookie"),
        ("affinity: sourceIp", "affinity: sourceIP", 105, "sourceIp"),
        ("path: /healthz", "path: healthz", 85, "no path"),
        ("per: Minute", "per: minute", 125, "Minute"),
        ("key: {claim: sub}", "key: {claim: ''}", 126, "no claim"),
        ("[ES256, EdDSA]", "[ES256, HS256]", 133, "HS256"),
        ("algorithms: [ES256, EdDSA]", "algorithms: [none]", 133, "none"),
        ("probe: tcp", "probe: udp", 104, "grpc"),
    ] {
        let Err(error) = load(&WHOLE.replace(from, to)) else { panic!("{to:?} is taken") };
        let Error::Read { line: found, column, .. } = &error else { panic!("{error}") };
        assert_eq!((*found, *column > 0), (line, true), "{to}: {error}");
        assert!(error.to_string().contains(expected), "{to}: {error}");
        assert!(!error.to_string().contains("SECRET"), "{error}");
    }
}

#[test]
fn what_leads_nowhere_is_named_with_what_there_is() {
    for (from, to, expected) in [
        (
            "backend: orders\n",
            "backend: oders\n",
            "routes[0].rules[0].backends[0].backend: there is no backend \"oders\": there are canary, database, dns, orders, shadow, unnamed",
        ),
        (
            "requestMirror: {backend: shadow",
            "requestMirror: {backend: shade",
            "routes[0].rules[0].filters[1].requestMirror.backend: there is no backend \"shade\"",
        ),
        (
            "set: [{name: x-from, value: edge}]",
            "set: [{name: Content-Length, value: '1'}]",
            "routes[0].rules[0].filters[0].requestHeaderModifier.set[0].name: \"content-length\" is the gateway's own",
        ),
        (
            "responseHeaderModifier: {remove: [server]}",
            "responseHeaderModifier: {remove: [connection]}",
            "routes[0].rules[0].backends[0].filters[0].responseHeaderModifier.remove[0]: \"connection\" is the gateway's own",
        ),
        (
            "certificates: [shop]",
            "certificates: [shp]",
            "listeners[1].tls.certificates[0]: there is no certificate \"shp\": there are gateway, shop",
        ),
        ("certificates: [shop]", "certificates: []", "listeners[1].tls.certificates: name at least one"),
        ("routes: [shop/orders]", "routes: [orders]", "listeners[1].routes[0]: there is no route \"orders\""),
        ("name: shop/old", "name: shop/orders", "routes[1].name: \"shop/orders\" is there twice"),
        ("name: secure", "name: web", "listeners[1].name: \"web\" is there twice"),
        (
            "port: 8443\n  protocol: HTTPS",
            "port: 8080\n  protocol: HTTPS",
            "listeners[1].protocol: another listener of port 8080 speaks another one",
        ),
        (
            "certificate: gateway",
            "certificate: gate",
            "backends.canary.tls.certificate: there is no certificate \"gate\"",
        ),
        (
            "intervalMs: 5000",
            "intervalMs: 50",
            "backends.orders.healthCheck.intervalMs: it is at least 100; backends.orders.healthCheck.timeoutMs: it is at least 1, and at most intervalMs",
        ),
        ("timeoutMs: 500", "timeoutMs: 0", "backends.orders.healthCheck.timeoutMs: it is at least 1"),
        (
            "jitterPercent: 20",
            "jitterPercent: 101",
            "backends.orders.healthCheck.jitterPercent: it is at most 100",
        ),
        (
            "unhealthyThreshold: 4",
            "unhealthyThreshold: 0",
            "healthCheck.unhealthyThreshold: it is at least 1",
        ),
        (
            "statuses: [200, 204]",
            "statuses: [200, 20]",
            "healthCheck.probe.http.statuses[1]: 20 is no status",
        ),
        ("probe: tcp", "probe: {grpc: {}}", "backends.shadow.healthCheck.probe.grpc: gRPC needs HTTP/2"),
        ("requests: 100", "requests: 0", "backends.orders.limits.requests: it is at least 1"),
        (
            "connections: 10, ",
            "",
            "backends.orders.limits.pendingRequests: requests wait only for connections",
        ),
        ("panicPercent: 20", "panicPercent: 101", "backends.orders.panicPercent: it is at most 100"),
        (
            "service: {namespace: shop, name: shadow, portName: http}",
            "protocol: HTTP",
            "backends.shadow: write either endpoints or service",
        ),
    ] {
        let error = error(from, to);
        assert!(error.contains(expected), "{to}: {error}");
    }
    let plain = "listeners: [{name: a, port: 80, protocol: HTTPS}, {name: b, port: 81, protocol: HTTP, tls: {certificates: []}}]";
    let error = load(plain).unwrap_err().to_string();
    assert_eq!(
        error,
        "listeners[0].tls: HTTPS needs it: name a certificate; listeners[1].tls: HTTP has none: remove it, or write protocol: HTTPS"
    );
    let twice = "listeners: [{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: HTTP}]";
    assert_eq!(
        load(twice).unwrap_err().to_string(),
        "listeners[1].hostname: another listener of port 80 has the same"
    );
}

#[test]
fn what_does_not_go_together_is_named() {
    for (from, to, expected) in [
        (
            "name: shop/database\n  backends",
            "name: shop/dns\n  backends",
            "streams[2].name: \"shop/dns\" is there twice: names are unique",
        ),
        (
            "name: dns-tcp\n  port: 53\n  targetPort: 1053",
            "name: dns-tcp\n  port: 53\n  targetPort: 8080",
            "listeners[3].targetPort: 8080 is the socket of port 8080",
        ),
        (
            "backends: [{backend: dns}]",
            "backends: [{backend: dna}]",
            "streams[2].backends[0].backend: there is no backend \"dna\": there are canary, database",
        ),
        (
            "routes: [shop/by-name, shop/database]",
            "routes: [shop/orders]",
            "listeners[2].routes[0]: there is no stream \"shop/orders\": there are shop/by-name, shop/database, shop/dns",
        ),
        (
            "'spiffe://example.com/database'",
            "example.com",
            "backends.database.tls.subjectAltNames[1].uri: \"example.com\" has no scheme: write one such as spiffe://example.com/orders",
        ),
        (
            "{backend: canary, weight: 9}",
            "{backend: database}",
            "routes[0].rules[0].backends[1].backend: backend \"database\" has proxyProtocol, which requests have not",
        ),
        (
            "requestMirror: {backend: shadow",
            "requestMirror: {backend: database",
            "routes[0].rules[0].filters[1].requestMirror.backend: backend \"database\" has proxyProtocol",
        ),
    ] {
        let error = error(from, to);
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn listeners_that_do_not_go_together_are_named() {
    for (listeners, expected) in [
        (
            "{name: a, port: 80, protocol: TCP}, {name: b, port: 80, protocol: TCP}",
            "listeners[1].port: another listener of TCP has 80: there can be one",
        ),
        (
            "{name: a, port: 80, protocol: TCP}, {name: b, port: 80, protocol: HTTP}",
            "listeners[1].protocol: another listener of port 80 speaks another one",
        ),
        (
            "{name: a, port: 80, protocol: TLS}, {name: b, port: 80, protocol: HTTPS, tls: {certificates: [c]}}",
            "listeners[1].hostname: another listener of port 80 has the same",
        ),
        (
            "{name: a, port: 80, protocol: TLS, targetPort: 8080}, {name: b, port: 80, protocol: TLS, hostname: b}",
            "listeners[1].targetPort: another listener of port 80 has another one",
        ),
        (
            "{name: a, port: 80, protocol: TLS, proxyProtocol: true}, {name: b, port: 80, protocol: TLS, hostname: b}",
            "listeners[1].proxyProtocol: another listener of port 80 says something else",
        ),
        (
            "{name: a, port: 80, targetPort: 81, protocol: HTTP}, {name: b, port: 81, protocol: HTTP}",
            "listeners[1].port: 81 is the socket of port 80",
        ),
        (
            "{name: a, port: 81, protocol: HTTP}, {name: b, port: 80, targetPort: 81, protocol: HTTP}",
            "listeners[1].targetPort: 81 is the socket of port 81",
        ),
        (
            "{name: a, port: 0, targetPort: 0, protocol: TCP}",
            "listeners[0].port: 0 is none: write one from 1; listeners[0].targetPort: 0 is none: write one from 1",
        ),
        (
            "{name: a, port: 80, protocol: TCP, hostname: a, tls: {certificates: []}}",
            "listeners[0].tls: TCP has none: remove it, or write protocol: TLS; listeners[0].hostname: TCP has none: remove it",
        ),
        (
            "{name: a, port: 80, protocol: UDP, proxyProtocol: true, hostname: a, tls: {certificates: []}, routes: []}",
            "listeners[0].tls: UDP has none: remove it; listeners[0].hostname: UDP has none: remove it; listeners[0].proxyProtocol: UDP has none: remove it",
        ),
        (
            "{name: a, port: 80, protocol: TLS, tls: {certificates: []}}",
            "listeners[0].tls.certificates: name at least one",
        ),
        (
            "{name: a, port: 80, protocol: TCP, routes: [named]}",
            "listeners[0].routes[0]: stream \"named\" has hostnames, which TCP has not: remove them, or write protocol: TLS",
        ),
        (
            "{name: a, port: 80, protocol: UDP, routes: [plain]}",
            "listeners[0].routes[0]: backend \"secure\" of stream \"plain\" has tls, which UDP has not: remove it",
        ),
        (
            "{name: a, port: 80, protocol: UDP}",
            "listeners[0]: backend \"secure\" of stream \"plain\" has tls, which UDP has not: remove it",
        ),
    ] {
        let text = format!(
            "
listeners: [{listeners}]
streams:
- {{name: named, hostnames: [a.example.com], backends: [{{backend: secure}}]}}
- {{name: plain, backends: [{{backend: secure}}]}}
backends: {{secure: {{endpoints: [{{host: 127.0.0.1, port: 1}}], tls: {{serverName: a}}}}}}
certificates: {{c: {{chain: a, key: b}}}}
"
        );
        let Err(error) = load(&text) else { panic!("{listeners} is taken") };
        assert_eq!(error.to_string(), expected, "{listeners}");
    }
}

#[test]
fn ports_of_different_transports_never_meet() {
    for listeners in [
        "{name: a, port: 53, protocol: TCP}, {name: b, port: 53, protocol: UDP}",
        "{name: a, port: 80, protocol: TCP, targetPort: 53}, {name: b, port: 53, protocol: UDP}",
        "{name: a, port: 443, protocol: TLS, hostname: a}, {name: b, port: 443, protocol: HTTPS, tls: {certificates: [c]}}",
    ] {
        let text = format!("listeners: [{listeners}]\ncertificates: {{c: {{chain: a, key: b}}}}");
        assert!(load(&text).is_ok(), "{listeners}: {:?}", load(&text));
    }
}

#[test]
fn policies_that_cannot_be_are_named() {
    for (from, to, expected) in [
        (
            "rateLimits: [everybody]",
            "rateLimits: [all]",
            "listeners[1].policy.rateLimits[0]: there is no rate limit \"all\": there are addresses, everybody, tenants, users",
        ),
        (
            "providers: [corporate, partner]",
            "providers: [corporate, friend]",
            "routes[0].rules[0].policy.jwt.providers[1]: there is no provider \"friend\": there are corporate, partner",
        ),
        (
            "providers: [corporate, partner]",
            "providers: []",
            "routes[0].rules[0].policy.jwt.providers: without one no token is good: name one, or write required: false",
        ),
        (
            "providers: [corporate, partner]",
            "required: false\n        providers: []",
            "routes[0].rules[0].policy.rateLimits[1]: \"users\" counts by a claim, and there is no token: write jwt",
        ),
        (
            "issuer: partner",
            "issuer: https://login.example.com",
            "routes[0].rules[0].policy.jwt.providers[1]: another provider here has the issuer",
        ),
        (
            "values: [clerk]",
            "values: []",
            "routes[0].rules[0].policy.jwt.claims[1].values: write at least one",
        ),
        ("requests: 60", "requests: 0", "rateLimits.addresses.requests: it is from 1 to 1000000"),
        ("burst: 20", "burst: 1000001", "rateLimits.addresses.burst: it is from 1 to 1000000"),
        (
            "routes: [shop/by-name, shop/database]",
            "policy: {maxBodyBytes: 1}",
            "listeners[2].policy: TLS has no requests: remove it",
        ),
    ] {
        let error = error(from, to);
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn providers_of_tokens_that_cannot_be_are_named() {
    for (from, to, expected) in [
        ("issuer: partner", "issuer: ''", "jwtProviders.partner.issuer: write what tokens have in iss"),
        (
            "https://login.example.com/jwks.json",
            "ftp://login.example.com",
            "jwtProviders.corporate.jwks.remote.uri: \"ftp://login.example.com\" is no URL",
        ),
        (
            "https://login.example.com/jwks.json",
            "https://user:secret@login.example.com/jwks.json",
            "jwtProviders.corporate.jwks.remote.uri",
        ),
        (
            "https://login.example.com/jwks.json",
            "http://login.example.com/jwks.json",
            "jwtProviders.corporate.jwks.remote.ca: http has none: remove it, or write https",
        ),
        (
            "refreshSeconds: 60",
            "refreshSeconds: 5",
            "jwtProviders.corporate.jwks.remote.refreshSeconds: it is from 10 to 86400",
        ),
        (
            "clockSkewSeconds: 10",
            "clockSkewSeconds: 3601",
            "jwtProviders.corporate.clockSkewSeconds: it is at most 3600",
        ),
        (
            "header: x-roles",
            "header: X-User",
            "jwtProviders.corporate.claimHeaders[1].header: \"x-user\" is there twice",
        ),
        (
            "header: x-roles",
            "header: content-length",
            "jwtProviders.corporate.claimHeaders[1].header: \"content-length\" is the gateway's own",
        ),
        (
            "header: x-roles",
            "header: X-Forwarded-For",
            "jwtProviders.corporate.claimHeaders[1].header: \"x-forwarded-for\" is the gateway's own",
        ),
        (
            "prefix: Bearer",
            "prefix: 'Bearer '",
            "jwtProviders.corporate.from[0].header.prefix: it is one word such as Bearer",
        ),
        (
            "\"kty\": \"OKP\"",
            "\"kty\": \"OKP\", \"d\": \"AA\"",
            "jwtProviders.partner.jwks.inline: keys[0] is a secret: write the public key alone",
        ),
        (
            "\"kty\": \"OKP\"",
            "\"kty\": \"oct\", \"k\": \"AA\"",
            "jwtProviders.partner.jwks.inline: keys[0] is a secret",
        ),
        ("\"kty\": \"OKP\", ", "", "jwtProviders.partner.jwks.inline: keys[0] has no kty"),
        (
            "\"crv\": \"Ed25519\"",
            "\"crv\": \"X25519\"",
            "jwtProviders.partner.jwks.inline: none of its keys is for",
        ),
        ("11qYAYKxCrfVS", "11qYAYKxCrfV", "jwtProviders.partner.jwks.inline: none of its keys is for"),
        ("{\"keys\": [", "{\"kyes\": [", "jwtProviders.partner.jwks.inline: it has no keys"),
        ("{\"keys\": [", "{\"keys\" [", "jwtProviders.partner.jwks.inline: it is no JSON"),
    ] {
        let error = error(from, to);
        assert!(error.contains(expected), "{to}: {error}");
    }
}
