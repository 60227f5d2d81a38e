//! JSON Merge Patch (RFC 7396).

use flotilla_kit::http::Problem;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use super::failure::invalid;
use crate::domain::Faults;

/// A value with a patch merged into it.
pub(super) fn merge<T: Serialize + DeserializeOwned>(
    current: &T,
    patch: Map<String, Value>,
) -> Result<T, Problem> {
    let mut value = serde_json::to_value(current).map_err(|error| Problem::internal(&error))?;
    apply(&mut value, Value::Object(patch));
    let text = value.to_string();
    let mut json = serde_json::Deserializer::from_str(&text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let segments: Vec<_> = error.path().iter().map(ToString::to_string).collect();
        let pointer = format!("/{}", segments.join("/"));
        // Without where in the text that is: nobody has sent that text.
        let message = error.into_inner().to_string();
        let reason = message.rsplit_once(" at line ").map_or(message.as_str(), |(reason, _)| reason);
        let expected = reason
            .rsplit_once(", expected ")
            .map_or(reason.to_owned(), |(_, what)| format!("expected {what}"));
        invalid(&Faults::one(pointer.replace("/[", "/").replace(']', ""), expected))
    })
}

fn apply(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (name, value) in patch {
        if value.is_null() {
            target.remove(&name);
        } else {
            apply(target.entry(name).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn it_is_as_the_examples_of_the_rfc() {
        // RFC 7396, appendix A.
        for (mut target, patch, result) in [
            (json!({"a": "b"}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "b"}), json!({"b": "c"}), json!({"a": "b", "b": "c"})),
            (json!({"a": "b"}), json!({"a": null}), json!({})),
            (json!({"a": "b", "b": "c"}), json!({"a": null}), json!({"b": "c"})),
            (json!({"a": ["b"]}), json!({"a": "c"}), json!({"a": "c"})),
            (json!({"a": "c"}), json!({"a": ["b"]}), json!({"a": ["b"]})),
            (json!({"a": {"b": "c"}}), json!({"a": {"b": "d", "c": null}}), json!({"a": {"b": "d"}})),
            (json!({"a": [{"b": "c"}]}), json!({"a": [1]}), json!({"a": [1]})),
            (json!(["a", "b"]), json!(["c", "d"]), json!(["c", "d"])),
            (json!({"a": "b"}), json!(["c"]), json!(["c"])),
            (json!({"a": "foo"}), json!(null), json!(null)),
            (json!({"e": null}), json!({"a": 1}), json!({"e": null, "a": 1})),
            (json!([1, 2]), json!({"a": "b", "c": null}), json!({"a": "b"})),
            (json!({}), json!({"a": {"bb": {"ccc": null}}}), json!({"a": {"bb": {}}})),
        ] {
            apply(&mut target, patch);
            assert_eq!(target, result);
        }
    }
}
