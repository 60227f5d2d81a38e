//! What the status of each object says. Pure: a status is written only when it is not this one.

use flotilla_crds::gateway_api::{
    BackendTlsPolicy, BackendTlsPolicyStatus, BackendTlsPolicyStatusAncestors, Gateway, GatewayClass,
    GatewayClassStatus, GatewayClassStatusSupportedFeatures, GatewayStatus, GatewayStatusAddresses,
    ListenerSet, ListenerSetStatus, ListenerStatus, ParentReference, RouteGroupKind, RouteParentStatus,
    RouteStatus,
};
use flotilla_crds::v1alpha1::{AncestorReference, PolicyAncestor, TrafficPolicy, TrafficPolicyStatus};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::{
    CONTROLLER, GROUP,
    compile::{
        Served,
        listener::{Fault, Listener, Owner},
        route::{Parent, Route},
        traffic::Verdicts,
    },
    condition::{Verdict, conditions},
    features::FEATURES,
    objects::Key,
};

/// The most parents and ancestors that a status may name.
const MOST_PARENTS: usize = 32;
const MOST_ANCESTORS: usize = 16;

/// How a gateway runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Where it is reached: type and value of each address.
    pub addresses: Vec<(&'static str, String)>,
    /// Why it does not serve as it should.
    pub waits: Option<Fault>,
}

/// The status of a class of ours.
pub fn class(class: &GatewayClass, now: Timestamp) -> GatewayClassStatus {
    let live = class.status.clone().unwrap_or_default();
    let verdict = match &class.spec.parameters_ref {
        None => Verdict::good("Accepted", "Accepted", "Flotilla serves the gateways of this class"),
        Some(parameters) => Verdict::bad(
            "Accepted",
            "InvalidParameters",
            format!(
                "spec.parametersRef: {} {:?} is no kind of parameters that is known here: leave it out",
                parameters.kind, parameters.name
            ),
        ),
    };
    let live_conditions = live.conditions.unwrap_or_default();
    GatewayClassStatus {
        conditions: Some(conditions(&[verdict], class.metadata.generation, &live_conditions, now)),
        supported_features: Some(
            FEATURES
                .iter()
                .map(|name| GatewayClassStatusSupportedFeatures { name: (*name).to_owned() })
                .collect(),
        ),
    }
}

/// The status of a gateway of ours.
pub fn gateway(gateway: &Gateway, served: &Served, running: &Running, now: Timestamp) -> GatewayStatus {
    let key = (gateway.namespace().unwrap_or_default(), gateway.name_any());
    let listeners: Vec<_> = served.listeners(&key).collect();
    let all = served.listeners.get(&key);
    let invalid = listeners.iter().filter(|listener| !listener.is_valid()).count();
    let accepted = match &served.refused {
        Some(fault) => Verdict::bad("Accepted", fault.reason, fault.message.clone()),
        None if invalid > 0 && invalid == listeners.len() => {
            Verdict::bad("Accepted", "ListenersNotValid", "no listener can be had: see status.listeners")
        }
        None if invalid > 0 => Verdict::good(
            "Accepted",
            "ListenersNotValid",
            "some listeners cannot be had: see status.listeners",
        ),
        None => Verdict::good("Accepted", "Accepted", "the gateway is accepted"),
    };
    let waits = waits(served, running, &listeners);
    let programmed = match &waits {
        None => Verdict::good("Programmed", "Programmed", "the gateway serves"),
        Some(fault) => Verdict::bad("Programmed", fault.reason, fault.message.clone()),
    };
    let no_certificate = all.and_then(|all| all.no_client_certificate.as_ref());
    let resolved = match no_certificate {
        Some(fault) => Verdict::bad("ResolvedRefs", fault.reason, fault.message.clone()),
        None => Verdict::good("ResolvedRefs", "ResolvedRefs", "all that it refers to is there"),
    };
    let mut verdicts = vec![accepted, programmed, resolved];
    if all.is_some_and(|all| all.is_insecure) {
        verdicts.push(Verdict::good(
            "InsecureFrontendValidationMode",
            "ConfigurationChanged",
            "spec.tls.frontend lets clients in without a good certificate (AllowInsecureFallback)",
        ));
    }
    let live = gateway.status.clone().unwrap_or_default();
    let live_listeners = live.listeners.unwrap_or_default();
    let own = listeners.iter().filter(|listener| listener.owner == Owner::Gateway);
    let addresses = running.addresses.iter().map(|(kind, value)| GatewayStatusAddresses {
        r#type: Some((*kind).to_owned()),
        value: value.clone(),
    });
    let attached_sets = all.map_or(0, super::compile::listener::Listeners::attached_sets);
    GatewayStatus {
        addresses: Some(addresses.collect()),
        attached_listener_sets: Some(i32::try_from(attached_sets).unwrap_or(i32::MAX)),
        conditions: Some(conditions(
            &verdicts,
            gateway.metadata.generation,
            &live.conditions.unwrap_or_default(),
            now,
        )),
        listeners: Some(
            own.map(|listener| {
                self::listener(
                    listener,
                    served,
                    waits.as_ref(),
                    gateway.metadata.generation,
                    &live_listeners,
                    now,
                )
            })
            .collect(),
        ),
    }
}

