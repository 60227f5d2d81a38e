use std::cmp::Reverse;

use flotilla_gateway_config::{HeaderName, PathMatch, Pattern, ValueMatch};
use http::Request;
use proptest::{collection::vec, option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;

fn table(config: &GatewayConfig) -> Table {
    Table::compile(config, &Policies::default(), None)
}

fn config(value: Value) -> GatewayConfig {
    let config: GatewayConfig = serde_json::from_value(value).unwrap();
    assert_eq!(config.check(), []);
    config
}

fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Parts {
    let mut builder = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(()).unwrap().into_parts().0
}

fn found(table: &Table, port: u16, host: &str, parts: &Parts) -> String {
    match table.find(port, host, parts.uri.path(), parts) {
        Found::NoListener => "no listener".to_owned(),
        Found::NoRoute { listener } => format!("{listener}: no route"),
        Found::Rule { listener, matched } => {
            format!("{listener}: {} {}", matched.rule.name.as_deref().unwrap_or("-"), matched.prefix)
        }
    }
}

/// The first of the Gateway API's rules of precedence that tells two matches apart decides.
#[test]
fn precedence() {
    let rule = |name: &str, matches: Value| json!({"name": name, "matches": [matches]});
    let table = table(&config(json!({
        "listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}],
        "routes": [{"name": "r", "rules": [
            rule("root", json!({"path": {"pathPrefix": "/"}})),
            rule("get", json!({"method": "GET"})),
            rule("a", json!({"path": {"pathPrefix": "/a"}})),
            rule("a-header", json!({"path": {"pathPrefix": "/a"}, "headers": [{"name": "x", "value": {"exact": "1"}}]})),
            rule("a-two", json!({"path": {"pathPrefix": "/a"}, "headers": [{"name": "x", "value": {"exact": "1"}}, {"name": "y", "value": {"regularExpression": "[0-9]+"}}]})),
            rule("a-query", json!({"path": {"pathPrefix": "/a"}, "query": [{"name": "q", "value": {"exact": "a b"}}]})),
            rule("a-post", json!({"path": {"pathPrefix": "/a"}, "method": "POST"})),
            rule("ab", json!({"path": {"pathPrefix": "/a/b/"}})),
            rule("exact", json!({"path": {"exact": "/a/b/c"}})),
            rule("pattern", json!({"path": {"regularExpression": "/a/.*z"}})),
            rule("later", json!({"path": {"pathPrefix": "/a"}})),
        ]}],
    })));
    for (method, path, headers, expected) in [
        ("PUT", "/", &[][..], "root 0"),
        ("GET", "/", &[], "get 0"),
        ("PUT", "/a", &[], "a 2"),
        ("PUT", "/a/", &[], "a 2"),
        ("PUT", "/ab", &[], "root 0"),
        ("PUT", "/a/x", &[("x", "1")], "a-header 2"),
        ("PUT", "/a/x", &[("x", "1"), ("y", "77")], "a-two 2"),
        ("PUT", "/a/x", &[("x", "1"), ("y", "7x")], "a-header 2"),
        ("PUT", "/a/x?q=a%20b", &[], "a-query 2"),
        ("PUT", "/a/x?q=a+b&q=c", &[], "a-query 2"),
        ("PUT", "/a/x?q=c&q=a+b", &[], "a 2"),
        ("POST", "/a/x?q=a+b", &[("x", "1")], "a-post 2"),
        ("PUT", "/a/b", &[], "ab 4"),
        ("PUT", "/a/b/", &[], "ab 4"),
        ("PUT", "/a/b/d", &[], "ab 4"),
        ("PUT", "/a/bc", &[], "a 2"),
        ("PUT", "/a/b/c", &[], "exact 0"),
        ("PUT", "/a/b/c/", &[], "ab 4"),
        ("PUT", "/a/b/z", &[], "pattern 0"),
    ] {
        let found = found(&table, 80, "any", &request(method, path, headers));
        assert_eq!(found, format!("web: {expected}"), "{method} {path} {headers:?}");
    }
}

/// However a path is written, in the configuration or in a request, it is one path.
#[test]
fn a_path_has_one_form() {
    let rule = |path: Value| json!({"name": "r", "matches": [{"path": path}]});
    for (path, asked, expected) in [
        (json!({"exact": "/a//%62"}), "/a/b", "web: r 0"),
        (json!({"exact": "/a%2fb"}), "/a%2Fb", "web: r 0"),
        (json!({"pathPrefix": "/a/./%62/"}), "/a/b/c", "web: r 4"),
        (json!({"pathPrefix": "//"}), "/a", "web: r 0"),
        (json!({"pathPrefix": "/a/../.."}), "/a", "web: no route"),
    ] {
        let table = table(&config(json!({
            "listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}],
            "routes": [{"name": "r", "rules": [rule(path.clone())]}],
        })));
        assert_eq!(found(&table, 80, "any", &request("GET", asked, &[])), expected, "{path}");
    }
}

/// A listener with a more specific host takes a request from the others, also when it has no rule for it.
#[test]
fn listeners_are_isolated() {
    let route = |name: &str, hosts: Value| json!({"name": name, "hostnames": hosts, "rules": [{"name": name, "matches": [{"path": {"pathPrefix": format!("/{name}")}}]}]});
    let table = table(&config(json!({
        "listeners": [
            {"name": "any", "port": 80, "protocol": "HTTP", "routes": ["a", "c"]},
            {"name": "below", "port": 80, "protocol": "HTTP", "hostname": "*.example.com", "routes": ["b", "c"]},
            {"name": "deep", "port": 80, "protocol": "HTTP", "hostname": "*.foo.example.com", "routes": ["c"]},
            {"name": "exact", "port": 80, "protocol": "HTTP", "hostname": "abc.foo.example.com", "routes": ["b"]},
            {"name": "other", "port": 81, "protocol": "HTTP", "hostname": "bar.com"},
        ],
        "routes": [route("a", json!([])), route("b", json!(["*.example.com"])), route("c", json!(["abc.foo.example.com", "x.example.com"]))],
    })));
    for (port, host, path, expected) in [
        (80, "bar.com", "/a", "any: a 2"),
        (80, "bar.com", "/b", "any: no route"),
        (80, "y.example.com", "/b", "below: b 2"),
        (80, "y.example.com", "/a", "below: no route"),
        (80, "y.example.com", "/c", "below: no route"),
        (80, "x.example.com", "/c", "below: c 2"),
        (80, "q.foo.example.com", "/b", "deep: no route"),
        (80, "abc.foo.example.com", "/b", "exact: b 2"),
        (80, "abc.foo.example.com", "/c", "exact: no route"),
        (81, "bar.com", "/a", "other: a 2"),
        (81, "bar.com", "/b", "other: no route"),
        (81, "foo.com", "/a", "no listener"),
        (82, "bar.com", "/a", "no listener"),
    ] {
        assert_eq!(found(&table, port, host, &request("GET", path, &[])), expected, "{port} {host} {path}");
    }
}

fn path() -> impl Strategy<Value = String> {
    (vec(select(vec!["a", "b", "aa"]), 0..4), any::<bool>()).prop_map(|(segments, ends_in_slash)| {
        let slash = if ends_in_slash && !segments.is_empty() { "/" } else { "" };
        format!("/{}{slash}", segments.join("/"))
    })
}

fn value(text: impl Strategy<Value = &'static str>) -> impl Strategy<Value = ValueMatch> {
    (text, any::<bool>()).prop_map(|(text, is_pattern)| {
        if is_pattern {
            ValueMatch::RegularExpression(Pattern::try_from(format!("{text}+")).unwrap())
        } else {
            ValueMatch::Exact(text.to_owned())
        }
    })
}

fn one_match() -> impl Strategy<Value = Match> {
    let paths = prop_oneof![
        path().prop_map(|path| PathMatch::Exact(path.try_into().unwrap())),
        path().prop_map(|path| PathMatch::PathPrefix(path.try_into().unwrap())),
        select(vec!["/a.*", ".*b", "/"])
            .prop_map(|text| PathMatch::RegularExpression(Pattern::try_from(text.to_owned()).unwrap())),
    ];
    let header = (select(vec!["x", "y"]), value(select(vec!["1", "2"]))).prop_map(|(name, value)| {
        config::HeaderMatch { name: HeaderName::try_from(name.to_owned()).unwrap(), value }
    });
    let query = (select(vec!["p", "q"]), value(select(vec!["1", "2"])))
        .prop_map(|(name, value)| config::QueryMatch { name: name.to_owned(), value });
    let method = option::of(select(vec!["GET", "PUT"]).prop_map(|name| name.to_owned().try_into().unwrap()));
    (option::of(paths), method, vec(header, 0..3), vec(query, 0..3))
        .prop_map(|(path, method, headers, query)| Match { path, method, headers, query })
}

const HOSTS: [&str; 5] = ["a.com", "b.a.com", "*.a.com", "*.b.a.com", "c.b.a.com"];

fn host() -> impl Strategy<Value = HostPattern> {
    select(HOSTS.to_vec()).prop_map(|text| text.to_owned().try_into().unwrap())
}

fn any_config() -> impl Strategy<Value = GatewayConfig> {
    let routes = vec((vec(host(), 0..3), vec(vec(one_match(), 0..3), 1..4)), 1..5);
    let listeners = proptest::collection::hash_set(option::of(select(HOSTS.to_vec())), 1..4);
    (routes, listeners).prop_map(|(routes, listeners)| {
        let routes = routes.into_iter().enumerate().map(|(index, (hostnames, rules))| {
            let rule = |(number, matches)| config::Rule {
                name: Some(format!("{index}.{number}")),
                matches,
                ..config::Rule::default()
            };
            let rules = rules.into_iter().enumerate().map(rule).collect();
            config::Route { name: index.to_string(), hostnames, rules }
        });
        let listeners = listeners.into_iter().enumerate().map(|(index, host)| Listener {
            name: index.to_string(),
            port: 80,
            target_port: None,
            protocol: config::ListenerProtocol::Http,
            proxy_protocol: false,
            hostname: host.map(|host| host.to_owned().try_into().unwrap()),
            tls: None,
            routes: None,
            policy: config::Policy::default(),
        });
        GatewayConfig {
            listeners: listeners.collect(),
            routes: routes.map(Arc::new).collect(),
            ..GatewayConfig::default()
        }
    })
}

/// The rules of a table by their names.
fn rules(table: &Table) -> Vec<Arc<Rule>> {
    table.rules.iter().flat_map(|(_, rules)| rules).cloned().collect()
}

#[test]
fn rules_of_routes_that_stay_are_held_over_and_those_with_policies_are_not() {
    let route = |name: &str, rule: Value| json!({"name": name, "rules": [rule]});
    let listeners = json!([{"name": "web", "port": 80, "protocol": "HTTP"}]);
    let mut before = config(json!({
        "listeners": listeners,
        "routes": [
            route("a", json!({"name": "a"})),
            route("b", json!({"name": "b", "policy": {"maxBodyBytes": 1}})),
            route("c", json!({"name": "c"})),
        ],
    }));
    let first = table(&before);
    before.routes[2] = Arc::new(config::Route { rules: Vec::new(), ..(*before.routes[2]).clone() });
    before.routes.push(Arc::clone(&before.routes[0]));
    before.routes.remove(0);
    let second = Table::compile(&before, &Policies::default(), Some(&first));
    let (old, new) = (rules(&first), rules(&second));
    let names: Vec<_> = new.iter().map(|rule| rule.name.as_deref().unwrap()).collect();
    assert_eq!(names, ["b", "a"]);
    assert!(Arc::ptr_eq(&old[0], &new[1]) && !Arc::ptr_eq(&old[1], &new[0]));
}

/// The same by looking at everything, and putting what fits into the order that the Gateway API writes down.
fn by_looking_at_all(config: &GatewayConfig, host: &str, parts: &Parts) -> String {
    let specific = |pattern: Option<&HostPattern>| match pattern {
        None => (0, 0),
        Some(HostPattern::Below(parent)) => (1, parent.as_str().len()),
        Some(HostPattern::Exact(_)) => (2, 0),
    };
    let fits = |pattern: Option<&HostPattern>| pattern.is_none_or(|pattern| pattern.fits(host));
    let of_host = config.listeners.iter().filter(|listener| fits(listener.hostname.as_ref()));
    let Some(listener) = of_host.max_by_key(|listener| specific(listener.hostname.as_ref())) else {
        return "no listener".to_owned();
    };
    let mut fitting = Vec::new();
    for (order, route) in config.routes.iter().enumerate() {
        let mut hosts: Vec<_> = route.hostnames.iter().map(Some).collect();
        if hosts.is_empty() {
            hosts.push(None);
        }
        let own = hosts.into_iter().filter(|host| fits(*host)).map(specific).max();
        // The listener's host narrows a wider one of the route.
        let Some(own) = own.map(|own| own.max(specific(listener.hostname.as_ref()))) else { continue };
        for (number, rule) in route.rules.iter().enumerate() {
            let all = [Match::default()];
            let matches = if rule.matches.is_empty() { &all[..] } else { &rule.matches };
            for (place, wanted) in matches.iter().enumerate() {
                if let Some((kind, length)) = fitting_path(wanted, parts) {
                    let rest =
                        (wanted.method.is_none(), Reverse(wanted.headers.len()), Reverse(wanted.query.len()));
                    let rank = (Reverse(own), kind, Reverse(length), rest, (order, number, place));
                    fitting.push((rank, rule.name.clone().unwrap(), length));
                }
            }
        }
    }
    match fitting.into_iter().min() {
        None => format!("{}: no route", listener.name),
        Some((_, rule, length)) => format!("{}: {rule} {length}", listener.name),
    }
}

fn fitting_path(wanted: &Match, parts: &Parts) -> Option<(u8, usize)> {
    let is_value = |value: &str, wanted: &ValueMatch| match wanted {
        ValueMatch::Exact(own) => own == value,
        ValueMatch::RegularExpression(pattern) => pattern.fits(value),
    };
    let method = wanted.method.as_ref().is_none_or(|method| method.0 == parts.method);
    let headers = wanted.headers.iter().all(|header| {
        parts
            .headers
            .get_all(&header.name.0)
            .iter()
            .any(|value| is_value(value.to_str().unwrap(), &header.value))
    });
    let query = wanted.query.iter().all(|parameter| {
        let pairs = parts.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        pairs
            .into_iter()
            .find(|(name, _)| *name == parameter.name)
            .is_some_and(|(_, value)| is_value(value, &parameter.value))
    });
    if !(method && headers && query) {
        return None;
    }
    let path = parts.uri.path();
    match &wanted.path {
        None => Some((2, 0)),
        Some(PathMatch::Exact(own)) => (own.as_str() == path).then_some((0, 0)),
        Some(PathMatch::RegularExpression(pattern)) => pattern.fits(path).then_some((1, 0)),
        Some(PathMatch::PathPrefix(own)) => {
            let prefix = own.as_str().strip_suffix('/').unwrap_or(own.as_str());
            let rest = path.strip_prefix(prefix)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((2, prefix.len()))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn the_table_finds_what_looking_at_all_finds(
        config in any_config(),
        host in select(vec!["a.com", "b.a.com", "c.b.a.com", "d.a.com", "e.c.b.a.com", "z.org"]),
        path in path(),
        method in select(vec!["GET", "PUT"]),
        headers in vec((select(vec!["x", "y"]), select(vec!["1", "2", "11"])), 0..3),
        query in vec((select(vec!["p", "q"]), select(vec!["1", "2", "22"])), 0..3),
    ) {
        let query: Vec<_> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let uri = if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) };
        let parts = request(method, &uri, &headers);
        prop_assert_eq!(
            found(&table(&config), 80, host, &parts),
            by_looking_at_all(&config, host, &parts)
        );
    }
}
