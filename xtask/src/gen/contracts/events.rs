//! The data of events, by the JSON Schemas that services commit. Whoever takes an event has to leave out what he does not know,
//! so that more may be in it; what he knows stays where it is, of the same kind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::workspace_root;

/// What begins the text of a value that is there, and of one that may be.
const ALWAYS: &str = "always";
const MAYBE: &str = "maybe";

/// The type of a value that may be of any.
const ANYTHING: &str = "anything";

/// Words of a schema that narrow in ways that are not known here: with them it could not be told what is promised.
const UNKNOWN: [&str; 8] =
    ["allOf", "anyOf", "oneOf", "not", "if", "patternProperties", "prefixItems", "unevaluatedProperties"];

/// What is promised of a value. As text: `always string, format uuid`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Value {
    /// That it is always there.
    required: bool,
    /// What it may be. Nothing: anything.
    types: BTreeSet<String>,
    /// The texts that there are.
    values: Option<BTreeSet<String>>,
    /// What its text is.
    format: Option<String>,
    /// How its text is written.
    pattern: Option<String>,
}

impl From<Value> for String {
    fn from(value: Value) -> Self {
        let join = |texts: &BTreeSet<Self>| texts.iter().map(Self::as_str).collect::<Vec<_>>().join("|");
        let types = if value.types.is_empty() { ANYTHING.to_owned() } else { join(&value.types) };
        let mut text = format!("{} {types}", if value.required { ALWAYS } else { MAYBE });
        let values = value.values.as_ref().map(join);
        for (name, said) in [("values", values), ("format", value.format), ("pattern", value.pattern)] {
            text.extend(said.map(|said| format!(", {name} {said}")));
        }
        text
    }
}

impl TryFrom<String> for Value {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let split =
            |texts: &str| texts.split('|').filter(|text| *text != ANYTHING).map(str::to_owned).collect();
        // The last one may have commas.
        let (text, pattern) = match text.split_once(", pattern ") {
            Some((text, pattern)) => (text.to_owned(), Some(pattern.to_owned())),
            None => (text, None),
        };
        let mut parts = text.split(", ");
        let (always, types) = parts.next().and_then(|kind| kind.split_once(' ')).unwrap_or_default();
        let mut value = Self { required: always == ALWAYS, types: split(types), pattern, ..Self::default() };
        for part in parts {
            match part.split_once(' ') {
                Some(("values", values)) => value.values = Some(split(values)),
                Some(("format", format)) => value.format = Some(format.to_owned()),
                _ => return Err(format!("{part:?} is nothing that is promised")),
            }
        }
        match always {
            ALWAYS | MAYBE => Ok(value),
            _ => Err(format!("{text:?} begins with neither {ALWAYS} nor {MAYBE}")),
        }
    }
}

/// The events of all services.
pub(super) fn all() -> Result<BTreeMap<String, BTreeMap<String, Value>>> {
    let mut all = BTreeMap::new();
    for service in fs::read_dir(workspace_root().join("services"))? {
        let folder = service?.path().join("events");
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(&folder)? {
            let path = file?.path();
            let (kind, data) = read(&path).with_context(|| format!("reading {}", path.display()))?;
            if all.insert(kind, data).is_some() {
                bail!("{}: another service has an event of this type", path.display());
            }
        }
    }
    Ok(all)
}

fn read(path: &Path) -> Result<(String, BTreeMap<String, Value>)> {
    let kind = path.file_stem().and_then(|name| name.to_str()).context("it has a name")?.to_owned();
    let schema: Json = serde_json::from_str(&fs::read_to_string(path)?)?;
    Ok((kind, promised(&schema)?))
}

/// What a schema promises, by where it is: `/lines/[]/sku`.
fn promised(schema: &Json) -> Result<BTreeMap<String, Value>> {
    let mut data = BTreeMap::new();
    walk(schema, schema, "", true, &mut data)?;
    Ok(data)
}

fn walk(
    root: &Json,
    schema: &Json,
    at: &str,
    required: bool,
    data: &mut BTreeMap<String, Value>,
) -> Result<()> {
    let Some(object) = resolved(root, schema)?.as_object() else {
        bail!("{at}: a schema is an object here");
    };
    if let Some(word) = UNKNOWN.iter().find(|word| object.contains_key(**word)) {
        bail!("{at}: {word} is not known here: write the schema without it");
    }
    data.insert(at.to_owned(), value(object, required));
    if let Some(items) = object.get("items") {
        walk(root, items, &format!("{at}/[]"), true, data)?;
    }
    let is_required = |name: &str| {
        let names = object.get("required").and_then(Json::as_array);
        names.is_some_and(|names| names.iter().any(|one| one == name))
    };
    for (name, property) in object.get("properties").and_then(Json::as_object).into_iter().flatten() {
        walk(root, property, &format!("{at}/{name}"), is_required(name), data)?;
    }
    Ok(())
}

/// What a reference of a schema into itself leads to.
fn resolved<'a>(root: &'a Json, schema: &'a Json) -> Result<&'a Json> {
    let Some(reference) = schema.get("$ref").and_then(Json::as_str) else { return Ok(schema) };
    let pointer = reference.strip_prefix('#').context("a reference leads into the same file")?;
    root.pointer(pointer).with_context(|| format!("there is nothing at {reference}"))
}

fn value(schema: &Map<String, Json>, required: bool) -> Value {
    let text = |name: &str| schema.get(name).and_then(Json::as_str).map(str::to_owned);
    let texts = |json: &Json| match json {
        Json::Array(all) => all.iter().map(plain).collect(),
        one => BTreeSet::from([plain(one)]),
    };
    Value {
        types: schema.get("type").map(texts).unwrap_or_default(),
        required,
        values: schema.get("enum").or_else(|| schema.get("const")).map(texts),
        format: text("format"),
        pattern: text("pattern"),
    }
}

