//! The listeners of a gateway, its own and those of `ListenerSet`s: what each lets in, and what is wrong with it.

mod conflict;
mod overlap;
mod tls;

use std::{collections::BTreeMap, sync::Arc};

use flotilla_crds::gateway_api::{self as api, Gateway, GatewayAllowedListenersNamespacesFrom, ListenerSet};
use flotilla_gateway_config::{Certificate, HostPattern, ListenerProtocol, ListenerTls};
use kube::ResourceExt;

use super::{RouteKind, selector::Namespaces};
use crate::gateway::{
    GROUP,
    condition::Verdict,
    objects::{Key, Objects},
};

/// What is wrong with something: a reason of the Gateway API, and words for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The reason.
    pub reason: &'static str,
    /// What is wrong, and what to do.
    pub message: String,
}

impl Fault {
    pub(super) fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

/// Whose a listener is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// The gateway's own.
    Gateway,
    /// That of a ListenerSet.
    Set(Key),
}

/// A listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Whose it is.
    pub owner: Owner,
    /// Its name there.
    pub name: String,
    /// Its name in the configuration, unique in the gateway.
    pub id: String,
    /// The port.
    pub port: u16,
    /// What is spoken; `None` when we do not speak it.
    pub protocol: Option<ListenerProtocol>,
    /// The host; `None` is any.
    pub hostname: Option<HostPattern>,
    /// The namespace that `Same` means.
    pub namespace: String,
    /// From where routes may come.
    pub namespaces: Namespaces,
    /// Which kinds of routes may attach.
    pub kinds: Vec<RouteKind>,
    /// How TLS is ended.
    pub tls: Option<ListenerTls>,
    /// The certificates that `tls` names.
    pub certificates: BTreeMap<String, Certificate>,
    /// Why it cannot be had at all.
    pub rejected: Option<Fault>,
    /// What it refers to and cannot have.
    pub unresolved: Option<Fault>,
    /// Which other listener it collides with, and so gives way.
    pub conflict: Option<Fault>,
    /// With which other listener it shares names in TLS.
    pub overlap: Option<Fault>,
    /// Whether `tls` lacks what it needs.
    pub is_bare: bool,
}

impl Listener {
    /// Whether the gateway listens for it.
    pub fn is_usable(&self) -> bool {
        self.is_valid() && !self.is_bare
    }

    /// Whether what it says can be had, whatever it refers to.
    pub fn is_valid(&self) -> bool {
        self.rejected.is_none() && self.conflict.is_none()
    }

    /// Its conditions; `waits` is why the gateway does not serve yet.
    pub fn verdicts(&self, waits: Option<&Fault>) -> Vec<Verdict> {
        let rejected = self.conflict.as_ref().or(self.rejected.as_ref());
        let accepted = match rejected {
            None => Verdict::good("Accepted", "Accepted", "the listener is accepted"),
            Some(fault) => Verdict::bad("Accepted", fault.reason, fault.message.clone()),
        };
        let resolved = match &self.unresolved {
            None => Verdict::good("ResolvedRefs", "ResolvedRefs", "all that it refers to is there"),
            Some(fault) => Verdict::bad("ResolvedRefs", fault.reason, fault.message.clone()),
        };
        let conflicted = match &self.conflict {
            None => Verdict::bad("Conflicted", "NoConflicts", "no other listener is in the way"),
            Some(fault) => Verdict::good("Conflicted", fault.reason, fault.message.clone()),
        };
        let programmed = match (&self.conflict, self.is_usable(), waits) {
            (Some(fault), ..) => Verdict::bad("Programmed", fault.reason, fault.message.clone()),
            (None, false, _) => {
                let why = rejected.or(self.unresolved.as_ref());
                Verdict::bad(
                    "Programmed",
                    "Invalid",
                    why.map(|fault| fault.message.clone()).unwrap_or_default(),
                )
            }
            (None, true, Some(wait)) => Verdict::bad("Programmed", "Pending", wait.message.clone()),
            (None, true, None) => Verdict::good("Programmed", "Programmed", "the gateway listens"),
        };
        // One that is bad when it holds is left out when it does not, as the Gateway API has it.
        let overlapping = self
            .overlap
            .as_ref()
            .map(|fault| Verdict::good("OverlappingTLSConfig", fault.reason, fault.message.clone()));
        [accepted, programmed, resolved, conflicted].into_iter().chain(overlapping).collect()
    }
}

