use flotilla_gateway_config::GatewayConfig;
use serde::de::DeserializeOwned;

use super::*;

mod overlap;
mod rivals;
mod sessions;
mod traffic;

/// An object from YAML that leaves out its kind.
pub(crate) fn read<K>(yaml: &str) -> K
where
    K: kube::Resource<DynamicType = ()> + DeserializeOwned,
{
    let mut value: serde_json::Value = serde_saphyr::from_str(yaml).unwrap();
    value["apiVersion"] = K::api_version(&()).into();
    value["kind"] = K::kind(&()).into();
    serde_json::from_value(value).unwrap()
}

/// A part of an object from YAML.
pub(crate) fn read_value<T: DeserializeOwned>(yaml: &str) -> T {
    serde_saphyr::from_str(yaml).unwrap()
}

/// A class of ours and a Service with which most tests begin.
pub(crate) fn objects() -> Objects {
    let mut objects = Objects::default();
    objects.classes.put(read("{metadata: {name: ours}, spec: {controllerName: flotilla.dev/gateway}}"));
    objects.classes.put(read("{metadata: {name: others}, spec: {controllerName: example.com/other}}"));
    for namespace in ["shop", "till"] {
        objects
            .namespaces
            .put(read(&format!("{{metadata: {{name: {namespace}, labels: {{team: {namespace}}}}}}}")));
    }
    objects.services.put(read(
        "{metadata: {name: orders, namespace: shop}, spec: {ports: [{name: http, port: 80}, {name: h2, port: 81, appProtocol: kubernetes.io/h2c}, {name: dns, port: 53, protocol: UDP}]}}",
    ));
    objects
}

fn gateway(objects: &mut Objects, listeners: &str) {
    objects.gateways.put(read(&format!(
        "{{metadata: {{name: gw, namespace: shop, uid: gw, generation: 1}}, spec: {{gatewayClassName: ours, listeners: {listeners}}}}}"
    )));
}

fn route(objects: &mut Objects, name: &str, spec: &str) {
    objects.http_routes.put(read(&format!(
        "{{metadata: {{name: {name}, namespace: shop, uid: {name}, generation: 1}}, spec: {spec}}}"
    )));
}

fn configuration(outcome: &Outcome) -> GatewayConfig {
    let served = &outcome.gateways[&("shop".to_owned(), "gw".to_owned())];
    let config: GatewayConfig = serde_json::from_slice(&served.configuration).unwrap();
    assert_eq!(config.check(), []);
    config
}

fn said(outcome: &Outcome, name: &str) -> Vec<String> {
    let route = &outcome.routes[&(RouteKind::Http, ("shop".to_owned(), name.to_owned()))];
    let text = |verdict: &crate::gateway::condition::Verdict| {
        format!("{}={:?} {}", verdict.type_, verdict.status, verdict.reason)
    };
    route.parents.iter().flat_map(|parent| parent.said.iter().map(text)).collect()
}

const HTTP: &str = "[{name: web, port: 80, protocol: HTTP}]";

