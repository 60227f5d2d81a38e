//! Routes of HTTP and of gRPC that want the same hosts of a listener: the older has them (`GRPCRoute`, `spec.hostnames`).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use flotilla_gateway_config::{HostPattern, intersection};

use super::{RouteKey, RouteKind, attach::Gateways, hosts::Hosts, route::Route};
use crate::gateway::{condition::Verdict, objects::Key};

/// A listener of a gateway.
type Place = (Key, String);

/// Who has what a route wanted, by the listeners that it lost.
type Lost = BTreeMap<Place, String>;

/// Settles who attaches, and remembers, so that what was settled in the same way before is the same.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    known: BTreeMap<RouteKey, Settled>,
}

#[derive(Debug)]
struct Settled {
    from: Arc<Route>,
    lost: Lost,
    to: Arc<Route>,
}

impl Rivals {
    /// Takes listeners from routes whose hosts another has already.
    pub(super) fn settle(&mut self, routes: &mut Arc<BTreeMap<RouteKey, Arc<Route>>>, gateways: &Gateways) {
        let mut known = std::mem::take(&mut self.known);
        for (key, lost) in losers(routes, gateways) {
            let Some(route) = Arc::make_mut(routes).get_mut(&key) else { continue };
            let settled = match known.remove(&key) {
                Some(settled) if Arc::ptr_eq(&settled.from, route) && settled.lost == lost => settled,
                _ => Settled { from: Arc::clone(route), to: Arc::new(without(route, &lost)), lost },
            };
            *route = Arc::clone(&settled.to);
            self.known.insert(key, settled);
        }
    }
}

fn losers(routes: &BTreeMap<RouteKey, Arc<Route>>, gateways: &Gateways) -> BTreeMap<RouteKey, Lost> {
    let mut contested: BTreeMap<(&Key, &str), Vec<(&RouteKey, &Route)>> = BTreeMap::new();
    let grpc = routes.iter().filter(|((kind, _), _)| *kind == RouteKind::Grpc);
    for (key, route) in grpc {
        for (gateway, listeners) in &route.attached {
            for listener in listeners {
                contested.entry((gateway, listener)).or_default().push((key, &**route));
            }
        }
    }
    if contested.is_empty() {
        return BTreeMap::new();
    }
    for (key, route) in routes.iter().filter(|((kind, _), _)| *kind == RouteKind::Http) {
        for (gateway, listeners) in &route.attached {
            for listener in listeners {
                if let Some(found) = contested.get_mut(&(gateway, listener.as_str())) {
                    found.push((key, &**route));
                }
            }
        }
    }
    let mut losers: BTreeMap<RouteKey, Lost> = BTreeMap::new();
    for ((gateway, id), mut rivals) in contested {
        let listener = gateways.get(gateway).and_then(|all| all.all.iter().find(|found| found.id == id));
        let hostname = listener.and_then(|listener| listener.hostname.as_ref());
        rivals.sort_by(|(_, one), (_, other)| one.precedence().cmp(&other.precedence()));
        let (mut http, mut grpc) = (Hosts::<&str>::default(), Hosts::<&str>::default());
        for (key, route) in rivals {
            let (own, others) =
                if key.0 == RouteKind::Grpc { (&mut grpc, &http) } else { (&mut http, &grpc) };
            let hosts = common(hostname, &route.hostnames);
            match hosts.iter().find_map(|host| others.meeting(host.as_ref())) {
                None => hosts.iter().for_each(|host| own.take(host.as_ref(), &route.name)),
                Some(who) => {
                    let place = (gateway.clone(), id.to_owned());
                    losers.entry(key.clone()).or_default().insert(place, who.to_owned());
                }
            }
        }
    }
    losers
}

/// The hosts that a listener and a route have in common; `None` is any.
fn common(listener: Option<&HostPattern>, route: &[HostPattern]) -> Vec<Option<HostPattern>> {
    if route.is_empty() {
        return vec![listener.cloned()];
    }
    route.iter().filter_map(|host| intersection(listener, Some(host)).ok()).collect()
}

/// The route without the listeners that it lost.
fn without(route: &Route, lost: &Lost) -> Route {
    let mut route = route.clone();
    for (gateway, listeners) in &mut route.attached {
        listeners.retain(|listener| !lost.contains_key(&(gateway.clone(), listener.clone())));
    }
    route.attached.retain(|(_, listeners)| !listeners.is_empty());
    for parent in &mut route.parents {
        let Some(accepted) = parent.said.iter_mut().find(|said| said.type_ == "Accepted" && said.holds())
        else {
            continue;
        };
        let Some(gateway) = &parent.gateway else { continue };
        let (gone, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut parent.listeners)
            .into_iter()
            .partition(|listener| lost.contains_key(&(gateway.clone(), listener.clone())));
        parent.listeners = kept;
        if gone.is_empty() {
            continue;
        }
        let who: BTreeSet<_> = gone
            .iter()
            .filter_map(|listener| Some((listener, lost.get(&(gateway.clone(), listener.clone()))?)))
            .map(|(listener, who)| format!("listener {listener:?} has {who} for one of its hosts"))
            .collect();
        let why = format!(
            "{}, which is older: a host belongs to routes of HTTP or of gRPC",
            who.into_iter().collect::<Vec<_>>().join(", ")
        );
        *accepted = if parent.listeners.is_empty() {
            Verdict::bad("Accepted", "HostnameConflict", why)
        } else {
            Verdict::good("Accepted", "Accepted", format!("the route is attached, but not everywhere: {why}"))
        };
    }
    route
}
