//! A structural schema of Kubernetes, checked as the API server checks it.
//!
//! It is the part of `OpenAPI` that a definition may use, with `x-kubernetes-*`, with Go's regular expressions (whose
//! syntax Rust's are made after), and with an error for every field that is not in it. A checker for JSON Schema at
//! large knows none of these three.

use regex::Regex;
use serde_json::{Map, Value};

use super::Finding;

/// Checks an object against the schema of its definition.
pub(super) fn check(schema: &Value, object: &Value, findings: &mut Vec<Finding>) {
    let mut object = object.clone();
    let mut schema = schema.clone();
    // The API server has these of its own.
    if let (Value::Object(fields), Some(Value::Object(known))) = (&mut object, schema.get_mut("properties")) {
        for field in ["apiVersion", "kind", "metadata"] {
            fields.remove(field);
            known.remove(field);
        }
    }
    Checker { findings }.value(&schema, &object, "");
}

/// Keywords that are checked here, and those that say nothing of a single object.
#[cfg(test)]
pub(super) const KEYWORDS: [&str; 24] = [
    "additionalProperties",
    "default",
    "description",
    "enum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];

struct Checker<'a> {
    findings: &'a mut Vec<Finding>,
}

impl Checker<'_> {
    fn find(&mut self, field: &str, message: impl Into<String>) {
        self.findings.push(Finding { field: field.to_owned(), message: message.into() });
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        if schema["x-kubernetes-int-or-string"] == true {
            if !is_whole(value) && !value.is_string() {
                return self.find(path, format!("must be a whole number or a string, not {}", kind(value)));
            }
        } else if let Some(wanted) = schema["type"].as_str()
            && !is_of(wanted, value)
        {
            let advice = match (wanted, value) {
                ("string", Value::Number(_) | Value::Bool(_)) => format!("; write it in quotes: \"{value}\""),
                _ => String::new(),
            };
            return self.find(path, format!("must be {}, not {}{advice}", article(wanted), kind(value)));
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            let names: Vec<_> = allowed.iter().map(plain).collect();
            self.find(path, format!("must be one of {}, not {}", names.join(", "), plain(value)));
        }
        match value {
            Value::String(text) => self.text(schema, text, path),
            Value::Number(_) => self.number(schema, value, path),
            Value::Array(items) => self.list(schema, items, path),
            Value::Object(fields) => self.object(schema, fields, path),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn text(&mut self, schema: &Value, text: &str, path: &str) {
        let length = text.chars().count();
        if bound(schema, "minLength").is_some_and(|least| length < least) {
            self.find(
                path,
                if length == 0 { "must not be empty".to_owned() } else { "is too short".to_owned() },
            );
        }
        if let Some(most) = bound(schema, "maxLength").filter(|most| length > *most) {
            self.find(path, format!("has {length} characters, and may have {most} at most"));
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            match Regex::new(pattern) {
                Ok(regex) if regex.is_match(text) => {}
                Ok(_) => self.find(path, format!("{text:?} does not match {pattern}")),
                Err(_) => self.find(path, format!("cannot be checked: the pattern {pattern} is not one")),
            }
        }
    }

    fn number(&mut self, schema: &Value, value: &Value, path: &str) {
        let Some(number) = value.as_f64() else { return };
        if let Some(least) = schema["minimum"].as_f64().filter(|least| number < *least) {
            self.find(path, format!("must be at least {least}, not {value}"));
        }
        if let Some(most) = schema["maximum"].as_f64().filter(|most| number > *most) {
            self.find(path, format!("must be at most {most}, not {value}"));
        }
    }

    fn list(&mut self, schema: &Value, items: &[Value], path: &str) {
        if bound(schema, "minItems").is_some_and(|least| items.len() < least) {
            self.find(path, "must not be empty");
        }
        if let Some(most) = bound(schema, "maxItems").filter(|most| items.len() > *most) {
            self.find(path, format!("has {} items, and may have {most} at most", items.len()));
        }
        for (index, item) in items.iter().enumerate() {
            let place = format!("{path}[{index}]");
            self.value(&schema["items"], item, &place);
            if let Some(key) = identity(schema, item)
                && items.iter().take(index).any(|former| identity(schema, former).as_ref() == Some(&key))
            {
                let key: Vec<_> = key.iter().map(plain).collect();
                self.find(&place, format!("is there twice: {}", key.join(", ")));
            }
        }
    }

    fn object(&mut self, schema: &Value, fields: &Map<String, Value>, path: &str) {
        if let Some(most) = bound(schema, "maxProperties").filter(|most| fields.len() > *most) {
            self.find(path, format!("has {} entries, and may have {most} at most", fields.len()));
        }
        for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(required) {
                self.find(&join(path, required), "is required");
            }
        }
        let known = schema["properties"].as_object();
        for (name, value) in fields {
            let place = join(path, name);
            if let Some(field) = known.and_then(|known| known.get(name)) {
                self.value(field, value, &place);
            } else if schema["additionalProperties"].is_object() {
                self.value(&schema["additionalProperties"], value, &place);
            } else if schema["additionalProperties"] != true
                && schema["x-kubernetes-preserve-unknown-fields"] != true
            {
                self.find(&place, unknown(name, known));
            }
        }
    }
}

/// That a field is not known, with the one that was perhaps meant.
fn unknown(name: &str, known: Option<&Map<String, Value>>) -> String {
    let names: Vec<_> = known.into_iter().flat_map(Map::keys).map(String::as_str).collect();
    match similar::get_close_matches(name, &names, 1, 0.6).first() {
        Some(close) => format!("there is no such field; is {close} meant?"),
        None => "there is no such field".to_owned(),
    }
}

/// What must not be there twice in a list; `None` in a list in which everything may.
fn identity(schema: &Value, item: &Value) -> Option<Vec<Value>> {
    match schema["x-kubernetes-list-type"].as_str()? {
        "set" => Some(vec![item.clone()]),
        "map" => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array()?;
            Some(keys.iter().filter_map(Value::as_str).map(|key| item[key].clone()).collect())
        }
        _ => None,
    }
}

fn bound(schema: &Value, keyword: &str) -> Option<usize> {
    schema[keyword].as_u64().and_then(|bound| usize::try_from(bound).ok())
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn is_of(wanted: &str, value: &Value) -> bool {
    match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => is_whole(value),
        "number" => value.is_number(),
        _ => true,
    }
}

fn is_whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64()
}

fn article(wanted: &str) -> &str {
    match wanted {
        "object" => "an object",
        "array" => "a list",
        "string" => "a string",
        "boolean" => "true or false",
        "integer" => "a whole number",
        other => other,
    }
}

fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
