//! Routes of HTTP and of gRPC that want the same hosts.

use super::*;

fn spec(name: &str, seconds: u8, hosts: &str) -> String {
    format!(
        "{{metadata: {{name: {name}, namespace: shop, uid: {name}, generation: 1, creationTimestamp: '2026-01-01T00:00:{seconds:02}Z'}}, spec: {{parentRefs: [{{name: gw}}], hostnames: [{hosts}], rules: [{{backendRefs: [{{name: orders, port: 80}}]}}]}}}}"
    )
}

fn http(objects: &mut Objects, name: &str, seconds: u8, hosts: &str) {
    objects.http_routes.put(read(&spec(name, seconds, hosts)));
}

fn grpc(objects: &mut Objects, name: &str, seconds: u8, hosts: &str) {
    objects.grpc_routes.put(read(&spec(name, seconds, hosts)));
}

fn refused(outcome: &Outcome) -> Vec<&str> {
    let is_refused = |route: &&Arc<Route>| {
        let said = &route.parents[0].said[0];
        said.type_ == "Accepted" && !said.holds() && said.reason == "HostnameConflict"
    };
    outcome.routes.values().filter(is_refused).map(|route| route.name.as_str()).collect()
}

#[test]
fn of_two_kinds_of_routes_for_one_host_the_older_is_accepted() {
    for (listener, of_http, of_grpc, expected) in [
        ("", (1, "a.test"), (2, "b.test"), vec![]),
        ("", (1, "a.test"), (2, "a.test"), vec!["GRPCRoute/shop/g"]),
        ("", (2, "a.test"), (1, "a.test"), vec!["HTTPRoute/shop/h"]),
        // The first by name.
        ("", (1, "a.test"), (1, "a.test"), vec!["HTTPRoute/shop/h"]),
        ("", (1, ""), (2, "a.test"), vec!["GRPCRoute/shop/g"]),
        ("", (1, "a.test"), (2, ""), vec!["GRPCRoute/shop/g"]),
        ("", (1, "'*.test'"), (2, "a.b.test"), vec!["GRPCRoute/shop/g"]),
        ("", (1, "a.b.test"), (2, "'*.test'"), vec!["GRPCRoute/shop/g"]),
        ("", (1, "'*.b.test'"), (2, "'*.test'"), vec!["GRPCRoute/shop/g"]),
        ("", (1, "'*.a.test'"), (2, "'*.b.test', a.test"), vec![]),
        ("", (1, "'*.b.test'"), (2, "b.test, ab.test"), vec![]),
        // What the listener has not is nobody's.
        ("'*.test'", (1, "a.test, x.other"), (2, "b.test, x.other"), vec![]),
        ("a.test", (1, "'*.test'"), (2, ""), vec!["GRPCRoute/shop/g"]),
    ] {
        let mut objects = objects();
        let host = if listener.is_empty() { String::new() } else { format!(", hostname: {listener}") };
        gateway(&mut objects, &format!("[{{name: web, port: 80, protocol: HTTP{host}}}]"));
        http(&mut objects, "h", of_http.0, of_http.1);
        grpc(&mut objects, "g", of_grpc.0, of_grpc.1);
        let outcome = Compiler::default().compile(&objects);
        assert_eq!(refused(&outcome), expected, "{listener} {of_http:?} {of_grpc:?}");
        assert_eq!(configuration(&outcome).routes.len(), 2 - expected.len());
        let served = &outcome.gateways[&("shop".to_owned(), "gw".to_owned())];
        assert_eq!(served.attached["web"], 2 - expected.len());
    }
}

#[test]
fn one_that_is_refused_takes_nothing_from_others() {
    let mut objects = objects();
    gateway(&mut objects, HTTP);
    http(&mut objects, "first", 1, "a.test");
    grpc(&mut objects, "second", 2, "a.test, b.test");
    http(&mut objects, "third", 3, "b.test");
    let outcome = Compiler::default().compile(&objects);
    assert_eq!(refused(&outcome), ["GRPCRoute/shop/second"]);
}

#[test]
fn a_route_keeps_the_listeners_that_nobody_else_has() {
    let mut objects = objects();
    gateway(
        &mut objects,
        "[{name: a, port: 80, protocol: HTTP, hostname: a.test}, {name: b, port: 80, protocol: HTTP, hostname: b.test}]",
    );
    http(&mut objects, "h", 1, "a.test");
    grpc(&mut objects, "g", 2, "a.test, b.test");
    let mut compiler = Compiler::default();
    let outcome = compiler.compile(&objects);
    let key = (RouteKind::Grpc, ("shop".to_owned(), "g".to_owned()));
    let said = &outcome.routes[&key].parents[0].said[0];
    assert!(said.holds() && said.message.contains("HTTPRoute/shop/h"), "{said:?}");
    let config = configuration(&outcome);
    let routes: Vec<_> = config.listeners.iter().map(|found| found.routes.clone().unwrap()).collect();
    assert_eq!(routes, [["HTTPRoute/shop/h"], ["GRPCRoute/shop/g"]]);
    // What was settled before is the same.
    assert!(Arc::ptr_eq(&outcome.routes[&key], &compiler.compile(&objects).routes[&key]));
}
