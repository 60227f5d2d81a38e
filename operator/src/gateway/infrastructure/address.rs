//! At which addresses gateways are reached.

use std::{collections::BTreeMap, net::IpAddr, time::Duration};

use flotilla_crds::gateway_api::Gateway;
use ipnet::IpNet;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;

use crate::gateway::{compile::listener::Fault, objects::Key};

/// How long a load balancer has to give an address, before the cluster counts as having none.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The addresses that gateways have asked for, each given to the one that asked first.
#[derive(Clone, Debug, Default)]
pub struct Given(BTreeMap<IpAddr, Key>);

impl Given {
    /// From all gateways that are served, the older first.
    pub fn new<'g>(gateways: impl Iterator<Item = &'g Gateway>, pool: &[IpNet]) -> Self {
        let mut ordered: Vec<_> = gateways.collect();
        ordered
            .sort_by_key(|gateway| (gateway.creation_timestamp(), gateway.namespace(), gateway.name_any()));
        let mut given = BTreeMap::new();
        for gateway in ordered {
            for address in asked(gateway).filter_map(|text| text.parse().ok()) {
                if pool.iter().any(|network| network.contains(&address)) {
                    given.entry(address).or_insert_with(|| key(gateway));
                }
            }
        }
        Self(given)
    }

    /// Those of one gateway.
    pub fn of(&self, gateway: &Gateway) -> Vec<IpAddr> {
        let own = key(gateway);
        self.0.iter().filter(|(_, holder)| **holder == own).map(|(address, _)| *address).collect()
    }

    /// Why a gateway does not get one that it asks for.
    pub fn refused(&self, gateway: &Gateway, pool: &[IpNet]) -> Option<Fault> {
        let own = key(gateway);
        let fault = asked(gateway).find_map(|text| {
            let Ok(address) = text.parse::<IpAddr>() else {
                return Some(format!("spec.addresses: {text:?} is no IP address"));
            };
            match self.0.get(&address) {
                Some(holder) if *holder == own => None,
                Some((namespace, name)) => {
                    Some(format!("spec.addresses: {address} belongs to Gateway {namespace}/{name}, which is older"))
                }
                None if pool.is_empty() => {
                    Some(format!("spec.addresses: {address}: the platform has no addresses to ask for (gateway.addresses of the chart)"))
                }
                None => {
                    let pool: Vec<_> = pool.iter().map(ToString::to_string).collect();
                    Some(format!("spec.addresses: {address} is not among those to ask for: {}", pool.join(", ")))
                }
            }
        })?;
        Some(Fault { reason: "AddressNotUsable", message: fault })
    }
}

/// The addresses that a gateway asks for. One without a value is any, and so asks for none.
fn asked(gateway: &Gateway) -> impl Iterator<Item = &str> {
    let addresses = gateway.spec.addresses.iter().flatten();
    addresses.filter_map(|address| address.value.as_deref()).filter(|value| !value.is_empty())
}

fn key(gateway: &Gateway) -> Key {
    (gateway.namespace().unwrap_or_default(), gateway.name_any())
}

/// Where a Service is reached: type and value of each address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// The addresses.
    pub addresses: Vec<(&'static str, String)>,
    /// When to look again, as a load balancer may still give one.
    pub look_again: Option<Timestamp>,
}

