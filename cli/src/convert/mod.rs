//! From what people have to a `Microservice`. Pure.
//!
//! Each source is taken apart field by field; a field that nothing has taken is named, so nothing is lost silently.

pub mod compose;
pub mod deployment;
mod fields;
mod names;

pub use fields::{Fields, Notes};

use flotilla_crds::GROUP;
use serde_json::{Map, Value, json};

/// What holds for every service, and held for none of its sources.
const NETWORK: &str = "network: only what dependsOn and network name is let through, in and out; network.policy: Disabled lets everything through";

/// What came of a conversion.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Converted {
    /// The objects.
    pub objects: Vec<Value>,
    /// What could not be carried over, and what to do about each.
    pub notes: Vec<String>,
}

/// A `Microservice` with this `spec`, without what is empty in it.
fn microservice(name: &str, spec: Map<String, Value>) -> Value {
    let mut spec = Value::Object(spec);
    prune(&mut spec);
    json!({
        "apiVersion": format!("{GROUP}/v1alpha1"),
        "kind": "Microservice",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// Removes nulls, and lists and objects that are empty, unless they say something by being there.
fn prune(value: &mut Value) {
    if let Value::Object(fields) = value {
        fields.values_mut().for_each(prune);
        fields.retain(|name, value| match value {
            Value::Null => false,
            Value::Object(fields) => {
                !fields.is_empty() || matches!(name.as_str(), "emptyDir" | "tcp" | "grpc" | "http")
            }
            Value::Array(items) => !items.is_empty() || name == "writablePaths",
            _ => true,
        });
    } else if let Value::Array(items) = value {
        items.iter_mut().for_each(prune);
    }
}