#[test]
fn a_route_to_a_service_becomes_a_listener_a_route_and_a_backend() {
    let mut objects = objects();
    gateway(&mut objects, HTTP);
    route(
        &mut objects,
        "a",
        "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: orders, port: 80}]}]}",
    );
    let outcome = Compiler::default().compile(&objects);
    assert_eq!(said(&outcome, "a"), ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs"]);
    let config = configuration(&outcome);
    insta::assert_yaml_snapshot!(config);
}

#[test]
fn what_a_route_cannot_have_is_said_and_answered_with_an_error() {
    for (spec, expected) in [
        (
            "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: gone, port: 80}]}]}",
            "ResolvedRefs=False BackendNotFound",
        ),
        (
            "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: orders, port: 8}]}]}",
            "ResolvedRefs=False BackendNotFound",
        ),
        (
            "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: orders, kind: Pod, port: 80}]}]}",
            "ResolvedRefs=False InvalidKind",
        ),
        (
            "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: x, namespace: till, port: 80}]}]}",
            "ResolvedRefs=False RefNotPermitted",
        ),
        (
            "{parentRefs: [{name: gw}], rules: [{filters: [{type: ExtensionRef, extensionRef: {group: a.b, kind: C, name: d}}], backendRefs: [{name: orders, port: 80}]}]}",
            "ResolvedRefs=False InvalidKind",
        ),
    ] {
        let mut objects = objects();
        gateway(&mut objects, HTTP);
        route(&mut objects, "a", spec);
        let outcome = Compiler::default().compile(&objects);
        assert_eq!(said(&outcome, "a"), ["Accepted=True Accepted", expected], "{spec}");
        let config = configuration(&outcome);
        let usable = config.routes[0].rules[0].backends.iter().filter(|share| share.backend.is_some());
        assert_eq!(usable.count(), 0, "{spec}");
    }
}

#[test]
fn a_route_says_why_it_does_not_attach() {
    for (listeners, spec, expected) in [
        (HTTP, "{parentRefs: [{name: gw, sectionName: other}]}", "NoMatchingParent"),
        (HTTP, "{parentRefs: [{name: gw, port: 81}]}", "NoMatchingParent"),
        ("[{name: t, port: 80, protocol: TCP}]", "{parentRefs: [{name: gw}]}", "NotAllowedByListeners"),
        (
            "[{name: w, port: 80, protocol: HTTP, allowedRoutes: {kinds: [{kind: GRPCRoute}]}}]",
            "{parentRefs: [{name: gw}]}",
            "NotAllowedByListeners",
        ),
        (
            "[{name: w, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {team: till}}}}}]",
            "{parentRefs: [{name: gw}]}",
            "NotAllowedByListeners",
        ),
        (
            "[{name: w, port: 80, protocol: HTTP, hostname: a.test}]",
            "{parentRefs: [{name: gw}], hostnames: [b.test]}",
            "NoMatchingListenerHostname",
        ),
        (
            HTTP,
            "{parentRefs: [{name: gw}], rules: [{filters: [{type: RequestRedirect, requestRedirect: {}}, {type: URLRewrite, urlRewrite: {}}]}]}",
            "IncompatibleFilters",
        ),
        (
            HTTP,
            "{parentRefs: [{name: gw}], rules: [{matches: [{path: {type: RegularExpression, value: '('}}]}]}",
            "UnsupportedValue",
        ),
        (
            HTTP,
            "{parentRefs: [{name: gw}], rules: [{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {remove: [content-length]}}]}]}",
            "UnsupportedValue",
        ),
    ] {
        let mut objects = objects();
        gateway(&mut objects, listeners);
        route(&mut objects, "a", spec);
        let outcome = Compiler::default().compile(&objects);
        let accepted = said(&outcome, "a").into_iter().find(|said| said.starts_with("Accepted"));
        assert_eq!(accepted, Some(format!("Accepted=False {expected}")), "{spec}");
        let config = configuration(&outcome);
        assert!(config.routes.is_empty() && config.listeners.len() == 1, "{spec}");
    }
}

#[test]
fn a_part_of_a_route_goes_on_without_the_rest() {
    let mut objects = objects();
    gateway(&mut objects, HTTP);
    route(
        &mut objects,
        "a",
        "{parentRefs: [{name: gw}], rules: [{matches: [{path: {type: RegularExpression, value: '('}}]}, {backendRefs: [{name: orders, port: 80}]}]}",
    );
    let outcome = Compiler::default().compile(&objects);
    assert_eq!(
        said(&outcome, "a"),
        [
            "Accepted=True Accepted",
            "PartiallyInvalid=True UnsupportedValue",
            "ResolvedRefs=True ResolvedRefs"
        ]
    );
    assert_eq!(configuration(&outcome).routes[0].rules.len(), 1);
}

#[test]
fn gateways_of_others_are_left_alone() {
    let mut objects = objects();
    objects.gateways.put(read(
        "{metadata: {name: gw, namespace: shop}, spec: {gatewayClassName: others, listeners: [{name: web, port: 80, protocol: HTTP}]}}",
    ));
    route(&mut objects, "a", "{parentRefs: [{name: gw}]}");
    let outcome = Compiler::default().compile(&objects);
    assert!(outcome.gateways.is_empty() && outcome.routes.is_empty());
}

#[test]
fn the_first_listener_keeps_what_two_want() {
    let mut objects = objects();
    gateway(
        &mut objects,
        "[{name: a, port: 80, protocol: HTTP}, {name: b, port: 80, protocol: TCP}, {name: c, port: 80, protocol: UDP}, {name: d, port: 80, protocol: HTTP}, {name: e, port: 80, protocol: HTTP, hostname: e.test}]",
    );
    let outcome = Compiler::default().compile(&objects);
    let key = ("shop".to_owned(), "gw".to_owned());
    let served = &outcome.gateways[&key];
    let conflicts: Vec<_> = served
        .listeners(&key)
        .map(|listener| listener.conflict.as_ref().map_or("", |fault| fault.reason))
        .collect();
    assert_eq!(conflicts, ["", "ProtocolConflict", "", "HostnameConflict", ""]);
    let config = configuration(&outcome);
    assert_eq!(config.listeners.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["a", "c", "e"]);
    assert_eq!(served.ports.iter().map(|port| port.target).collect::<Vec<_>>(), [10_080, 10_080]);
}

#[test]
fn a_listener_set_adds_listeners_where_the_gateway_allows_it() {
    let mut objects = objects();
    let set = "{metadata: {name: more, namespace: till}, spec: {parentRef: {name: gw, namespace: shop}, listeners: [{name: x, port: 81, protocol: HTTP}]}}";
    objects.listener_sets.put(read(set));
    gateway(&mut objects, HTTP);
    let key = ("shop".to_owned(), "gw".to_owned());
    let refused = Compiler::default().compile(&objects);
    let listeners = &refused.gateways[&key].listeners[&key];
    assert_eq!(
        listeners.sets[&("till".to_owned(), "more".to_owned())].refused.as_ref().unwrap().reason,
        "NotAllowed"
    );
    assert_eq!(listeners.attached_sets(), 0);

    objects.gateways.put(read(
        "{metadata: {name: gw, namespace: shop, uid: gw, generation: 2}, spec: {gatewayClassName: ours, allowedListeners: {namespaces: {from: All}}, listeners: [{name: web, port: 80, protocol: HTTP}]}}",
    ));
    objects.http_routes.put(read(
        "{metadata: {name: a, namespace: till}, spec: {parentRefs: [{kind: ListenerSet, name: more}]}}",
    ));
    let outcome = Compiler::default().compile(&objects);
    assert_eq!(outcome.gateways[&key].listeners[&key].attached_sets(), 1);
    let config = configuration(&outcome);
    let routes: Vec<_> =
        config.listeners.iter().map(|found| (&*found.name, found.routes.clone().unwrap())).collect();
    assert_eq!(routes, [("web", vec![]), ("till/more/x", vec!["HTTPRoute/till/a".to_owned()])]);
}

#[test]
fn streams_and_methods_of_grpc_go_to_their_services() {
    let mut objects = objects();
    gateway(
        &mut objects,
        "[{name: t, port: 5000, protocol: TCP}, {name: u, port: 53, protocol: UDP}, {name: s, port: 443, protocol: TLS, tls: {mode: Passthrough}}, {name: w, port: 80, protocol: HTTP}]",
    );
    objects.tcp_routes.put(read("{metadata: {name: t, namespace: shop}, spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: orders, port: 80}]}]}}"));
    objects.udp_routes.put(read("{metadata: {name: u, namespace: shop}, spec: {parentRefs: [{name: gw}], rules: [{backendRefs: [{name: orders, port: 53}]}]}}"));
    objects.tls_routes.put(read("{metadata: {name: s, namespace: shop}, spec: {parentRefs: [{name: gw}], hostnames: [a.test], rules: [{backendRefs: [{name: orders, port: 80, weight: 3}]}]}}"));
    objects.grpc_routes.put(read("{metadata: {name: g, namespace: shop}, spec: {parentRefs: [{name: gw}], rules: [{matches: [{method: {service: a.B, method: C}}], backendRefs: [{name: orders, port: 80}]}]}}"));
    let outcome = Compiler::default().compile(&objects);
    insta::assert_yaml_snapshot!(configuration(&outcome));
}

#[test]
fn what_was_compiled_before_is_taken_again_and_the_same_as_anew() {
    let mut objects = objects();
    gateway(&mut objects, HTTP);
    for name in ["a", "b", "c"] {
        route(
            &mut objects,
            name,
            "{parentRefs: [{name: gw}], rules: [{backendRefs: [{name: orders, port: 80}]}]}",
        );
    }
    let mut compiler = Compiler::default();
    let first = compiler.compile(&objects);
    objects.http_routes.put(read(
        "{metadata: {name: b, namespace: shop, uid: b, generation: 2}, spec: {parentRefs: [{name: gw}], hostnames: [b.test]}}",
    ));
    let second = compiler.compile(&objects);
    // Its status is ours, and nothing follows from it.
    objects.http_routes.put(read(
        "{metadata: {name: b, namespace: shop, uid: b, generation: 2, resourceVersion: '9'}, spec: {parentRefs: [{name: gw}], hostnames: [b.test]}, status: {parents: []}}",
    ));
    assert!(Arc::ptr_eq(&second, &compiler.compile(&objects)));
    let key = |name: &str| (RouteKind::Http, ("shop".to_owned(), name.to_owned()));
    assert!(Arc::ptr_eq(&first.routes[&key("a")], &second.routes[&key("a")]));
    assert!(!Arc::ptr_eq(&first.routes[&key("b")], &second.routes[&key("b")]));
    let anew = Compiler::default().compile(&objects);
    assert_eq!(configuration(&second), configuration(&anew));
    assert_ne!(configuration(&first), configuration(&second));
    // A Service is shared by all routes.
    objects.services.put(read("{metadata: {name: other, namespace: shop}, spec: {ports: [{port: 80}]}}"));
    let third = compiler.compile(&objects);
    assert!(!Arc::ptr_eq(&second.routes[&key("a")], &third.routes[&key("a")]));
    assert_eq!(configuration(&third), configuration(&anew));
}
