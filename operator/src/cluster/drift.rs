//! Whether a live object already is what the operator wants, decided without asking the API server.
//!
//! Two things must hold: every wanted field has its value in the live object, and every field that the
//! operator owns (by `managedFields`) is still wanted. The first finds what others changed, the second what
//! the operator must take back. What other managers add beside it is theirs and is left alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use serde_json::{Map, Value};

use super::FIELD_MANAGER;

/// Whether the live object must be applied again to become `desired`.
///
/// `live` is the object as JSON with its metadata, `managed` the `managedFields` of that metadata.
pub fn differs(desired: &Value, live: &Value, managed: &[ManagedFieldsEntry]) -> bool {
    let fields = owned(managed);
    !holds(desired, live, fields) || fields.is_none_or(|fields| owns_more(fields, desired))
}

/// The fields that the operator has applied; `None` when it never did.
fn owned(managed: &[ManagedFieldsEntry]) -> Option<&Map<String, Value>> {
    managed
        .iter()
        .find(|entry| {
            entry.manager.as_deref() == Some(FIELD_MANAGER)
                && entry.operation.as_deref() == Some("Apply")
                && entry.subresource.as_deref().unwrap_or_default().is_empty()
        })
        .and_then(|entry| entry.fields_v1.as_ref())
        .and_then(|fields| fields.0.as_object())
}

/// Whether the live value has everything that is wanted. `owned` is what the operator owns of it, if that is known.
fn holds(desired: &Value, live: &Value, owned: Option<&Map<String, Value>>) -> bool {
    match (desired, live) {
        (Value::Object(desired), Value::Object(live)) => {
            desired.iter().all(|(name, value)| match live.get(name) {
                Some(live) => holds(value, live, below(owned, |step| *step == Step::Field(name))),
                // The API server leaves out what is empty.
                None => is_empty(value),
            })
        }
        // It is owned as a whole (`listType: atomic`), so nobody else has anything in it.
        (Value::Array(desired), Value::Array(live)) if owned.is_some_and(Map::is_empty) => {
            desired.len() == live.len()
                && desired.iter().zip(live).all(|(wanted, item)| holds(wanted, item, owned))
        }
        (Value::Array(desired), Value::Array(live)) if desired.iter().any(Value::is_object) => {
            // Others may have added items of their own, such as a sidecar; ours must be there in our order.
            let mut rest = live.iter();
            desired.iter().all(|wanted| {
                let owned = below(owned, |step| step.is_of(wanted));
                rest.any(|item| holds(wanted, item, owned))
            })
        }
        (desired, live) => desired == live,
    }
}

