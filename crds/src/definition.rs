//! The `CustomResourceDefinition` objects as they are installed: what the derive macros give, brought to
//! the form that an API server and its users want.

use kube::CustomResourceExt;
use serde_json::{Number, Value, json};

use crate::v1alpha1::{Microservice, MicroserviceClass, MicroserviceRevision, TrafficPolicy, condition};

/// Numeric formats that schemars writes and the API server warns about as unknown.
const RUST_ONLY_FORMATS: [&str; 6] = ["int8", "uint8", "int16", "uint16", "uint32", "uint64"];

/// Every definition of the group, as JSON, in the order in which they are to be installed.
///
/// # Errors
/// When a definition cannot be written as JSON: a defect of this crate that its tests would show.
pub fn all() -> Result<Vec<Value>, serde_json::Error> {
    [Microservice::crd(), MicroserviceRevision::crd(), MicroserviceClass::crd(), TrafficPolicy::crd()]
        .into_iter()
        .map(|crd| {
            let mut value = serde_json::to_value(crd)?;
            tidy(&mut value);
            shorten(&mut value);
            pending(&mut value);
            label(&mut value);
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

/// Gives a `Microservice` a status before the operator has seen it: without one, kstatus would count it as done.
fn pending(crd: &mut Value) {
    if crd["spec"]["names"]["kind"] != "Microservice" {
        return;
    }
    for version in crd["spec"]["versions"].as_array_mut().into_iter().flatten() {
        version["schema"]["openAPIV3Schema"]["properties"]["status"]["default"] = json!({"conditions": [{
            "type": condition::READY,
            "status": "Unknown",
            "reason": "Pending",
            "message": "the operator has not seen the object yet",
            "lastTransitionTime": "1970-01-01T00:00:00Z",
        }]});
    }
}

/// Says of policies that what is below their targets has them too (GEP-713).
fn label(crd: &mut Value) {
    if crd["spec"]["names"]["kind"] == "TrafficPolicy" {
        crd["metadata"]["labels"] = json!({"gateway.networking.k8s.io/policy": "Inherited"});
    }
}

/// Blocks below `spec` that repeat another one, and what they repeat.
const REPEATED: [(&str, &[&str]); 4] = [
    ("initContainers", &["env", "envFrom", "volumeMounts", "resources"]),
    ("sidecars", &["env", "envFrom", "volumeMounts", "resources", "readiness", "liveness", "startup"]),
    ("migrations", &["resources"]),
    ("schedules", &["resources"]),
];

/// Drops the descriptions inside of blocks that are described elsewhere: the definition has to stay small.
fn shorten(crd: &mut Value) {
    for version in crd["spec"]["versions"].as_array_mut().into_iter().flatten() {
        for (block, fields) in REPEATED {
            for field in fields {
                let path = format!(
                    "/schema/openAPIV3Schema/properties/spec/properties/{block}/items/properties/{field}"
                );
                if let Some(schema) = version.pointer_mut(&path) {
                    let description = schema["description"].take();
                    undescribe(schema);
                    schema["description"] = description;
                }
            }
        }
    }
}

fn undescribe(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            // A field of that name is an object, a description a text.
            if map.get("description").is_some_and(|text| text.is_string() || text.is_null()) {
                map.remove("description");
            }
            map.values_mut().for_each(undescribe);
        }
        Value::Array(items) => items.iter_mut().for_each(undescribe),
        _ => {}
    }
}

#[allow(clippy::cast_possible_truncation, reason = "the bound is checked")]
fn whole(number: &Number) -> Option<Number> {
    let value = number.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < 1e15)?;
    Some(Number::from(value as i64))
}
