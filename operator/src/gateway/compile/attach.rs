//! Which listeners a route attaches to, and why not to others.

use std::collections::{BTreeMap, BTreeSet};

use flotilla_crds::gateway_api::ParentReference;
use flotilla_gateway_config::{HostPattern, intersection};

use super::{
    RouteKind,
    listener::{Listener, Listeners, Owner},
};
use crate::gateway::{
    GROUP,
    condition::Verdict,
    objects::{Key, Objects},
};

/// What attaching needs to know of a route.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// Its kind.
    pub kind: RouteKind,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its hosts; none is any.
    pub hostnames: &'a [HostPattern],
}

/// The gateways of ours with their listeners.
pub type Gateways = BTreeMap<Key, Listeners>;

/// Whether a route attaches to a parent.
#[derive(Clone, Debug, PartialEq)]
pub struct Attached {
    /// The gateway.
    pub gateway: Key,
    /// The names of the listeners in its configuration; none when it does not attach.
    pub listeners: BTreeSet<String>,
    /// What the route's status says of it.
    pub accepted: Verdict,
}

/// Attaches a route to a parent; `None` when that is not ours.
pub fn attach(
    objects: &Objects,
    gateways: &Gateways,
    route: Route<'_>,
    parent: &ParentReference,
) -> Option<Attached> {
    if parent.group.as_deref().unwrap_or(GROUP) != GROUP {
        return None;
    }
    let key = (parent.namespace.clone().unwrap_or_else(|| route.namespace.to_owned()), parent.name.clone());
    let (gateway, owner) = match parent.kind.as_deref().unwrap_or("Gateway") {
        "Gateway" => (key, Owner::Gateway),
        "ListenerSet" => {
            let set = gateways.values().find_map(|listeners| listeners.sets.get(&key))?;
            (set.gateway.clone(), Owner::Set(key))
        }
        _ => return None,
    };
    let listeners = gateways.get(&gateway)?;
    let verdict = choose(objects, listeners, &owner, route, parent);
    let (listeners, accepted) = match verdict {
        Ok(listeners) => {
            let ids = listeners.iter().map(|listener| listener.id.clone()).collect();
            (ids, Verdict::good("Accepted", "Accepted", "the route is attached"))
        }
        Err(verdict) => (BTreeSet::new(), verdict),
    };
    Some(Attached { gateway, listeners, accepted })
}

fn choose<'l>(
    objects: &Objects,
    listeners: &'l Listeners,
    owner: &'l Owner,
    route: Route<'_>,
    parent: &ParentReference,
) -> Result<Vec<&'l Listener>, Verdict> {
    let refuse = |reason, message: String| Err(Verdict::bad("Accepted", reason, message));
    let mut found: Vec<_> = listeners
        .of(owner)
        .filter(|listener| parent.section_name.as_ref().is_none_or(|name| *name == listener.name))
        .filter(|listener| parent.port.is_none_or(|port| port == i32::from(listener.port)))
        .collect();
    if found.is_empty() {
        let known: Vec<_> =
            listeners.of(owner).map(|listener| format!("{}:{}", listener.name, listener.port)).collect();
        let message = format!("it has no such listener: there are {}", known.join(", "));
        return refuse("NoMatchingParent", message);
    }
    found.retain(|listener| listener.kinds.contains(&route.kind));
    if found.is_empty() {
        let message =
            format!("no listener takes a {}: see its protocol and allowedRoutes.kinds", route.kind.name());
        return refuse("NotAllowedByListeners", message);
    }
    found.retain(|listener| listener.namespaces.admit(objects, &listener.namespace, route.namespace));
    if found.is_empty() {
        let message = format!(
            "no listener takes routes of namespace {:?}: see its allowedRoutes.namespaces",
            route.namespace
        );
        return refuse("NotAllowedByListeners", message);
    }
    found.retain(|listener| meet(listener.hostname.as_ref(), route.hostnames));
    if found.is_empty() {
        return refuse("NoMatchingListenerHostname", "no listener has one of its hostnames".to_owned());
    }
    Ok(found)
}

/// Whether a listener's host and one of a route's have a name in common.
fn meet(listener: Option<&HostPattern>, route: &[HostPattern]) -> bool {
    route.is_empty() || route.iter().any(|host| intersection(listener, Some(host)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_meet_when_a_name_fits_both() {
        let pattern = |text: &str| HostPattern::try_from(text.to_owned()).unwrap();
        for (one, other, expected) in [
            ("a.test", "a.test", true),
            ("a.test", "b.test", false),
            ("*.test", "a.test", true),
            ("*.test", "test", false),
            ("*.a.test", "*.test", true),
            ("*.a.test", "*.b.test", false),
            ("*.a.test", "a.test", false),
        ] {
            assert_eq!(meet(Some(&pattern(one)), &[pattern(other)]), expected, "{one} {other}");
            assert_eq!(meet(Some(&pattern(other)), &[pattern(one)]), expected, "{other} {one}");
        }
    }
}
