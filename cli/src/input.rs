//! Objects from files and from standard input.

use std::{fs, io::Read as _};

use serde_json::Value;

use crate::Error;

/// A document of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Where it stands, for messages: the file, and the number of the document when there are several.
    pub place: String,
    /// The object.
    pub value: Value,
}

impl Document {
    /// Whether it is an object of this group and kind.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        let api_version = self.value["apiVersion"].as_str().unwrap_or_default();
        let found = api_version.split_once('/').map_or("", |(found, _)| found);
        found == group && self.value["kind"] == kind
    }

    /// Kind and name, for messages.
    pub fn title(&self) -> String {
        let word = |value: &Value, otherwise: &str| value.as_str().unwrap_or(otherwise).to_owned();
        let kind = word(&self.value["kind"], "an object without a kind");
        match self.value["metadata"]["name"].as_str() {
            Some(name) => format!("{kind} {name:?}"),
            None => kind,
        }
    }
}

/// The text of a file; `-` is standard input.
pub fn text(path: &str) -> Result<String, Error> {
    let read = if path == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    read.map_err(|source| Error::Read { path: shown(path), source })
}

/// How a file is named in messages.
pub fn shown(path: &str) -> String {
    if path == "-" { "standard input".to_owned() } else { path.to_owned() }
}

/// The documents of the files, with the items of lists as documents of their own.
pub fn documents(paths: &[String]) -> Result<Vec<Document>, Error> {
    let mut found = Vec::new();
    for path in paths {
        found.extend(parse(&shown(path), &text(path)?)?);
    }
    Ok(found)
}

/// The documents of a text. JSON is YAML.
pub fn parse(path: &str, text: &str) -> Result<Vec<Document>, Error> {
    let values: Vec<Value> = serde_saphyr::from_multiple(text)
        .map_err(|error| Error::Yaml { path: path.to_owned(), message: error.to_string() })?;
    let several = values.len() > 1;
    let mut documents = Vec::new();
    for (index, value) in values.into_iter().enumerate() {
        let place = if several { format!("{path}, document {}", index + 1) } else { path.to_owned() };
        match value {
            Value::Null => {}
            Value::Object(mut list) if list.get("kind").is_some_and(|kind| kind == "List") => {
                let items = list.get_mut("items").and_then(Value::as_array_mut).map(std::mem::take);
                for (item, value) in items.unwrap_or_default().into_iter().enumerate() {
                    documents.push(Document { place: format!("{place}, item {}", item + 1), value });
                }
            }
            value => documents.push(Document { place, value }),
        }
    }
    Ok(documents)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_items_of_lists_are_told_apart() {
        let text = "kind: A\n---\nkind: List\nitems: [{kind: B}, {kind: C, metadata: {name: c}}]\n---\n";
        let documents = parse("all.yaml", text).unwrap();
        let found: Vec<_> =
            documents.iter().map(|found| format!("{}: {}", found.place, found.title())).collect();
        assert_eq!(
            found,
            [
                "all.yaml, document 1: A",
                "all.yaml, document 2, item 1: B",
                "all.yaml, document 2, item 2: C \"c\""
            ]
        );
    }

    #[test]
    fn what_is_not_yaml_is_named_with_its_place() {
        let error = parse("bad.yaml", "a: [").unwrap_err().to_string();
        assert!(error.starts_with("bad.yaml is not YAML: "), "{error}");
    }

    #[test]
    fn a_group_is_compared_whole() {
        let document = |api_version: &str| Document {
            place: String::new(),
            value: serde_json::json!({"apiVersion": api_version, "kind": "Microservice"}),
        };
        assert!(document("flotilla.dev/v1alpha1").is("flotilla.dev", "Microservice"));
        assert!(!document("v1").is("flotilla.dev", "Microservice"));
        assert!(document("v1").is("", "Microservice"));
    }
}
