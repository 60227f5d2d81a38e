//! What holds for every definition.

use std::{fs, path::Path};

use flotilla_crds::definition::all;
use serde_json::Value;

/// The most that a definition may have as compact JSON: `kubectl apply` keeps the object in an annotation of at
/// most 262,144 bytes, and there shall be room to grow.
const MAX_BYTES: usize = 120_000;

#[test]
fn the_generated_files_are_current() {
    for crd in all().unwrap() {
        let name = crd["metadata"]["name"].as_str().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("generated/{name}.yaml"));
        let written: Value = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert!(written == crd, "{} is stale; renew it with: cargo xtask gen", path.display());
    }
}

/// Pain 23: `kubectl apply` takes them.
#[test]
fn definitions_are_small() {
    for crd in all().unwrap() {
        let size = serde_json::to_string(&crd).unwrap().len();
        assert!(size < MAX_BYTES, "{} has {size} bytes", crd["metadata"]["name"]);
    }
}

/// An unbounded string or list makes CEL rules too expensive for the API server, and lets one object fill etcd.
#[test]
fn every_string_list_and_map_is_bounded() {
    let mut unbounded = Vec::new();
    for crd in all().unwrap() {
        for version in crd["spec"]["versions"].as_array().unwrap() {
            let properties = &version["schema"]["openAPIV3Schema"]["properties"];
            for part in ["spec", "status"] {
                look(part, &properties[part], &mut unbounded);
            }
        }
    }
    assert!(unbounded.is_empty(), "{}", unbounded.join("\n"));
}

/// `metav1.Condition` is bounded by the API server's own conventions, not by its schema.
fn is_condition(path: &str) -> bool {
    path.starts_with("status.conditions[]") || path.starts_with("status.ancestors[].conditions[]")
}

fn look(path: &str, schema: &Value, unbounded: &mut Vec<String>) {
    let has = |bound: &str| schema.get(bound).is_some();
    let bounded = match schema["type"].as_str() {
        Some("string") => has("maxLength") || has("enum") || has("format"),
        Some("array") => has("maxItems"),
        Some("object") if has("additionalProperties") => has("maxProperties"),
        _ => true,
    };
    if !bounded && !is_condition(path) {
        unbounded.push(path.to_owned());
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        look(&format!("{path}.{name}"), field, unbounded);
    }
    if has("items") {
        look(&format!("{path}[]"), &schema["items"], unbounded);
    }
    if has("additionalProperties") {
        look(&format!("{path}{{}}"), &schema["additionalProperties"], unbounded);
    }
}

/// A `null` that is stored would count as written; see `definition::all`.
#[test]
fn nothing_is_nullable() {
    assert!(!serde_json::to_string(&all().unwrap()).unwrap().contains("\"nullable\":true"));
}
