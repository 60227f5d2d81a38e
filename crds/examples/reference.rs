//! Prints the reference of every field as Markdown; `cargo xtask gen` writes it into `docs/microservice.md`.

#![allow(clippy::print_stdout, reason = "printing is its purpose")]

use serde_json::{Map, Value};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    for crd in flotilla_crds::definition::all()? {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap_or_default();
        for version in crd["spec"]["versions"].as_array().into_iter().flatten() {
            let name = version["name"].as_str().unwrap_or_default();
            println!("## Fields of {kind} {name}\n");
            println!("| field | type | meaning |\n|---|---|---|");
            let schema = &version["schema"]["openAPIV3Schema"];
            for part in ["spec", "status"] {
                fields(part, &schema["properties"][part]);
            }
        }
    }
    Ok(())
}

/// A row for each field below a path.
fn fields(path: &str, schema: &Value) {
    let empty = Map::new();
    let required: Vec<_> =
        schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    for (name, field) in schema["properties"].as_object().unwrap_or(&empty) {
        let path = format!("{path}.{name}");
        let mut type_ = type_of(field);
        if required.contains(&name.as_str()) {
            type_ += ", required";
        }
        // A block that repeats another one is described there.
        if field["description"].is_string() {
            println!("| `{path}` | {type_} | {} |", cell(field));
        }
        fields(&path, field);
        fields(&format!("{path}[]"), &field["items"]);
    }
}

fn type_of(field: &Value) -> String {
    if field["x-kubernetes-int-or-string"] == true {
        return "integer or string".to_owned();
    }
    let list = |values: &Vec<Value>| values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
    match (field["type"].as_str().unwrap_or("any"), field["enum"].as_array()) {
        (_, Some(values)) => format!("one of {}", list(values)),
        ("array", _) => format!("list of {}", type_of(&field["items"])),
        ("object", _) if field["additionalProperties"].is_object() => {
            format!("map of {}", type_of(&field["additionalProperties"]))
        }
        (type_, _) => type_.to_owned(),
    }
}

/// The description and the rules, in one table cell.
fn cell(field: &Value) -> String {
    let description = field["description"].as_str().unwrap_or_default().to_owned();
    let rules = field["x-kubernetes-validations"].as_array().into_iter().flatten();
    let rules: Vec<_> = rules
        .filter_map(|rule| rule["message"].as_str())
        .map(|message| format!("Rule: {message}."))
        .collect();
    let mut parts = vec![description];
    parts.extend(rules);
    parts.join("<br>").replace('\n', " ").replace('|', "\\|")
}
