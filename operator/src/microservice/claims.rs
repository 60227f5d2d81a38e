//! Which hosts and paths of which gateway each service claims, so that two that claim the same are told.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::{PoisonError, RwLock},
};

use flotilla_crds::v1alpha1::{Microservice, ParentReference, Route};
use kube::ResourceExt;
use serde_json::json;

use super::edges::Key;

/// A gateway, a host and what is matched there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim {
    gateway: String,
    host: String,
    matches: String,
}

/// The claims of one scope.
#[derive(Debug, Default)]
pub struct Claims(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    /// The claims of each service.
    known: HashMap<Key, BTreeSet<Claim>>,
    /// Who claims what: the first is whoever was there first.
    claimants: HashMap<Claim, BTreeSet<(String, Key)>>,
}

/// Another service with the same claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rival {
    /// Name of our route.
    pub route: String,
    /// The other service.
    pub other: Key,
    /// Whether it was there before us, so that ours has to wait.
    pub comes_first: bool,
    /// What both claim, for people.
    pub what: String,
}

/// What a route claims. Without hosts it is every host of the gateway; without matches every request.
fn of_route(namespace: &str, route: &Route) -> BTreeSet<Claim> {
    let matches: BTreeSet<String> = if route.grpc_rules.is_empty() {
        let all = route.rules.iter().flat_map(|rule| {
            if rule.matches.is_empty() {
                vec![String::new()]
            } else {
                rule.matches.iter().map(written).collect()
            }
        });
        if route.rules.is_empty() { BTreeSet::from([String::new()]) } else { all.collect() }
    } else {
        let all = route.grpc_rules.iter().flat_map(|rule| {
            if rule.matches.is_empty() {
                vec![String::new()]
            } else {
                rule.matches.iter().map(|found| json!(found).to_string()).collect()
            }
        });
        all.collect()
    };
    let hosts = if route.hostnames.is_empty() { vec!["*".to_owned()] } else { route.hostnames.clone() };
    let mut claims = BTreeSet::new();
    for parent in &route.parent_refs {
        for host in &hosts {
            for matches in &matches {
                let gateway = gateway(namespace, parent);
                claims.insert(Claim { gateway, host: host.clone(), matches: matches.clone() });
            }
        }
    }
    claims
}

/// A match in one way of writing: `PathPrefix /` alone is every request.
fn written(found: &flotilla_crds::v1alpha1::HttpRouteMatch) -> String {
    use flotilla_crds::v1alpha1::PathMatchType;
    let mut found = found.clone();
    if let Some(path) = &mut found.path {
        let type_ = path.type_.get_or_insert(PathMatchType::PathPrefix);
        let value = path.value.get_or_insert_with(|| "/".to_owned());
        if *type_ == PathMatchType::PathPrefix && value == "/" {
            found.path = None;
        }
    }
    let text = json!(found).to_string();
    if text == "{}" { String::new() } else { text }
}

fn gateway(namespace: &str, parent: &ParentReference) -> String {
    let kind = parent.kind.as_deref().unwrap_or("Gateway");
    let namespace = parent.namespace.as_deref().unwrap_or(namespace);
    let section = parent.section_name.as_deref().unwrap_or_default();
    format!("{kind} {namespace}/{} {section}", parent.name)
}

impl Claims {
    /// Takes in a service as it is now. Returns the services that must look at it again.
    pub fn update(&self, service: &Microservice) -> BTreeSet<Key> {
        let key = (service.namespace().unwrap_or_default(), service.name_any());
        let now: BTreeSet<Claim> =
            service.spec.routes.iter().flat_map(|route| of_route(&key.0, route)).collect();
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if state.known.get(&key).map_or(now.is_empty(), |before| *before == now) {
            return BTreeSet::new();
        }
        let mut concerned = state.forget(&key);
        let age = service.metadata.creation_timestamp.as_ref().map(|time| time.0.to_string());
        for claim in &now {
            let claimants = state.claimants.entry(claim.clone()).or_default();
            concerned.extend(claimants.iter().map(|(_, other)| other.clone()));
            claimants.insert((age.clone().unwrap_or_default(), key.clone()));
        }
        state.known.insert(key.clone(), now);
        concerned.remove(&key);
        concerned
    }

