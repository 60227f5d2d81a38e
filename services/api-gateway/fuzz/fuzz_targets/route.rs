//! The table finds the rule that looking at all of them finds, by the order of precedence of the Gateway API.

#![no_main]

use std::cmp::Reverse;

use arbitrary::Arbitrary;
use flotilla_api_gateway::edge::normalise;
use flotilla_api_gateway::policy::Policies;
use flotilla_api_gateway::route::{Found, Table};
use flotilla_gateway_config::{
    GatewayConfig, HeaderMatch, HostPattern, Listener, Match, PathMatch, QueryMatch, Route, Rule, ValueMatch,
};
use http::{Request, request::Parts};
use libfuzzer_sys::fuzz_target;
use serde_json::json;

const PORT: u16 = 80;

/// Few words, so that what is asked for is often there.
const HOSTS: [&str; 6] = ["a.com", "b.a.com", "*.a.com", "*.b.a.com", "c.b.a.com", "*.com"];
const ASKED: [&str; 6] = ["a.com", "b.a.com", "c.b.a.com", "d.c.b.a.com", "x.a.com", "com"];
const SEGMENTS: [&str; 12] = ["a", "b", "ab", "", ".", "..", "%61", "%2F", "a;b", "~", "%7e", "a%20b"];
const METHODS: [&str; 3] = ["GET", "PUT", "get"];
const NAMES: [&str; 2] = ["x", "y"];
const VALUES: [&str; 3] = ["1", "2", ""];

#[derive(Arbitrary, Debug)]
struct Input {
    listeners: Vec<Option<u8>>,
    routes: Vec<InputRoute>,
    host: u8,
    path: Vec<u8>,
    method: u8,
    headers: Vec<(u8, u8)>,
    query: Vec<(u8, u8)>,
}

#[derive(Arbitrary, Debug)]
struct InputRoute {
    hosts: Vec<u8>,
    rules: Vec<Vec<InputMatch>>,
}

#[derive(Arbitrary, Debug)]
struct InputMatch {
    path: Option<(bool, Vec<u8>)>,
    method: Option<u8>,
    headers: Vec<(u8, u8)>,
    query: Vec<(u8, u8)>,
}

fuzz_target!(|input: Input| {
    let config = config(&input);
    if !config.check().is_empty() {
        return;
    }
    let raw = text(&input.path);
    let query: Vec<_> = input
        .query
        .iter()
        .map(|(name, value)| format!("{}={}", pick(&NAMES, *name), pick(&VALUES, *value)))
        .collect();
    let mut request =
        Request::builder().method(pick(&METHODS, input.method)).uri(format!("{raw}?{}", query.join("&")));
    for (name, value) in &input.headers {
        request = request.header(pick(&NAMES, *name), pick(&VALUES, *value));
    }
    let Ok(request) = request.body(()) else { return };
    let parts = request.into_parts().0;
    let Ok(path) = normalise(&raw) else { return };
    let host = pick(&ASKED, input.host);
    let found = match Table::compile(&config, &Policies::default(), None).find(PORT, host, &path, &parts) {
        Found::NoListener => None,
        Found::NoRoute { listener } => Some((listener.to_string(), None)),
        Found::Rule { listener, matched } => {
            let rule = matched.rule.name.as_deref().unwrap_or_default().to_owned();
            Some((listener.to_string(), Some((rule, matched.prefix))))
        }
    };
    assert_eq!(found, by_looking_at_all(&config, host, &path, &parts), "{host} {path} {parts:?} {config:#?}");
});

fn pick<'w>(words: &[&'w str], number: u8) -> &'w str {
    words[usize::from(number) % words.len()]
}

/// A path of words.
fn text(segments: &[u8]) -> String {
    let segments: Vec<_> = segments.iter().map(|number| pick(&SEGMENTS, *number)).collect();
    format!("/{}", segments.join("/"))
}

fn host(number: u8) -> HostPattern {
    pick(&HOSTS, number).to_owned().try_into().expect("a host")
}