/// What is owned one step further down. Below something that is owned as a whole, everything is.
fn below(
    owned: Option<&Map<String, Value>>,
    is_it: impl Fn(&Step<'_>) -> bool,
) -> Option<&Map<String, Value>> {
    let owned = owned?;
    if owned.is_empty() {
        return Some(owned);
    }
    let step = owned.iter().find(|(path, _)| Step::parse(path).is_some_and(|step| is_it(&step)));
    step.and_then(|(_, children)| children.as_object())
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Whether a set of owned fields (structured-merge-diff's `fieldsV1`) has one that is not wanted.
fn owns_more(fields: &Map<String, Value>, desired: &Value) -> bool {
    fields.iter().any(|(path, children)| {
        let Some(step) = Step::parse(path) else {
            return false;
        };
        match step.find(desired) {
            Some(value) => children.as_object().is_some_and(|children| owns_more(children, value)),
            None => true,
        }
    })
}

/// One step of a path in `fieldsV1`.
#[derive(PartialEq)]
enum Step<'a> {
    /// `f:name`: a field of an object.
    Field(&'a str),
    /// `k:{...}`: the item of a list with these keys.
    Item(Map<String, Value>),
    /// `v:...`: the item of a set with this value.
    Member(Value),
}

impl<'a> Step<'a> {
    /// `None` for `.`, which stands for the item itself.
    fn parse(path: &'a str) -> Option<Self> {
        let (kind, rest) = path.split_once(':')?;
        match kind {
            "f" => Some(Self::Field(rest)),
            "k" => serde_json::from_str(rest).ok().map(Self::Item),
            "v" => serde_json::from_str(rest).ok().map(Self::Member),
            _ => None,
        }
    }

    fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        match self {
            Self::Field(name) => value.get(*name),
            Self::Item(_) | Self::Member(_) => value.as_array()?.iter().find(|item| self.is_of(item)),
        }
    }

    /// Whether it leads to this item of a list.
    fn is_of(&self, item: &Value) -> bool {
        match self {
            Self::Field(_) => false,
            Self::Item(keys) => keys.iter().all(|(name, wanted)| match item.get(name) {
                Some(found) => found == wanted,
                // A key may be a default of the API server, such as the protocol of a port.
                None => name == "protocol" && wanted == "TCP",
            }),
            Self::Member(wanted) => item == wanted,
        }
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::FieldsV1;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn managed(fields: Value) -> Vec<ManagedFieldsEntry> {
        vec![ManagedFieldsEntry {
            manager: Some(FIELD_MANAGER.into()),
            operation: Some("Apply".into()),
            fields_v1: Some(FieldsV1(fields)),
            ..Default::default()
        }]
    }

    fn desired() -> Value {
        json!({"spec": {"replicas": 2, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}], "args": ["x"]}})
    }

    fn fields() -> Value {
        json!({"f:spec": {"f:replicas": {}, "f:args": {}, "f:env": {
            "k:{\"name\":\"A\"}": {".": {}, "f:name": {}, "f:value": {}},
            "k:{\"name\":\"B\"}": {".": {}, "f:name": {}, "f:value": {}},
        }}})
    }

    #[test]
    fn defaults_and_the_fields_of_others_are_no_drift() {
        let live = json!({"spec": {"replicas": 2, "paused": false, "args": ["x"], "env": [
            {"name": "A", "value": "1"}, {"name": "INJECTED", "value": "z"}, {"name": "B"}]}, "status": {}});
        assert!(!differs(&desired(), &live, &managed(fields())));
    }

    #[test]
    fn a_changed_a_missing_and_a_reordered_value_are_drift() {
        for live in [
            json!({"spec": {"replicas": 3, "args": ["x"], "env": [{"name": "A", "value": "1"}, {"name": "B"}]}}),
            json!({"spec": {"args": ["x"], "env": [{"name": "A", "value": "1"}, {"name": "B"}]}}),
            json!({"spec": {"replicas": 2, "args": ["x", "y"], "env": [{"name": "A", "value": "1"}, {"name": "B"}]}}),
            json!({"spec": {"replicas": 2, "args": ["x"], "env": [{"name": "B"}, {"name": "A", "value": "1"}]}}),
        ] {
            assert!(differs(&desired(), &live, &managed(fields())), "{live}");
        }
    }

    #[test]
    fn a_field_that_is_owned_and_no_longer_wanted_is_drift() {
        let live = json!({"spec": {"replicas": 2, "args": ["x"], "env": [
            {"name": "A", "value": "1"}, {"name": "B"}, {"name": "OLD", "value": "1"}]}});
        let mut fields = fields();
        fields["f:spec"]["f:env"]["k:{\"name\":\"OLD\"}"] = json!({".": {}, "f:name": {}});
        assert!(differs(&desired(), &live, &managed(fields)));
    }

    /// A rule of a NetworkPolicy that is no longer wanted must go: its list belongs to one manager as a whole.
    #[test]
    fn an_item_more_in_a_list_that_is_owned_as_a_whole_is_drift() {
        let rule = |port: u16| json!({"ports": [{"port": port}]});
        let stored = |port: u16| json!({"ports": [{"port": port, "protocol": "TCP"}]});
        let desired = json!({"spec": {"egress": [rule(53)]}});
        let fields = json!({"f:spec": {"f:egress": {}}});
        let same = json!({"spec": {"egress": [stored(53)]}});
        assert!(!differs(&desired, &same, &managed(fields.clone())));
        let more = json!({"spec": {"egress": [stored(53), stored(443)]}});
        assert!(differs(&desired, &more, &managed(fields.clone())));
        let more_inside = json!({"spec": {"egress": [{"ports": [{"port": 53}, {"port": 443}]}]}});
        assert!(differs(&desired, &more_inside, &managed(fields)));
    }

    #[test]
    fn an_object_that_was_never_applied_is_drift() {
        assert!(differs(&json!({}), &json!({}), &[]));
    }

    #[test]
    fn the_default_protocol_of_a_port_is_a_key() {
        let desired = json!({"ports": [{"port": 80}]});
        let fields = json!({"f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}": {".": {}, "f:port": {}}}});
        let live = json!({"ports": [{"port": 80, "protocol": "TCP"}]});
        assert!(!differs(&desired, &live, &managed(fields)));
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_value_holds_itself(value in any_json()) {
            prop_assert!(holds(&value, &value, None));
            prop_assert!(holds(&value, &value, Some(&Map::new())));
        }
    }
}