    /// Takes in that a service is gone. Returns the services that must look again.
    pub fn remove(&self, key: &Key) -> BTreeSet<Key> {
        self.0.write().unwrap_or_else(PoisonError::into_inner).forget(key)
    }

    /// Who else claims what this service does; one for each of its routes and each other service.
    pub fn rivals(&self, service: &Microservice) -> Vec<Rival> {
        let key = (service.namespace().unwrap_or_default(), service.name_any());
        let state = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut rivals: BTreeMap<(String, Key), Rival> = BTreeMap::new();
        for route in &service.spec.routes {
            for claim in of_route(&key.0, route) {
                let mut after_us = false;
                for (_, other) in state.claimants.get(&claim).into_iter().flatten() {
                    if *other == key {
                        after_us = true;
                        continue;
                    }
                    let rival = Rival {
                        route: route.name.clone(),
                        other: other.clone(),
                        comes_first: !after_us,
                        what: claim.to_string(),
                    };
                    let known = rivals.entry((route.name.clone(), other.clone())).or_insert(rival.clone());
                    if rival.comes_first {
                        *known = rival;
                    }
                }
            }
        }
        rivals.into_values().collect()
    }
}

impl std::fmt::Display for Claim {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = if self.host == "*" { "every host" } else { &self.host };
        let matches = if self.matches.is_empty() { "every request" } else { &self.matches };
        write!(formatter, "{matches} to {host} at {}", self.gateway.trim())
    }
}

impl State {
    /// Removes all claims of a service. Returns the other claimants of them.
    fn forget(&mut self, key: &Key) -> BTreeSet<Key> {
        let mut concerned = BTreeSet::new();
        for claim in self.known.remove(key).unwrap_or_default() {
            if let Some(claimants) = self.claimants.get_mut(&claim) {
                claimants.retain(|(_, other)| other != key);
                concerned.extend(claimants.iter().map(|(_, other)| other.clone()));
                if claimants.is_empty() {
                    self.claimants.remove(&claim);
                }
            }
        }
        concerned
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, second: u8, routes: &str) -> Microservice {
        let spec: serde_json::Value =
            serde_saphyr::from_str(&format!("{{image: app, routes: {routes}}}")).unwrap();
        serde_json::from_value(json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice",
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")},
            "spec": spec,
        }))
        .unwrap()
    }

    const ALL: &str = "[{name: public, hostnames: [a.example.com], parentRefs: [{name: gw}]}]";

    #[test]
    fn the_first_keeps_what_two_claim_and_both_hear_of_it() {
        let claims = Claims::default();
        let (first, second) = (service("first", 1, ALL), service("second", 2, ALL));
        // The younger one may be seen first.
        assert_eq!(claims.update(&second), BTreeSet::new());
        assert_eq!(claims.update(&first), BTreeSet::from([("shop".into(), "second".into())]));
        let [loser] = &claims.rivals(&second)[..] else { panic!() };
        assert!(loser.comes_first);
        assert_eq!(loser.what, "every request to a.example.com at Gateway shop/gw");
        let [winner] = &claims.rivals(&first)[..] else { panic!() };
        assert!(!winner.comes_first);
        assert_eq!(
            claims.remove(&("shop".into(), "first".into())),
            BTreeSet::from([("shop".into(), "second".into())])
        );
        assert_eq!(claims.rivals(&second), []);
    }

    #[test]
    fn other_hosts_paths_and_gateways_are_no_conflict() {
        let claims = Claims::default();
        claims.update(&service("first", 1, ALL));
        for other in [
            "[{name: public, hostnames: [b.example.com], parentRefs: [{name: gw}]}]",
            "[{name: public, hostnames: [a.example.com], parentRefs: [{name: other}]}]",
            "[{name: public, hostnames: [a.example.com], parentRefs: [{name: gw}], rules: [{matches: [{path: {value: /v1}}]}]}]",
        ] {
            let second = service("second", 2, other);
            claims.update(&second);
            assert_eq!(claims.rivals(&second), [], "{other}");
        }
        let same = service(
            "second",
            2,
            "[{name: x, hostnames: [a.example.com], parentRefs: [{name: gw}], rules: [{matches: [{path: {value: /}}]}]}]",
        );
        claims.update(&same);
        assert_eq!(claims.rivals(&same).len(), 1);
    }
}