/// Why a gateway does not serve.
fn waits(served: &Served, running: &Running, listeners: &[&Listener]) -> Option<Fault> {
    if let Some(fault) = &served.refused {
        return Some(Fault { reason: "Invalid", message: fault.message.clone() });
    }
    if !listeners.iter().any(|listener| listener.is_usable()) {
        let message = "there is no listener that can be had: see status.listeners".to_owned();
        return Some(Fault { reason: "Invalid", message });
    }
    running.waits.clone()
}

fn listener(
    listener: &Listener,
    served: &Served,
    waits: Option<&Fault>,
    generation: Option<i64>,
    live: &[ListenerStatus],
    now: Timestamp,
) -> ListenerStatus {
    let known = live.iter().find(|known| known.name == listener.name);
    let live: &[Condition] = known.map(|known| known.conditions.as_slice()).unwrap_or_default();
    let attached = served.attached.get(&listener.id).copied().unwrap_or_default();
    ListenerStatus {
        name: listener.name.clone(),
        attached_routes: i32::try_from(attached).unwrap_or(i32::MAX),
        supported_kinds: Some(
            listener
                .kinds
                .iter()
                .map(|kind| RouteGroupKind { group: Some(GROUP.to_owned()), kind: kind.name().to_owned() })
                .collect(),
        ),
        conditions: conditions(&listener.verdicts(waits), generation, live, now),
    }
}

/// The status of a ListenerSet that names a gateway of ours.
pub fn listener_set(
    set: &ListenerSet,
    gateway: &Key,
    served: &Served,
    running: &Running,
    now: Timestamp,
) -> Option<ListenerSetStatus> {
    let key = (set.namespace().unwrap_or_default(), set.name_any());
    let all = served.listeners.get(gateway)?;
    let refused = all.sets.get(&key)?.refused.as_ref();
    let owner = Owner::Set(key);
    let listeners: Vec<_> = all.of(&owner).collect();
    let everybody: Vec<_> = served.listeners(gateway).collect();
    let waits = waits(served, running, &everybody);
    let verdicts = if let Some(fault) = refused {
        [
            Verdict::bad("Accepted", fault.reason, fault.message.clone()),
            Verdict::bad("Programmed", fault.reason, fault.message.clone()),
        ]
    } else if served.refused.is_some() {
        let message = "the Gateway is not accepted";
        [
            Verdict::bad("Accepted", "ParentNotAccepted", message),
            Verdict::bad("Programmed", "ParentNotAccepted", message),
        ]
    } else {
        // One that lacks its certificate is not had either.
        let invalid = listeners.iter().filter(|listener| !listener.is_usable()).count();
        let message = "see status.listeners";
        if invalid == listeners.len() {
            [
                Verdict::bad("Accepted", "ListenersNotValid", message),
                Verdict::bad("Programmed", "ListenersNotValid", message),
            ]
        } else {
            let accepted = if invalid > 0 {
                Verdict::good("Accepted", "ListenersNotValid", message)
            } else {
                Verdict::good("Accepted", "Accepted", "the Gateway has these listeners")
            };
            let programmed = match &waits {
                Some(fault) => Verdict::bad("Programmed", "Pending", fault.message.clone()),
                None => Verdict::good("Programmed", "Programmed", "the gateway listens"),
            };
            [accepted, programmed]
        }
    };
    let live = set.status.clone().unwrap_or_default();
    let live_listeners = live.listeners.unwrap_or_default();
    let generation = set.metadata.generation;
    Some(ListenerSetStatus {
        conditions: Some(conditions(&verdicts, generation, &live.conditions.unwrap_or_default(), now)),
        listeners: Some(
            listeners
                .iter()
                .map(|listener| {
                    self::listener(listener, served, waits.as_ref(), generation, &live_listeners, now)
                })
                .collect(),
        ),
    })
}

