//! What the slices of all Services say, in little memory, and the addresses that follow from it. Pure.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use smallvec::SmallVec;

use super::slice::{self, EndpointSlice, SERVICE_NAME};

/// A Service: `namespace/name`.
pub type Service = Arc<str>;

/// Services whose addresses may be others.
pub type Changed = SmallVec<[Service; 1]>;

/// The name of a Service in a map.
pub fn service(namespace: &str, name: &str) -> Service {
    format!("{namespace}/{name}").into()
}

/// All slices.
#[derive(Debug, Default)]
pub struct Known {
    /// The zone of this gateway. Without one, endpoints of all zones are used alike.
    zone: Option<Arc<str>>,
    /// By `namespace/name`.
    slices: HashMap<Arc<str>, Slice>,
    services: HashMap<Service, BTreeSet<Arc<str>>>,
}

/// A slice.
#[derive(Debug, PartialEq, Eq)]
struct Slice {
    /// `None` for one without the label.
    service: Option<Service>,
    ports: Box<[(Box<str>, u16)]>,
    endpoints: Box<[(IpAddr, State, Zone)]>,
    is_refused: bool,
}

/// What an endpoint can do; what is better is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum State {
    /// It ends, and answers still.
    Ending,
    /// It takes requests.
    Ready,
}

/// For whom an endpoint is meant; what is better is larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Zone {
    /// For clients in other zones.
    Other,
    /// For clients in this zone.
    Own,
    /// Nothing is said.
    Unsaid,
}

impl Known {
    /// With nothing known, for a gateway in a zone.
    pub fn new(zone: Option<Arc<str>>) -> Self {
        Self { zone, ..Self::default() }
    }

    /// With nothing known, for the same gateway.
    #[must_use]
    pub fn anew(&self) -> Self {
        Self::new(self.zone.clone())
    }

    /// Takes in a slice as it is now. Returns the Services whose addresses may be others: two when it has moved.
    pub fn apply(&mut self, slice: EndpointSlice) -> Changed {
        let Some(name) = name(&slice) else { return Changed::new() };
        let kept = Slice::new(&slice, self.zone.as_deref());
        let before = self.slices.get(&name);
        if kept.is_refused && before.is_none_or(|before| !before.is_refused) {
            tracing::warn!(
                slice = %name, addresses = %slice.address_type,
                "the addresses of an EndpointSlice are not used: they are neither IPv4 nor IPv6"
            );
        }
        if before == Some(&kept) {
            return Changed::new();
        }
        let mut changed = self.forget(&name);
        if let Some(service) = &kept.service {
            self.services.entry(Arc::clone(service)).or_default().insert(Arc::clone(&name));
            if !changed.contains(service) {
                changed.push(Arc::clone(service));
            }
        }
        self.slices.insert(name, kept);
        changed
    }

    /// Forgets a slice that is gone. Returns the Services whose addresses may be others.
    pub fn delete(&mut self, slice: &EndpointSlice) -> Changed {
        name(slice).map(|name| self.forget(&name)).unwrap_or_default()
    }

    fn forget(&mut self, name: &Arc<str>) -> Changed {
        let Some(service) = self.slices.remove(name).and_then(|slice| slice.service) else {
            return Changed::new();
        };
        if let Some(names) = self.services.get_mut(&service) {
            names.remove(name);
            if names.is_empty() {
                self.services.remove(&service);
            }
        }
        Changed::from_iter([service])
    }

    /// Where a port of a Service is, in order, each once. Endpoints that end are named when no other is left, as there may
    /// be a moment without any in which they still answer (KEP-1669). Of the others, those are left out that are meant for
    /// other zones, when each is meant for some and one for this zone (KEP-2433).
    pub fn addresses(&self, service: &str, port: &str) -> Vec<SocketAddr> {
        let mut best: BTreeMap<SocketAddr, (State, Zone)> = BTreeMap::new();
        let names = self.services.get(service).into_iter().flatten();
        for slice in names.filter_map(|name| self.slices.get(name)) {
            let Some((_, number)) = slice.ports.iter().find(|(name, _)| **name == *port) else { continue };
            for (address, state, zone) in &slice.endpoints {
                // While an endpoint moves from one slice to another it is in both.
                let known = best.entry(SocketAddr::new(*address, *number)).or_insert((*state, *zone));
                *known = (*known).max((*state, *zone));
            }
        }
        let found = best.values().map(|(state, _)| *state).max();
        best.retain(|_, (state, _)| Some(*state) == found);
        let has = |wanted: Zone| best.values().any(|(_, zone)| *zone == wanted);
        if has(Zone::Own) && !has(Zone::Unsaid) {
            best.retain(|_, (_, zone)| *zone == Zone::Own);
        }
        best.into_keys().collect()
    }
}

