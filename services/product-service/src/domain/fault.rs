//! What is wrong with something that somebody sent, all of it at once.

use std::fmt::Display;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema, JsonSchema)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901).
    pub pointer: String,
    /// What to write in its place.
    pub detail: String,
}

/// Things that are wrong.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl Faults {
    /// One of them.
    pub fn one(pointer: impl Into<String>, detail: impl Display) -> Self {
        let mut faults = Self::default();
        faults.add(pointer, detail);
        faults
    }

    /// Another one.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Display) {
        self.0.push(Fault { pointer: pointer.into(), detail: detail.to_string() });
    }

    /// A value, or its fault.
    pub fn check<T, E: Display>(&mut self, pointer: impl Into<String>, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(pointer, error)).ok()
    }

    /// A text of so many characters, without controls.
    pub fn text(&mut self, pointer: impl Into<String>, text: &str, least: usize, most: usize) {
        let length = text.chars().count();
        if !(least..=most).contains(&length) {
            self.add(pointer, format_args!("write from {least} to {most} characters"));
        } else if text.chars().any(|character| character.is_control() && !"\n\r\t".contains(character)) {
            self.add(pointer, "write no control characters");
        } else if least > 0 && text.trim().is_empty() {
            self.add(pointer, "write something");
        }
    }

    /// Nothing is wrong, or these things.
    pub fn into_result(self) -> Result<(), Self> {
        if self.0.is_empty() { Ok(()) } else { Err(self) }
    }
}
