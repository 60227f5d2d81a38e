//! What a person who writes a configuration is told.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use flotilla_gateway_config::{Error, GatewayConfig, load, load_json};

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
        ("name: shop/orders", "nme: shop/orders", 17, "nme"),
        ("*.shop.example.com", "shop.*.com", 18, "write a name such as"),
        ("pathPrefix: /v1", "pathPrefix: v1", 22, "begins with /"),
        ("regularExpression: '[a-z]+'", "regularExpression: '[a-z'", 25, "no regular expression"),
        ("name: x-tenant", "name: 'x tenant'", 24, "no name of a header"),
        ("method: GET", "method: 'G T'", 23, "no method"),
        ("statusCode: 308", "statusCode: 200", 47, "301, 302, 303, 307 or 308"),
        ("weight: 9", "weight: -9", 36, "u32"),
        ("name: session", "name: 'a session'", 61, "no name of a cookie"),
        ("affinity: sourceIp", "affinity: sourceIP", 73, "sourceIp"),
        ("path: /healthz", "path: healthz", 53, "no path"),
        ("probe: tcp", "probe: udp", 72, "grpc"),
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
            "routes[0].rules[0].backends[0].backend: there is no backend \"oders\": there are canary, orders, shadow",
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
            "port: 8443",
            "port: 8080",
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
