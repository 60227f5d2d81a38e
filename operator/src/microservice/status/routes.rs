//! What gateways say of the routes of a service.

use flotilla_crds::v1alpha1::{Microservice, condition};
use serde_json::Value;

use super::conditions::Wanted;
use crate::{
    cluster::{kind::Kind, ownership},
    microservice::{dereference::Observed, validate::Class},
};

/// The first host of the first route that was made and has one. Which scheme a gateway speaks the class knows.
pub(super) fn url(observed: &Observed, uid: &str) -> Option<String> {
    let scheme = observed.class.get().map_or("http", Class::scheme);
    let routes = observed
        .objects
        .iter()
        .filter(|((kind, _), live)| is_route(*kind) && ownership::is_controlled_by(&live.metadata, uid));
    routes.map(|(_, live)| &live.data).find_map(|route| {
        // A route with listeners of its own has a certificate.
        let own =
            route.pointer("/spec/parentRefs/0/kind").is_some_and(|kind| kind == Kind::ListenerSet.name());
        let scheme = if own { "https" } else { scheme };
        let mut hosts = route.pointer("/spec/hostnames")?.as_array()?.iter().filter_map(Value::as_str);
        hosts.find(|host| !host.starts_with('*')).map(|host| format!("{scheme}://{host}"))
    })
}

fn is_route(kind: Kind) -> bool {
    matches!(kind, Kind::HttpRoute | Kind::GrpcRoute)
}

/// Whether gateways have taken over every route; `None` when there are no routes.
pub(super) fn accepted(microservice: &Microservice, observed: &Observed, uid: &str) -> Option<Wanted> {
    if microservice.spec.routes.is_empty() {
        return None;
    }
    let (mut refused, mut silent, mut taken) = (Vec::new(), Vec::new(), 0_usize);
    for ((kind, name), live) in &observed.objects {
        if !ownership::is_controlled_by(&live.metadata, uid) {
            continue;
        }
        match kind {
            Kind::ListenerSet => {
                refused.extend(negative(&live.data, "Accepted").map(|why| format!("{kind} {name}: {why}")))
            }
            Kind::Certificate => {
                silent.extend(negative(&live.data, "Ready").map(|why| format!("{kind} {name}: {why}")))
            }
            _ => {}
        }
        if !is_route(*kind) {
            continue;
        }
        let parents = live.data.pointer("/status/parents").and_then(Value::as_array);
        match parents.map(Vec::as_slice).unwrap_or_default() {
            [] => silent.push(format!("no gateway has answered to {kind} {name} yet")),
            parents => match parents.iter().find_map(refusal) {
                Some(why) => refused.push(format!("{kind} {name}: {why}")),
                None => taken += 1,
            },
        }
    }
    let rivals = observed.rivals.iter().filter(|rival| !rival.comes_first).map(|rival| {
        let (namespace, other) = &rival.other;
        format!("the Microservice {namespace}/{other} wants {} too, and waits", rival.what)
    });
    let rivals: Vec<_> = rivals.collect();
    let waiting = observed.rivals.iter().any(|rival| rival.comes_first);
    let type_ = condition::ROUTES_ACCEPTED;
    let beside =
        |message: String| std::iter::once(message).chain(rivals.clone()).collect::<Vec<_>>().join("; ");
    Some(if !refused.is_empty() {
        Wanted::new(type_, Some(false), "Refused", refused.join("; "))
    } else if waiting {
        let message = "another Microservice has the same host and path".to_owned();
        Wanted::new(type_, Some(false), "RouteConflict", message)
    } else if !silent.is_empty() {
        Wanted::new(type_, None, "Pending", beside(silent.join("; ")))
    } else if taken == 0 {
        Wanted::new(type_, Some(false), "NotMade", "no route could be made".to_owned())
    } else {
        Wanted::new(type_, Some(true), "Accepted", beside(format!("{taken} routes are taken over")))
    })
}

/// What an object says of a condition that is False.
fn negative(object: &Value, type_: &str) -> Option<String> {
    let conditions = object.pointer("/status/conditions")?.as_array()?;
    let found = conditions.iter().find(|found| found["type"] == type_ && found["status"] == "False")?;
    Some(found["message"].as_str().unwrap_or_default().to_owned())
}

/// Why a gateway does not take the route over.
fn refusal(parent: &Value) -> Option<String> {
    let conditions = parent["conditions"].as_array()?;
    let refused = conditions.iter().find(|condition| {
        matches!(condition["type"].as_str(), Some("Accepted" | "ResolvedRefs"))
            && condition["status"] == "False"
    })?;
    let gateway = parent["parentRef"]["name"].as_str().unwrap_or_default();
    Some(format!("gateway {gateway}: {}", refused["message"].as_str().unwrap_or_default()))
}
