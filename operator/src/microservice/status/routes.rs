//! What gateways say of the routes of a service.

use flotilla_crds::v1alpha1::{Microservice, condition};
use serde_json::Value;

use super::{
    answers::{Answer, Answers, joined},
    conditions::Wanted,
};
use crate::{
    cluster::{kind::Kind, ownership},
    microservice::{claims::Rival, dereference::Observed, validate::Class},
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

/// What gateways answered to the routes of a service, and whoever issues its certificates.
pub(super) fn answers(observed: &Observed, uid: &str) -> Answers {
    let mut answers = Answers::default();
    for ((kind, name), live) in &observed.objects {
        if !ownership::is_controlled_by(&live.metadata, uid) {
            continue;
        }
        let said = |type_: &str| negative(&live.data, type_).map(|why| Answer::new(*kind, name, &why));
        match kind {
            Kind::ListenerSet => answers.refused.extend(said("Accepted")),
            Kind::Certificate => answers.silent.extend(said("Ready")),
            _ => {}
        }
        if !is_route(*kind) {
            continue;
        }
        let parents = live.data.pointer("/status/parents").and_then(Value::as_array);
        match parents.map(Vec::as_slice).unwrap_or_default() {
            [] => answers.silent.push(Answer::none(*kind, name)),
            parents => match parents.iter().find_map(refusal) {
                Some(why) => answers.refused.push(Answer::new(*kind, name, &why)),
                None => answers.taken += 1,
            },
        }
    }
    answers
}

/// Whether gateways have taken over every route; `None` when there are no routes.
pub(super) fn accepted(
    microservice: &Microservice,
    observed: &Observed,
    answers: &Answers,
) -> Option<Wanted> {
    if microservice.spec.routes.is_empty() {
        return None;
    }
    let Answers { refused, silent, taken } = answers;
    let later: Vec<_> = observed.rivals.iter().filter(|rival| !rival.comes_first).map(waits).collect();
    let waiting = observed.rivals.iter().any(|rival| rival.comes_first);
    let type_ = condition::ROUTES_ACCEPTED;
    let beside =
        |message: String| std::iter::once(message).chain(later.clone()).collect::<Vec<_>>().join("; ");
    Some(if !refused.is_empty() {
        Wanted::new(type_, Some(false), "Refused", joined(refused))
    } else if waiting {
        let message = "another Microservice has the same host and path".to_owned();
        Wanted::new(type_, Some(false), "RouteConflict", message)
    } else if !silent.is_empty() {
        Wanted::new(type_, None, "Pending", beside(joined(silent)))
    } else if *taken == 0 {
        Wanted::new(type_, Some(false), "NotMade", "no route could be made".to_owned())
    } else {
        Wanted::new(type_, Some(true), "Accepted", beside(format!("{taken} routes are taken over")))
    })
}

/// That another service wants what we have.
pub(super) fn waits(rival: &Rival) -> String {
    let (namespace, name) = &rival.other;
    format!("the Microservice {namespace}/{name} wants {} too, and waits", rival.what)
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
