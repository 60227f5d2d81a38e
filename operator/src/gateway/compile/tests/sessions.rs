//! `sessionPersistence` of rules.

use super::*;

#[test]
fn requests_of_a_session_have_backends_of_their_own() {
    let rule = |session: &str| {
        format!(
            "{{matches: [{{path: {{value: /cart}}}}], sessionPersistence: {session}, backendRefs: [{{name: orders, port: 80}}]}}"
        )
    };
    let mut objects = objects();
    gateway(&mut objects, HTTP);
    let rules = [
        "{sessionName: cart, cookieConfig: {lifetimeType: Permanent}, absoluteTimeout: 1m500ms}",
        "{type: Header, sessionName: X-Session}",
        "{}",
    ]
    .map(rule)
    .join(", ");
    route(&mut objects, "a", &format!("{{parentRefs: [{{name: gw}}], rules: [{rules}]}}"));
    let outcome = Compiler::default().compile(&objects);
    assert_eq!(said(&outcome, "a"), ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs"]);
    let config = configuration(&outcome);
    let named = config.routes[0].rules.iter().map(|rule| rule.backends[0].backend.clone().unwrap());
    let affinities: Vec<_> = named.map(|name| config.backends[&name].affinity.clone().unwrap()).collect();
    insta::assert_yaml_snapshot!(affinities);
    assert_eq!(config.backends.len(), 3);
}

#[test]
fn a_session_that_cannot_be_kept_is_refused() {
    let one = "backendRefs: [{name: orders, port: 80}]";
    for (session, backends, field) in [
        ("{absoluteTimeout: 1h}", one, "absoluteTimeout"),
        ("{type: Header, absoluteTimeout: 1h}", one, "absoluteTimeout"),
        ("{cookieConfig: {lifetimeType: Permanent}}", one, "absoluteTimeout"),
        ("{cookieConfig: {lifetimeType: Permanent}, absoluteTimeout: 0s}", one, "absoluteTimeout"),
        ("{sessionName: 'a b'}", one, "sessionName"),
        ("{type: Header, sessionName: 'a b'}", one, "sessionName"),
        ("{type: Header, sessionName: content-length}", one, "sessionName"),
        ("{}", "backendRefs: [{name: orders, port: 80}, {name: orders, port: 81}]", "backendRefs"),
    ] {
        let mut objects = objects();
        gateway(&mut objects, HTTP);
        let spec =
            format!("{{parentRefs: [{{name: gw}}], rules: [{{sessionPersistence: {session}, {backends}}}]}}");
        route(&mut objects, "a", &spec);
        let outcome = Compiler::default().compile(&objects);
        let route = &outcome.routes[&(RouteKind::Http, ("shop".to_owned(), "a".to_owned()))];
        let accepted = &route.parents[0].said[0];
        assert_eq!((accepted.type_, accepted.reason), ("Accepted", "UnsupportedValue"), "{spec}");
        assert!(!accepted.holds() && accepted.message.contains(field), "{}", accepted.message);
    }
}
