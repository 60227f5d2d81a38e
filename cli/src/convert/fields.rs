//! An object that is taken apart field by field.

use serde_json::{Map, Value};

/// What could not be carried over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes(pub Vec<String>);

impl Notes {
    /// Adds a note.
    pub fn add(&mut self, note: impl Into<String>) {
        let note = note.into();
        if !self.0.contains(&note) {
            self.0.push(note);
        }
    }
}

/// An object, the fields of which are taken one after the other.
#[derive(Clone, Debug)]
pub struct Fields {
    /// Where it stands, for notes.
    pub path: String,
    rest: Map<String, Value>,
}

impl Fields {
    /// An object. What is none has no fields.
    pub fn of(path: impl Into<String>, value: Value) -> Self {
        let rest = if let Value::Object(rest) = value { rest } else { Map::new() };
        Self { path: path.into(), rest }
    }

    /// Takes a field; a null is no field.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        self.rest.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field that is an object.
    #[must_use]
    pub fn object(&mut self, name: &str) -> Self {
        let path = self.join(name);
        Self::of(path, self.take(name).unwrap_or_default())
    }

    /// Takes a field that is a list.
    pub fn list(&mut self, name: &str) -> Vec<Value> {
        match self.take(name) {
            Some(Value::Array(items)) => items,
            _ => Vec::new(),
        }
    }

    /// Takes a field that is a text, or a number or truth value that stands for one.
    pub fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).map(|value| plain(&value))
    }

    /// Takes a field that is a whole number, also when it is written as a text.
    pub fn number(&mut self, name: &str) -> Option<i64> {
        let value = self.take(name)?;
        value.as_i64().or_else(|| value.as_str()?.trim().parse().ok())
    }

    /// Takes fields that need no counterpart.
    pub fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.rest.remove(*name);
        }
    }

    /// Notes a field that has no counterpart, with what to do.
    pub fn refuse(&mut self, name: &str, advice: &str, notes: &mut Notes) {
        if self.rest.remove(name).is_some_and(|value| !value.is_null()) {
            notes.add(format!("{}: {advice}", self.join(name)));
        }
    }

    /// Notes every field that nobody has taken.
    pub fn finish(self, notes: &mut Notes) {
        for (name, value) in &self.rest {
            let is_empty = match value {
                Value::Null => true,
                Value::Object(fields) => fields.is_empty(),
                Value::Array(items) => items.is_empty(),
                _ => false,
            };
            if !is_empty {
                notes.add(format!(
                    "{}: is not carried over: a Microservice has nothing like it",
                    self.join(name)
                ));
            }
        }
    }

    /// The path of a field.
    pub fn join(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }
}

/// A value as the text that it stands for.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}