/// A ListenerSet that names a gateway of ours.
#[derive(Clone, Debug, PartialEq)]
pub struct Set {
    /// The gateway.
    pub gateway: Key,
    /// Why none of its listeners are had.
    pub refused: Option<Fault>,
}

/// All listeners of a gateway.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listeners {
    /// The listeners, those first that win when two collide.
    pub all: Vec<Listener>,
    /// `ListenerSet`s that name it.
    pub sets: BTreeMap<Key, Set>,
    /// The certificate that it shows to backends in TLS.
    pub client_certificate: Option<Certificate>,
    /// Why it has none although it should.
    pub no_client_certificate: Option<Fault>,
    /// Whether some clients come in without a good certificate although one is asked for.
    pub is_insecure: bool,
}

impl Listeners {
    /// Those of one owner.
    pub fn of<'l>(&'l self, owner: &'l Owner) -> impl Iterator<Item = &'l Listener> {
        self.all.iter().filter(move |listener| listener.owner == *owner)
    }

    /// How many `ListenerSet`s have a listener here.
    pub fn attached_sets(&self) -> usize {
        let has_one = |(key, set): &(&Key, &Set)| {
            set.refused.is_none() && self.of(&Owner::Set((*key).clone())).any(Listener::is_usable)
        };
        self.sets.iter().filter(has_one).count()
    }
}

/// The listeners of a gateway of ours. `sets` are the `ListenerSet`s that name it.
pub fn resolve(objects: &Objects, gateway: &Gateway, sets: &[Arc<ListenerSet>]) -> Listeners {
    let namespace = gateway.namespace().unwrap_or_default();
    let own = (namespace.clone(), gateway.name_any());
    let mut listeners = Listeners::default();
    for written in &gateway.spec.listeners {
        let listener = listener(objects, gateway, Owner::Gateway, &namespace, written);
        listeners.all.push(listener);
    }
    let mut sets: Vec<_> = sets.iter().collect();
    sets.sort_by_key(|set| (set.creation_timestamp(), set.namespace(), set.name_any()));
    for set in sets {
        let key = (set.namespace().unwrap_or_default(), set.name_any());
        let refused = refuse(objects, gateway, &key.0);
        if refused.is_none() {
            for written in &set.spec.listeners {
                let owner = Owner::Set(key.clone());
                listeners.all.push(listener(objects, gateway, owner, &key.0, written));
            }
        }
        listeners.sets.insert(key, Set { gateway: own.clone(), refused });
    }
    conflict::settle(&mut listeners.all);
    overlap::settle(&mut listeners.all);
    (listeners.client_certificate, listeners.no_client_certificate) =
        match tls::client_certificate(objects, gateway) {
            None => (None, None),
            Some(Ok(certificate)) => (Some(certificate), None),
            Some(Err(fault)) => (None, Some(fault)),
        };
    listeners.is_insecure = tls::is_insecure(gateway);
    listeners
}

/// Why a ListenerSet of this namespace may not add listeners to a gateway.
fn refuse(objects: &Objects, gateway: &Gateway, namespace: &str) -> Option<Fault> {
    use GatewayAllowedListenersNamespacesFrom as From;
    let allowed = gateway.spec.allowed_listeners.as_ref().and_then(|allowed| allowed.namespaces.as_ref());
    let from = match allowed.map(|allowed| (&allowed.from, &allowed.selector)) {
        None | Some((None | Some(From::None), _)) => Namespaces::None,
        Some((Some(From::Same), _)) => Namespaces::Same,
        Some((Some(From::All), _)) => Namespaces::All,
        Some((Some(From::Selector), selector)) => {
            selector.clone().map_or(Namespaces::None, Namespaces::Labelled)
        }
    };
    let own = gateway.namespace().unwrap_or_default();
    (!from.admit(objects, &own, namespace)).then(|| {
        let name = gateway.name_any();
        let message = format!(
            "Gateway {name:?} takes no listeners from namespace {namespace:?}: its spec.allowedListeners says from where"
        );
        Fault::new("NotAllowed", message)
    })
}