fn config(input: &Input) -> GatewayConfig {
    let mut hosts = Vec::new();
    for host in input.listeners.iter().map(|number| number.map(host)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    // As a file has it: most of what a listener may say makes no difference here.
    let listener = |(number, hostname): (usize, Option<HostPattern>)| -> Listener {
        let written =
            json!({"name": number.to_string(), "port": PORT, "protocol": "HTTP", "hostname": hostname});
        serde_json::from_value(written).expect("a listener")
    };
    let route = |(number, written): (usize, &InputRoute)| Route {
        name: number.to_string(),
        hostnames: written.hosts.iter().map(|number| host(*number)).collect(),
        rules: (0..)
            .zip(&written.rules)
            .map(|(place, matches): (usize, _)| Rule {
                name: Some(format!("{number}.{place}")),
                matches: matches.iter().map(wanted).collect(),
                ..Rule::default()
            })
            .collect(),
    };
    GatewayConfig {
        listeners: hosts.into_iter().enumerate().map(listener).collect(),
        routes: input.routes.iter().enumerate().map(route).map(Into::into).collect(),
        ..GatewayConfig::default()
    }
}

fn wanted(written: &InputMatch) -> Match {
    let value = |number: u8| ValueMatch::Exact(pick(&VALUES, number).to_owned());
    let path = written.path.as_ref().and_then(|(is_exact, segments)| {
        let path = text(segments).try_into().ok()?;
        Some(if *is_exact { PathMatch::Exact(path) } else { PathMatch::PathPrefix(path) })
    });
    Match {
        path,
        method: written.method.map(|number| pick(&METHODS, number).to_owned().try_into().expect("a method")),
        headers: written
            .headers
            .iter()
            .map(|(name, number)| HeaderMatch {
                name: pick(&NAMES, *name).to_owned().try_into().expect("a header's name"),
                value: value(*number),
            })
            .collect(),
        query: written
            .query
            .iter()
            .map(|(name, number)| QueryMatch { name: pick(&NAMES, *name).to_owned(), value: value(*number) })
            .collect(),
    }
}

/// Listener, and rule with what its prefix has matched.
type Outcome = Option<(String, Option<(String, usize)>)>;

fn by_looking_at_all(config: &GatewayConfig, host: &str, path: &str, parts: &Parts) -> Outcome {
    let listener = config
        .listeners
        .iter()
        .filter(|listener| fits(listener.hostname.as_ref(), host))
        .max_by_key(|listener| specific(listener.hostname.as_ref()))?;
    let mut best = None;
    for (route_number, route) in config.routes.iter().enumerate() {
        let everywhere = route.hostnames.is_empty().then_some(None);
        let hosts = route.hostnames.iter().map(Some).chain(everywhere).filter(|pattern| fits(*pattern, host));
        // The listener's host narrows a wider one of the route.
        let of_listener = specific(listener.hostname.as_ref());
        let Some(of_host) = hosts.map(|pattern| specific(pattern).max(of_listener)).max() else { continue };
        for (rule_number, rule) in route.rules.iter().enumerate() {
            let everything = [Match::default()];
            let matches = if rule.matches.is_empty() { &everything[..] } else { &rule.matches };
            for (number, wanted) in matches.iter().enumerate() {
                let Some(of_path) =
                    path_fits(wanted.path.as_ref(), path).filter(|_| rest_fits(wanted, parts))
                else {
                    continue;
                };
                let of_rest = (wanted.method.is_some(), wanted.headers.len(), wanted.query.len());
                let place = Reverse((route_number, rule_number, number));
                let prefix = if of_path.0 { 0 } else { of_path.1 };
                let rank = (of_host, of_path, of_rest, place);
                let name = rule.name.clone().unwrap_or_default();
                if best.as_ref().is_none_or(|(held, _)| *held < rank) {
                    best = Some((rank, (name, prefix)));
                }
            }
        }
    }
    Some((listener.name.clone(), best.map(|(_, rule)| rule)))
}

fn fits(pattern: Option<&HostPattern>, host: &str) -> bool {
    match pattern {
        None => true,
        Some(HostPattern::Exact(name)) => name.as_str() == host,
        Some(HostPattern::Below(parent)) => {
            host.strip_suffix(parent.as_str()).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
        }
    }
}

fn specific(pattern: Option<&HostPattern>) -> (u8, usize) {
    match pattern {
        None => (0, 0),
        Some(HostPattern::Below(parent)) => (1, parent.as_str().len()),
        Some(HostPattern::Exact(_)) => (2, 0),
    }
}

/// Whether it is exact, and how much of the path it means.
fn path_fits(wanted: Option<&PathMatch>, path: &str) -> Option<(bool, usize)> {
    let normal = |own: &str| normalise(own).map_or_else(|_| own.to_owned(), |path| path.into_owned());
    match wanted {
        None => Some((false, 0)),
        Some(PathMatch::Exact(own)) => (normal(own.as_str()) == path).then_some((true, path.len())),
        Some(PathMatch::PathPrefix(own)) => {
            let own = normal(own.as_str());
            let own: Vec<_> = own.strip_suffix('/').unwrap_or(&own).split('/').collect();
            let segments: Vec<_> = path.split('/').take(own.len()).collect();
            (segments == own).then(|| (false, own.join("/").len()))
        }
        Some(PathMatch::RegularExpression(_)) => unreachable!("none is made"),
    }
}

fn rest_fits(wanted: &Match, parts: &Parts) -> bool {
    let is = |wanted: &ValueMatch, value: &str| matches!(wanted, ValueMatch::Exact(own) if own == value);
    let header = |header: &HeaderMatch| {
        let mut values = parts.headers.get_all(&header.name.0).iter();
        values.any(|value| value.to_str().is_ok_and(|value| is(&header.value, value)))
    };
    let parameter = |parameter: &QueryMatch| {
        let pairs = parts.uri.query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(name, _)| *name == parameter.name).map(|(_, value)| value);
        values.next().is_some_and(|value| is(&parameter.value, value))
    };
    wanted.method.as_ref().is_none_or(|method| method.0 == parts.method)
        && wanted.headers.iter().all(header)
        && wanted.query.iter().all(parameter)
}