fn name(slice: &EndpointSlice) -> Option<Arc<str>> {
    Some(service(slice.metadata.namespace.as_deref()?, slice.metadata.name.as_deref()?))
}

impl Slice {
    fn new(slice: &EndpointSlice, zone: Option<&str>) -> Self {
        let is_refused = !matches!(slice.address_type.as_str(), "IPv4" | "IPv6");
        let endpoints = slice.endpoints.iter().flatten().filter(|_| !is_refused);
        let ports = slice.ports.iter().flatten();
        let metadata = &slice.metadata;
        let of = metadata.labels.as_ref().and_then(|labels| labels.get(SERVICE_NAME));
        Self {
            service: of.zip(metadata.namespace.as_deref()).map(|(of, namespace)| service(namespace, of)),
            ports: ports
                .filter_map(|port| Some((port.name.as_deref().unwrap_or_default().into(), port.port?)))
                .collect(),
            endpoints: endpoints
                .filter_map(|endpoint| {
                    let address = endpoint.addresses.first()?.parse().ok()?;
                    Some((address, State::of(endpoint)?, Zone::of(endpoint, zone)))
                })
                .collect(),
            is_refused,
        }
    }
}

impl State {
    /// `None` for an endpoint that takes no requests.
    fn of(endpoint: &slice::Endpoint) -> Option<Self> {
        let conditions = endpoint.conditions.unwrap_or_default();
        let is_ready = conditions.ready.unwrap_or(true);
        if conditions.terminating.unwrap_or(false) {
            conditions.serving.unwrap_or(is_ready).then_some(Self::Ending)
        } else {
            is_ready.then_some(Self::Ready)
        }
    }
}

