//! The `CustomResourceDefinition` objects as they are installed: what the derive macros give, brought to
//! the form that an API server and its users want.

use kube::CustomResourceExt;
use serde_json::{Number, Value};

use crate::v1alpha1::{Microservice, MicroserviceRevision};

/// Numeric formats that schemars writes and the API server warns about as unknown.
const RUST_ONLY_FORMATS: [&str; 6] = ["int8", "uint8", "int16", "uint16", "uint32", "uint64"];

/// Every definition of the group, as JSON, in the order in which they are to be installed.
///
/// # Errors
/// When a definition cannot be written as JSON: a defect of this crate that its tests would show.
pub fn all() -> Result<Vec<Value>, serde_json::Error> {
    [Microservice::crd(), MicroserviceRevision::crd()]
        .into_iter()
        .map(|crd| {
            let mut value = serde_json::to_value(crd)?;
            tidy(&mut value);
            Ok(value)
        })
        .collect()
}

/// Drops `nullable` and Rust's own formats everywhere, and writes whole numbers as such.
///
/// `Option` becomes `nullable: true`, with which an explicit `null` would be stored and would count as
/// present in CEL. Without it the API server prunes a `null` before validation, as it does for built-in
/// kinds.
fn tidy(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("nullable").is_some_and(Value::is_boolean) {
                map.remove("nullable");
            }
            if map.get("format").and_then(Value::as_str).is_some_and(|f| RUST_ONLY_FORMATS.contains(&f)) {
                map.remove("format");
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        Value::Number(number) => {
            if let Some(whole) = whole(number) {
                *number = whole;
            }
        }
        _ => {}
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the bound is checked")]
fn whole(number: &Number) -> Option<Number> {
    let value = number.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < 1e15)?;
    Some(Number::from(value as i64))
}