fn listener(
    objects: &Objects,
    gateway: &Gateway,
    owner: Owner,
    namespace: &str,
    written: &api::Listener,
) -> Listener {
    let id = match &owner {
        Owner::Gateway => written.name.clone(),
        Owner::Set((namespace, set)) => format!("{namespace}/{set}/{}", written.name),
    };
    let protocol = protocol(&written.protocol);
    let allowed = written.allowed_routes.clone().unwrap_or_default();
    let from = allowed.namespaces.unwrap_or_default();
    let mut listener = Listener {
        owner,
        name: written.name.clone(),
        id,
        port: u16::try_from(written.port).unwrap_or_default(),
        protocol,
        hostname: None,
        namespace: namespace.to_owned(),
        namespaces: Namespaces::of_routes(from.from.as_ref(), from.selector.as_ref()),
        kinds: protocol.map(spoken_by).unwrap_or_default().to_vec(),
        tls: None,
        certificates: BTreeMap::new(),
        rejected: None,
        unresolved: None,
        conflict: None,
        overlap: None,
        is_bare: false,
    };
    if protocol.is_none() {
        let message =
            format!("protocol {:?} is not spoken here: write HTTP, HTTPS, TLS, TCP or UDP", written.protocol);
        listener.rejected = Some(Fault::new("UnsupportedProtocol", message));
    }
    if let Some(kinds) = allowed.kinds.filter(|kinds| !kinds.is_empty()) {
        restrict(&mut listener, &kinds);
    }
    if let Some(hostname) = written.hostname.as_ref().filter(|hostname| !hostname.is_empty()) {
        match HostPattern::try_from(hostname.clone()) {
            Ok(pattern) => listener.hostname = Some(pattern),
            Err(error) => {
                listener.rejected = Some(Fault::new("UnsupportedValue", format!("hostname: {error}")))
            }
        }
    }
    tls::resolve(objects, gateway, written, &mut listener);
    listener
}

fn protocol(written: &str) -> Option<ListenerProtocol> {
    match written {
        "HTTP" => Some(ListenerProtocol::Http),
        "HTTPS" => Some(ListenerProtocol::Https),
        "TLS" => Some(ListenerProtocol::Tls),
        "TCP" => Some(ListenerProtocol::Tcp),
        "UDP" => Some(ListenerProtocol::Udp),
        _ => None,
    }
}

/// The kinds of routes that a protocol can have.
fn spoken_by(protocol: ListenerProtocol) -> &'static [RouteKind] {
    match protocol {
        ListenerProtocol::Http | ListenerProtocol::Https => &[RouteKind::Http, RouteKind::Grpc],
        ListenerProtocol::Tls => &[RouteKind::Tls],
        ListenerProtocol::Tcp => &[RouteKind::Tcp],
        ListenerProtocol::Udp => &[RouteKind::Udp],
    }
}

/// Leaves the kinds that are written, and says which of them the protocol cannot have.
fn restrict(listener: &mut Listener, written: &[api::RouteGroupKind]) {
    let is_ours = |kind: &&api::RouteGroupKind| kind.group.as_deref().unwrap_or(GROUP) == GROUP;
    let named = |kind: RouteKind| written.iter().filter(is_ours).any(|found| found.kind == kind.name());
    let possible = std::mem::take(&mut listener.kinds);
    let impossible: Vec<_> = written
        .iter()
        .filter(|found| !is_ours(found) || !possible.iter().any(|kind| kind.name() == found.kind))
        .map(|found| found.kind.as_str())
        .collect();
    if !impossible.is_empty() {
        let possible: Vec<_> = possible.iter().map(|kind| kind.name()).collect();
        let message = format!(
            "allowedRoutes.kinds: {} cannot attach to this protocol; it takes {}",
            impossible.join(", "),
            possible.join(", ")
        );
        listener.unresolved = Some(Fault::new("InvalidRouteKinds", message));
    }
    listener.kinds = possible.into_iter().filter(|kind| named(*kind)).collect();
}