fn plain(json: &Json) -> String {
    json.as_str().map_or_else(|| json.to_string(), str::to_owned)
}

/// What is promised of an event and does not hold any more.
pub(super) fn broken(
    kind: &str,
    promised: &BTreeMap<String, Value>,
    now: &BTreeMap<String, Value>,
) -> Vec<String> {
    let mut broken = Vec::new();
    for (at, promised) in promised {
        let mut say = |what: &str| broken.push(format!("{kind}{at}: {what}"));
        let Some(now) = now.get(at) else {
            say("it is gone");
            continue;
        };
        let is_known = |kind: &String| {
            promised.types.contains(kind) || (kind == "integer" && promised.types.contains("number"))
        };
        if !promised.types.is_empty() && (now.types.is_empty() || !now.types.iter().all(is_known)) {
            say("it may be of another type than before");
        }
        if promised.required && !now.required {
            say("it was always there, and may be missing");
        }
        if let Some(values) = &promised.values
            && now.values.as_ref().is_none_or(|now| !now.is_subset(values))
        {
            say("it has values that nobody knows");
        }
        if promised.format.is_some() && promised.format != now.format {
            say("its format is another");
        }
        if promised.pattern.is_some() && promised.pattern != now.pattern {
            say("its pattern is another");
        }
    }
    broken
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What breaks when this is changed in a schema by a pointer. Nothing in place of it: it is taken out.
    fn breaks(pointer: &str, change: Option<Json>) -> Vec<String> {
        let before = json!({
            "type": "object",
            "properties": {
                "id": { "type": "string", "format": "uuid" },
                "note": { "type": ["string", "null"] },
                "status": { "enum": ["paid", "lost"] },
                "total": { "type": "number", "minimum": 0 },
                "currency": { "type": "string", "pattern": "^[A-Z]{3}$" },
                "lines": { "type": "array", "items": { "$ref": "#/$defs/Line" } },
            },
            "required": ["id", "status"],
            "additionalProperties": false,
            "$defs": { "Line": { "type": "object", "properties": { "sku": { "type": "string" } }, "required": ["sku"] } },
        });
        let mut after = before.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = after.pointer_mut(parent).unwrap().as_object_mut().unwrap();
        match change {
            Some(json) => drop(parent.insert(name.to_owned(), json)),
            None => drop(parent.remove(name).unwrap()),
        }
        broken("e", &promised(&before).unwrap(), &promised(&after).unwrap())
    }

    #[test]
    fn whoever_reads_an_event_may_rely_on_what_he_knew() {
        for (pointer, change, says) in [
            ("/properties/note", None, "e/note: it is gone"),
            ("/properties/id/type", Some(json!("integer")), "e/id: it may be of another type than before"),
            (
                "/properties/id/type",
                Some(json!(["string", "null"])),
                "e/id: it may be of another type than before",
            ),
            ("/properties/id/type", None, "e/id: it may be of another type than before"),
            ("/properties/id/format", None, "e/id: its format is another"),
            ("/properties/currency/pattern", Some(json!(".*")), "e/currency: its pattern is another"),
            (
                "/properties/status/enum",
                Some(json!(["paid", "new"])),
                "e/status: it has values that nobody knows",
            ),
            ("/properties/status/enum", None, "e/status: it has values that nobody knows"),
            ("/required", Some(json!(["id"])), "e/status: it was always there, and may be missing"),
            ("/$defs/Line/required", None, "e/lines/[]/sku: it was always there, and may be missing"),
            (
                "/$defs/Line/properties/sku/type",
                Some(json!("integer")),
                "e/lines/[]/sku: it may be of another type than before",
            ),
        ] {
            assert_eq!(breaks(pointer, change), [says], "{pointer}");
        }
    }

    #[test]
    fn more_may_be_said_and_more_exactly() {
        for (pointer, change) in [
            ("/properties/new", Some(json!({ "type": "string" }))),
            ("/required", Some(json!(["id", "status", "note"]))),
            ("/properties/note/type", Some(json!("string"))),
            ("/properties/note/format", Some(json!("email"))),
            ("/properties/total/type", Some(json!("integer"))),
            ("/properties/status/enum", Some(json!(["paid"]))),
            ("/properties/total/minimum", Some(json!(1))),
            ("/additionalProperties", None),
            ("/description", Some(json!("what it says"))),
        ] {
            assert_eq!(breaks(pointer, change), Vec::<String>::new(), "{pointer}");
        }
    }

    #[test]
    fn what_is_promised_is_read_as_it_was_written() {
        let schema = json!({
            "type": ["string", "null"], "enum": ["a", "b"], "format": "email", "pattern": "^a, b$",
        });
        let value = value(schema.as_object().unwrap(), true);
        let text = String::from(value.clone());
        assert_eq!(text, "always null|string, values a|b, format email, pattern ^a, b$");
        assert_eq!(Value::try_from(text).unwrap(), value);
        assert_eq!(Value::try_from("maybe anything".to_owned()).unwrap(), Value::default());
        for bad in ["", "string", "always string, of some kind"] {
            assert!(Value::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_cannot_be_told_is_refused() {
        for schema in [
            json!({ "oneOf": [] }),
            json!({ "properties": { "a": true } }),
            json!({ "properties": { "a": { "$ref": "other.json" } } }),
            json!({ "properties": { "a": { "$ref": "#/$defs/None" } } }),
        ] {
            assert!(promised(&schema).is_err(), "{schema}");
        }
    }
}
