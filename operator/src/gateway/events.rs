//! What is said of an object when its status changes: that something does not work any more, or that a gateway serves. Pure.

use serde_json::Value;

use super::{CONTROLLER, kind::Kind};

/// Conditions that are good when they hold.
const GOOD: [&str; 3] = ["Accepted", "ResolvedRefs", "Programmed"];

/// Conditions that are bad when they do.
const BAD: [&str; 1] = ["PartiallyInvalid"];

/// Reasons of what begins, and becomes worth a warning only when it has worked before.
const PASSING: [&str; 2] = ["Pending", "AddressNotAssigned"];

/// An event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whether somebody should look.
    pub is_warning: bool,
    /// The reason of the condition.
    pub reason: String,
    /// Its message, after what it is about.
    pub note: String,
}

/// What is said when a status of this kind becomes the next one.
pub fn transitions(kind: Kind, live: &Value, next: &Value) -> Vec<Said> {
    let mut said = Vec::new();
    for part in parts(next) {
        let before = parts(live).into_iter().find(|found| found.name == part.name);
        for condition in part.conditions {
            let former = before.as_ref().and_then(|before| {
                before.conditions.iter().find(|former| former["type"] == condition["type"])
            });
            let event = compare(kind, &part.name, former, condition);
            said.extend(event.filter(|event| !said.contains(event)).into_iter().collect::<Vec<_>>());
        }
    }
    said
}

fn compare(kind: Kind, part: &str, former: Option<&Value>, now: &Value) -> Option<Said> {
    let text = |field: &str| now[field].as_str().unwrap_or_default();
    let (type_, reason) = (text("type"), text("reason"));
    // A listener that can be had is programmed with its gateway, which says so.
    if type_ == "Programmed" && !part.is_empty() {
        return None;
    }
    let is_good = |condition: &Value| {
        let holds = condition["status"] == "True";
        if BAD.contains(&type_) { !holds } else { holds }
    };
    if !GOOD.contains(&type_) && !BAD.contains(&type_) {
        return None;
    }
    let was_good = former.is_some_and(is_good);
    let is_same = former
        .is_some_and(|former| former["status"] == now["status"] && former["reason"].as_str() == Some(reason));
    let is_warning = !is_good(now) && !is_same && (was_good || !PASSING.contains(&reason));
    let serves = kind == Kind::Gateway && type_ == "Programmed" && is_good(now) && !was_good;
    (is_warning || serves).then(|| {
        let about = if part.is_empty() { String::new() } else { format!("{part}: ") };
        Said { is_warning, reason: reason.to_owned(), note: format!("{about}{}", text("message")) }
    })
}

/// Conditions with what they are about; empty for the object itself.
struct Part<'s> {
    name: String,
    conditions: &'s [Value],
}

fn parts(status: &Value) -> Vec<Part<'_>> {
    fn conditions(of: &Value) -> &[Value] {
        of["conditions"].as_array().map(Vec::as_slice).unwrap_or_default()
    }
    let mut parts = vec![Part { name: String::new(), conditions: conditions(status) }];
    for listener in status["listeners"].as_array().into_iter().flatten() {
        let name = format!("listener {}", listener["name"].as_str().unwrap_or_default());
        parts.push(Part { name, conditions: conditions(listener) });
    }
    for (field, reference) in [("parents", "parentRef"), ("ancestors", "ancestorRef")] {
        let ours = status[field].as_array().into_iter().flatten();
        for parent in ours.filter(|parent| parent["controllerName"] == CONTROLLER) {
            let of = &parent[reference];
            let text = |field: &str| of[field].as_str().filter(|text| !text.is_empty());
            let mut name = format!("{} ", text("kind").unwrap_or("Gateway"));
            name.extend(text("namespace").map(|namespace| format!("{namespace}/")));
            name.push_str(text("name").unwrap_or_default());
            name.extend(text("sectionName").map(|section| format!(" {section}")));
            name.extend(of["port"].as_i64().map(|port| format!(":{port}")));
            parts.push(Part { name, conditions: conditions(parent) });
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn condition(type_: &str, status: &str, reason: &str) -> Value {
        json!({"type": type_, "status": status, "reason": reason, "message": "why"})
    }

    fn said(kind: Kind, live: Value, next: Value) -> Vec<String> {
        let words = |said: Said| {
            format!("{} {} {}", if said.is_warning { "Warning" } else { "Normal" }, said.reason, said.note)
        };
        transitions(kind, &live, &next).into_iter().map(words).collect()
    }

    #[test]
    fn a_gateway_says_when_it_serves_and_when_it_does_not_any_more() {
        let status =
            |status: &str, reason: &str| json!({"conditions": [condition("Programmed", status, reason)]});
        let (waits, serves) = (status("False", "Pending"), status("True", "Programmed"));
        assert_eq!(said(Kind::Gateway, Value::Null, waits.clone()), Vec::<String>::new());
        assert_eq!(said(Kind::Gateway, waits.clone(), serves.clone()), ["Normal Programmed why"]);
        assert_eq!(said(Kind::Gateway, serves.clone(), serves.clone()), Vec::<String>::new());
        assert_eq!(said(Kind::Gateway, serves, waits), ["Warning Pending why"]);
        let invalid = status("False", "Invalid");
        assert_eq!(said(Kind::Gateway, Value::Null, invalid.clone()), ["Warning Invalid why"]);
        assert_eq!(said(Kind::Gateway, invalid.clone(), invalid), Vec::<String>::new());
    }

    #[test]
    fn a_part_is_named_and_what_repeats_is_said_once() {
        let listener = |name: &str, status: &str| {
            json!({"name": name, "conditions": [
                condition("ResolvedRefs", status, "InvalidCertificateRef"),
                condition("Programmed", status, "Invalid"),
            ]})
        };
        let next = json!({"listeners": [listener("a", "False"), listener("b", "True")]});
        assert_eq!(said(Kind::Gateway, json!({}), next), ["Warning InvalidCertificateRef listener a: why"]);
    }

    #[test]
    fn a_route_says_what_its_parents_do_and_not_those_of_others() {
        let route = kube_route();
        let parent = |controller: &str, status: &str, type_: &str| {
            json!({
                "parentRef": {"name": "web", "namespace": "infra", "port": 80},
                "controllerName": controller,
                "conditions": [condition(type_, status, "Reason")],
            })
        };
        let ours = |status, type_| json!({"parents": [parent(CONTROLLER, status, type_)]});
        let expected = ["Warning Reason Gateway infra/web:80: why"];
        assert_eq!(said(route, ours("True", "Accepted"), ours("False", "Accepted")), expected);
        assert_eq!(said(route, json!({}), ours("True", "PartiallyInvalid")), expected);
        assert_eq!(said(route, json!({}), ours("True", "Accepted")), Vec::<String>::new());
        let others = json!({"parents": [parent("example.com/other", "False", "Accepted")]});
        assert_eq!(said(route, json!({}), others), Vec::<String>::new());
    }

    fn kube_route() -> Kind {
        Kind::Route(crate::gateway::compile::RouteKind::Http)
    }
}