/// The status of a route: what others say of it stays. Without a compiled route nothing of ours is said.
pub fn route(
    live: Option<&RouteStatus>,
    generation: Option<i64>,
    route: Option<&Route>,
    now: Timestamp,
) -> RouteStatus {
    let live = live.map(|status| status.parents.as_slice()).unwrap_or_default();
    let mut parents: Vec<_> =
        live.iter().filter(|parent| parent.controller_name != CONTROLLER).cloned().collect();
    for Parent { reference, said, .. } in route.iter().flat_map(|route| &route.parents) {
        let known =
            live.iter().find(|known| known.controller_name == CONTROLLER && known.parent_ref == *reference);
        let known = known.map(|known| known.conditions.as_slice()).unwrap_or_default();
        parents.push(RouteParentStatus {
            parent_ref: reference.clone(),
            controller_name: CONTROLLER.to_owned(),
            conditions: conditions(said, generation, known, now),
        });
    }
    parents.truncate(MOST_PARENTS);
    RouteStatus { parents }
}

/// The status of a policy for backends, for each gateway that comes to use it.
pub fn policy(
    policy: &BackendTlsPolicy,
    verdicts: &[Verdict],
    gateways: &[Key],
    now: Timestamp,
) -> BackendTlsPolicyStatus {
    let live = policy.status.as_ref().map(|status| status.ancestors.as_slice()).unwrap_or_default();
    let mut ancestors: Vec<_> =
        live.iter().filter(|ancestor| ancestor.controller_name != CONTROLLER).cloned().collect();
    for (namespace, name) in gateways {
        let reference = ParentReference {
            group: Some(GROUP.to_owned()),
            kind: Some("Gateway".to_owned()),
            namespace: Some(namespace.clone()),
            name: name.clone(),
            ..ParentReference::default()
        };
        let known =
            live.iter().find(|known| known.controller_name == CONTROLLER && known.ancestor_ref == reference);
        let known = known.map(|known| known.conditions.as_slice()).unwrap_or_default();
        ancestors.push(BackendTlsPolicyStatusAncestors {
            ancestor_ref: reference,
            controller_name: CONTROLLER.to_owned(),
            conditions: conditions(verdicts, policy.metadata.generation, known, now),
        });
    }
    ancestors.truncate(MOST_ANCESTORS);
    BackendTlsPolicyStatus { ancestors }
}

/// The status of a policy for requests: what others say of it stays.
pub fn traffic(policy: &TrafficPolicy, verdicts: &Verdicts, now: Timestamp) -> TrafficPolicyStatus {
    let live = policy.status.as_ref().map(|status| status.ancestors.as_slice()).unwrap_or_default();
    let mut ancestors: Vec<_> =
        live.iter().filter(|ancestor| ancestor.controller_name != CONTROLLER).cloned().collect();
    for (ancestor, verdict) in verdicts {
        let reference = AncestorReference {
            group: GROUP.to_owned(),
            kind: ancestor.kind.to_owned(),
            namespace: ancestor.key.0.clone(),
            name: ancestor.key.1.clone(),
            section_name: ancestor.section.clone(),
        };
        let known =
            live.iter().find(|known| known.controller_name == CONTROLLER && known.ancestor_ref == reference);
        let known = known.map(|known| known.conditions.as_slice()).unwrap_or_default();
        let verdicts = std::slice::from_ref(verdict);
        ancestors.push(PolicyAncestor {
            ancestor_ref: reference,
            controller_name: CONTROLLER.to_owned(),
            conditions: conditions(verdicts, policy.metadata.generation, known, now),
        });
    }
    ancestors.truncate(MOST_ANCESTORS);
    TrafficPolicyStatus { ancestors }
}