/// Where a gateway is reached, by its Service. `given` are the addresses that it has asked for and gets.
pub fn reached(service: Option<&Service>, given: &[IpAddr], now: Timestamp) -> Reached {
    let Some(service) = service else { return Reached::default() };
    let spec = service.spec.clone().unwrap_or_default();
    let balanced: Vec<_> = service
        .status
        .iter()
        .filter_map(|status| status.load_balancer.as_ref()?.ingress.as_ref())
        .flatten()
        .filter_map(|ingress| match (&ingress.ip, &ingress.hostname) {
            (Some(ip), _) => Some(("IPAddress", ip.clone())),
            (None, Some(hostname)) => Some(("Hostname", hostname.clone())),
            (None, None) => None,
        })
        .collect();
    if !given.is_empty() {
        let is_given = |address: &(&str, String)| given.iter().any(|given| given.to_string() == address.1);
        return Reached { addresses: balanced.into_iter().filter(is_given).collect(), look_again: None };
    }
    if !balanced.is_empty() {
        return Reached { addresses: balanced, look_again: None };
    }
    if spec.type_.as_deref() == Some("LoadBalancer") {
        let patience = i64::try_from(PATIENCE.as_secs()).unwrap_or_default();
        let until =
            service.creation_timestamp().map(|made| made.0 + jiff::SignedDuration::from_secs(patience));
        if let Some(until) = until.filter(|until| *until > now) {
            return Reached { addresses: Vec::new(), look_again: Some(until) };
        }
    }
    let is_address = |address: &String| !address.is_empty() && address != "None";
    let inside = spec.cluster_ips.unwrap_or_default().into_iter().chain(spec.cluster_ip).filter(is_address);
    let mut addresses: Vec<_> = inside.map(|address| ("IPAddress", address)).collect();
    addresses.dedup();
    addresses.truncate(1);
    Reached { addresses, look_again: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::compile::tests::read;

    fn gateway(name: &str, created: &str, addresses: &str) -> Gateway {
        read(&format!(
            "{{metadata: {{name: {name}, namespace: shop, creationTimestamp: '{created}'}}, spec: {{gatewayClassName: ours, listeners: [], addresses: {addresses}}}}}"
        ))
    }

    #[test]
    fn an_address_of_the_pool_belongs_to_who_asked_first() {
        let pool = ["192.0.2.0/24".parse().unwrap()];
        let old = gateway("old", "2026-01-01T00:00:00Z", "[{type: IPAddress, value: 192.0.2.1}]");
        let new = gateway("new", "2026-01-02T00:00:00Z", "[{value: 192.0.2.1}, {value: 192.0.2.2}]");
        let out = gateway("out", "2026-01-03T00:00:00Z", "[{value: 198.51.100.1}]");
        let any = gateway("any", "2026-01-04T00:00:00Z", "[{type: IPAddress}]");
        let given = Given::new([&new, &old, &out, &any].into_iter(), &pool);
        assert_eq!(given.of(&old), ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(given.of(&new), ["192.0.2.2".parse::<IpAddr>().unwrap()]);
        assert_eq!(given.refused(&old, &pool), None);
        assert!(
            given
                .refused(&new, &pool)
                .unwrap()
                .message
                .ends_with("belongs to Gateway shop/old, which is older")
        );
        assert!(
            given.refused(&out, &pool).unwrap().message.ends_with("not among those to ask for: 192.0.2.0/24")
        );
        assert_eq!(given.refused(&any, &pool), None);
        assert!(Given::default().refused(&old, &[]).unwrap().message.contains("gateway.addresses"));
    }

    #[test]
    fn a_load_balancer_is_waited_for_and_then_the_cluster_has_none() {
        let service: Service = read(
            "{metadata: {name: gw, creationTimestamp: '2026-01-01T00:00:00Z'}, spec: {type: LoadBalancer, clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1]}}",
        );
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let soon = reached(Some(&service), &[], at("2026-01-01T00:00:10Z"));
        assert_eq!((soon.addresses.len(), soon.look_again), (0, Some(at("2026-01-01T00:00:20Z"))));
        let late = reached(Some(&service), &[], at("2026-01-01T00:00:20Z"));
        assert_eq!(late, Reached { addresses: vec![("IPAddress", "10.0.0.1".to_owned())], look_again: None });
        let balanced: Service = read(
            "{metadata: {name: gw}, spec: {type: LoadBalancer, clusterIP: 10.0.0.1}, status: {loadBalancer: {ingress: [{hostname: lb.test}, {ip: 192.0.2.7}]}}}",
        );
        let found = reached(Some(&balanced), &[], at("2026-01-01T00:00:00Z"));
        assert_eq!(
            found.addresses,
            [("Hostname", "lb.test".to_owned()), ("IPAddress", "192.0.2.7".to_owned())]
        );
        assert_eq!(
            reached(Some(&service), &["192.0.2.1".parse().unwrap()], at("2026-01-02T00:00:00Z")).addresses,
            []
        );
    }
}