impl Zone {
    fn of(endpoint: &slice::Endpoint, own: Option<&str>) -> Self {
        let meant = endpoint.hints.as_ref().and_then(|hints| hints.for_zones.as_ref());
        match (own, meant) {
            (None, _) | (_, None) => Self::Unsaid,
            (_, Some(zones)) if zones.is_empty() => Self::Unsaid,
            (Some(own), Some(zones)) if zones.iter().any(|zone| zone.name == own) => Self::Own,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn slice(name: &str, endpoints: Value) -> EndpointSlice {
        of("IPv4", name, json!([{"name": "http", "port": 80}, {"port": 81}, {"name": "all"}]), endpoints)
    }

    fn of(kind: &str, name: &str, ports: Value, endpoints: Value) -> EndpointSlice {
        serde_json::from_value(json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"namespace": "shop", "name": name, "labels": {SERVICE_NAME: "orders"}},
            "addressType": kind,
            "ports": ports,
            "endpoints": endpoints,
        }))
        .unwrap()
    }

    fn at(address: &str, conditions: Value) -> Value {
        json!({"addresses": [address, "10.9.9.9"], "conditions": conditions, "nodeName": "a"})
    }

    fn addresses(known: &Known, port: &str) -> Vec<String> {
        known.addresses("shop/orders", port).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn slices_of_both_families_are_one_list_with_each_address_once() {
        let mut known = Known::default();
        let changed = known.apply(slice("a", json!([at("10.0.0.2", json!({})), at("10.0.0.1", json!({}))])));
        assert_eq!(*changed, ["shop/orders".into()]);
        known.apply(slice("b", json!([at("10.0.0.2", json!({"ready": true})), at("10.0.0.3", json!(null))])));
        known.apply(of(
            "IPv6",
            "c",
            json!([{"name": "http", "port": 8080}]),
            json!([at("fd00::1", json!({}))]),
        ));
        let expected = ["10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", "[fd00::1]:8080"];
        assert_eq!(addresses(&known, "http"), expected);
        assert_eq!(addresses(&known, ""), ["10.0.0.1:81", "10.0.0.2:81", "10.0.0.3:81"]);
        assert_eq!(addresses(&known, "all"), [""; 0]);
        assert_eq!(known.addresses("shop/other", "http"), []);
        assert_eq!(*known.delete(&slice("b", json!([]))), ["shop/orders".into()]);
        assert_eq!(addresses(&known, "http"), ["10.0.0.1:80", "10.0.0.2:80", "[fd00::1]:8080"]);
        assert!(known.delete(&slice("b", json!([]))).is_empty());
    }

    #[test]
    fn a_slice_that_moves_leaves_nothing_behind() {
        let mut known = Known::default();
        let mut moves = slice("a", json!([at("10.0.0.1", json!({}))]));
        known.apply(moves.clone());
        moves.metadata.labels = Some([(SERVICE_NAME.to_owned(), "carts".to_owned())].into());
        assert_eq!(*known.apply(moves.clone()), ["shop/orders".into(), "shop/carts".into()]);
        assert_eq!(addresses(&known, "http"), [""; 0]);
        assert_eq!(known.addresses("shop/carts", "http").len(), 1);
        moves.metadata.labels = None;
        assert_eq!(*known.apply(moves), ["shop/carts".into()]);
        assert_eq!(known.addresses("shop/carts", "http"), []);
        assert!(known.services.is_empty());
    }

    #[test]
    fn what_says_nothing_new_is_no_change() {
        let mut known = Known::default();
        let same = || slice("a", json!([at("10.0.0.1", json!({}))]));
        assert!(!known.apply(same()).is_empty());
        let mut touched = same();
        touched.metadata.resource_version = Some("2".to_owned());
        assert!(known.apply(touched).is_empty());
        assert!(!known.apply(slice("a", json!(null))).is_empty());
        assert_eq!(addresses(&known, "http"), [""; 0]);
    }

    #[test]
    fn those_that_end_are_named_when_no_other_is_left() {
        let conditions = |ready: bool, serving: bool, terminating: bool| json!({"ready": ready, "serving": serving, "terminating": terminating});
        let mut known = Known::default();
        let good = at("10.0.0.1", conditions(true, true, false));
        let ends = at("10.0.0.2", conditions(false, true, true));
        // As of a Service with publishNotReadyAddresses.
        let published = at("10.0.0.3", conditions(true, true, true));
        let ended = at("10.0.0.4", conditions(false, false, true));
        let starts = at("10.0.0.5", conditions(false, false, false));
        known.apply(slice("a", json!([good, ends, published, ended, starts])));
        assert_eq!(addresses(&known, "http"), ["10.0.0.1:80"]);
        known.apply(slice("a", json!([ends, published, ended, starts])));
        assert_eq!(addresses(&known, "http"), ["10.0.0.2:80", "10.0.0.3:80"]);
        known.apply(slice("a", json!([ended, starts])));
        assert_eq!(addresses(&known, "http"), [""; 0]);
        // Of two slices that do not agree, one is older.
        known.apply(slice("a", json!([ends])));
        known.apply(slice("b", json!([at("10.0.0.2", conditions(true, true, false))])));
        assert_eq!(addresses(&known, "http"), ["10.0.0.2:80"]);
    }

    #[test]
    fn endpoints_for_the_own_zone_are_used_when_all_have_a_zone() {
        let hinted = |address: &str, zones: Value| {
            let mut endpoint = at(address, json!({}));
            endpoint["hints"] = json!({"forZones": zones});
            endpoint
        };
        let own = || hinted("10.0.0.1", json!([{"name": "a"}, {"name": "b"}]));
        let other = || hinted("10.0.0.2", json!([{"name": "c"}]));
        let in_zone = |zone: Option<&str>, endpoints: Value| {
            let mut known = Known::new(zone.map(Into::into));
            known.apply(slice("a", endpoints));
            assert!(known.anew().slices.is_empty() && known.anew().zone == known.zone);
            addresses(&known, "http")
        };
        let both = || json!([own(), other()]);
        assert_eq!(in_zone(Some("a"), both()), ["10.0.0.1:80"]);
        assert_eq!(in_zone(Some("b"), both()), ["10.0.0.1:80"]);
        assert_eq!(in_zone(Some("c"), both()), ["10.0.0.2:80"]);
        // Nobody has thought of this zone.
        assert_eq!(in_zone(Some("d"), both()).len(), 2);
        assert_eq!(in_zone(None, both()).len(), 2);
        // Not everything has been shared out yet.
        assert_eq!(in_zone(Some("a"), json!([own(), other(), at("10.0.0.3", json!({}))])).len(), 3);
        assert_eq!(in_zone(Some("a"), json!([own(), other(), hinted("10.0.0.3", json!([]))])).len(), 3);
        // The only one of the zone does not take requests.
        let mut unready = own();
        unready["conditions"] = json!({"ready": false});
        assert_eq!(in_zone(Some("a"), json!([unready, other()])), ["10.0.0.2:80"]);
    }

    #[test]
    fn names_are_not_looked_up_and_what_is_no_address_is_left_out() {
        let mut known = Known::default();
        let ports = || json!([{"name": "http", "port": 80}]);
        known.apply(of("FQDN", "a", ports(), json!([at("orders.example.com", json!({}))])));
        known.apply(of("FQDN", "b", ports(), json!([at("10.0.0.1", json!({}))])));
        known.apply(slice("c", json!([{"addresses": []}, at("orders", json!({}))])));
        assert_eq!(addresses(&known, "http"), [""; 0]);
    }
}
