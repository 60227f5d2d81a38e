//! What a database can keep: Postgres takes any character in a text but one.

use serde_json::Value;

/// What is said to whoever sends it.
pub const HINT: &str = "leave out the character U+0000";

/// Whether a text can be kept.
pub fn is_text(text: &str) -> bool {
    !text.contains('\0')
}

/// Whether all of a value can be.
pub fn is_value(value: &Value) -> bool {
    match value {
        Value::String(text) => is_text(text),
        Value::Array(items) => items.iter().all(is_value),
        Value::Object(fields) => fields.iter().all(|(name, value)| is_text(name) && is_value(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_nul_is_found_wherever_it_is() {
        for data in [json!({ "a": "\0" }), json!({ "a": [{ "b": "c\0" }] }), json!({ "a\0": 1 })] {
            assert!(!is_value(&data), "{data}");
        }
        assert!(is_value(&json!({ "a": [null, true, 1, "b"] })));
    }
}
