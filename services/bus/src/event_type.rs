//! Types of events, and patterns of them.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Bytes that a type may have.
const MAX: usize = 128;

/// Why a text is no type of events, or no pattern of them.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "{0:?} is no type of events: write lower-case words with dots between, such as shop.order.paid.v1, of at most {MAX} bytes"
)]
pub struct InvalidType(String);

/// The type of an event: lower-case words with dots between, the last one a version, such as `shop.order.paid.v1`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventType(String);

impl EventType {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for EventType {
    type Error = InvalidType;

    fn try_from(text: String) -> Result<Self, InvalidType> {
        if has_words(&text) { Ok(Self(text)) } else { Err(InvalidType(text)) }
    }
}

impl TryFrom<&str> for EventType {
    type Error = InvalidType;

    fn try_from(text: &str) -> Result<Self, InvalidType> {
        text.to_owned().try_into()
    }
}

impl From<EventType> for String {
    fn from(kind: EventType) -> Self {
        kind.0
    }
}

impl fmt::Display for EventType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Types that a consumer wants: one of them, or with `.*` at the end all that begin so.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pattern(String);

impl Pattern {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What types begin with when this is more than one of them; it ends with a dot.
    pub(crate) fn prefix(&self) -> Option<&str> {
        self.0.strip_suffix('*')
    }

    /// Whether a type is one of these.
    pub fn has(&self, kind: &EventType) -> bool {
        match self.prefix() {
            Some(prefix) => kind.0.starts_with(prefix),
            None => self.0 == kind.0,
        }
    }
}

impl TryFrom<&str> for Pattern {
    type Error = InvalidType;

    fn try_from(text: &str) -> Result<Self, InvalidType> {
        let words = text.strip_suffix(".*").unwrap_or(text);
        if has_words(words) { Ok(Self(text.to_owned())) } else { Err(InvalidType(text.to_owned())) }
    }
}

/// For command lines.
impl FromStr for Pattern {
    type Err = InvalidType;

    fn from_str(text: &str) -> Result<Self, InvalidType> {
        text.try_into()
    }
}

fn has_words(text: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    text.len() <= MAX && text.split('.').all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_words_with_dots_between() {
        for good in ["shop.order.paid.v1", "shop.stock.reservation.expired.v1", "user.email_verified.v1"] {
            assert_eq!(EventType::try_from(good).unwrap().as_str(), good);
        }
        let long = "a".repeat(MAX + 1);
        for bad in ["", "shop..v1", ".shop", "shop.", "Shop.order", "shop.*", "shop order", &long] {
            assert_eq!(EventType::try_from(bad), Err(InvalidType(bad.to_owned())));
        }
    }

    #[test]
    fn a_pattern_is_a_type_or_the_beginning_of_some() {
        let kind = EventType::try_from("shop.order.paid.v1").unwrap();
        for (pattern, has) in [
            ("shop.order.paid.v1", true),
            ("shop.order.*", true),
            ("shop.*", true),
            ("shop.order.paid", false),
            ("shop.orde.*", false),
            ("shop.order.paid.v1.*", false),
        ] {
            assert_eq!(Pattern::try_from(pattern).unwrap().has(&kind), has, "{pattern}");
        }
        for bad in ["", "*", ".*", "shop.*.v1", "shop*"] {
            assert!(Pattern::try_from(bad).is_err(), "{bad}");
        }
    }
}
