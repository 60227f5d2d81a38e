//! What a token says (RFC 7519 section 4). Pure.

use std::{borrow::Cow, fmt};

use flotilla_gateway_config::{Claim, RequiredClaim};
use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};

use super::Refused;

/// All claims of a token.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Claims(Map<String, Value>);

impl Claims {
    /// From JSON. Who names a member twice says two things, of which two programs believe another each.
    pub(super) fn read(json: &[u8]) -> Result<Self, Refused> {
        match serde_json::from_slice(json) {
            Ok(Once(Value::Object(claims))) => Ok(Self(claims)),
            _ => Err(Refused::Malformed),
        }
    }

    pub(super) fn issuer(&self) -> Option<&str> {
        self.0.get("iss")?.as_str()
    }

    /// Whether it is for one of these.
    pub(super) fn is_for(&self, audiences: &[String]) -> bool {
        let is_one =
            |value: &Value| value.as_str().is_some_and(|own| audiences.iter().any(|wanted| wanted == own));
        match self.0.get("aud") {
            Some(Value::Array(own)) => own.iter().any(is_one),
            Some(own) => is_one(own),
            None => false,
        }
    }

    /// Whether it is valid at a time, in seconds since 1970, by a clock that may be some seconds ahead or behind.
    pub(super) fn check_times(&self, now: f64, skew: f64) -> Result<(), Refused> {
        let expires = self.time("exp")?.ok_or(Refused::NoExpiry)?;
        if now >= expires + skew {
            return Err(Refused::Expired);
        }
        // What was issued in the future was issued by a clock that nobody should go by.
        for begins in [self.time("nbf")?, self.time("iat")?].into_iter().flatten() {
            if now + skew < begins {
                return Err(Refused::NotYet);
            }
        }
        Ok(())
    }

    fn time(&self, name: &str) -> Result<Option<f64>, Refused> {
        match self.0.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(Refused::Malformed),
        }
    }

    /// A claim by its name, or by a pointer.
    pub(super) fn get(&self, claim: &Claim) -> Option<&Value> {
        let claim = claim.as_str();
        let Some(path) = claim.strip_prefix('/') else { return self.0.get(claim) };
        // RFC 6901: of a name `~1` is a slash, and then `~0` a tilde.
        let plain = |name: &str| name.replace("~1", "/").replace("~0", "~");
        let mut names = path.split('/').map(plain);
        let first = self.0.get(&names.next()?)?;
        names.try_fold(first, |value, name| match value {
            Value::Object(members) => members.get(&name),
            Value::Array(items) => items.get(name.parse::<usize>().ok()?),
            _ => None,
        })
    }

    /// Whether it has one of the values that are wanted.
    pub(super) fn has(&self, wanted: &RequiredClaim) -> bool {
        let is_wanted = |text: &str| wanted.values.iter().any(|value| value == text);
        let fits = |value: &Value| match value {
            Value::String(text) => is_wanted(text),
            Value::Number(_) | Value::Bool(_) => is_wanted(&value.to_string()),
            _ => false,
        };
        match self.get(&wanted.claim) {
            None => false,
            Some(Value::Array(items)) => items.iter().any(fits),
            Some(Value::String(scopes)) if matches!(wanted.claim.as_str(), "scope" | "scp") => {
                scopes.split(' ').any(is_wanted)
            }
            Some(value) => fits(value),
        }
    }

    /// A claim as one text, by which requests are counted.
    pub(super) fn text(&self, claim: &Claim) -> Option<Cow<'_, str>> {
        Some(match self.get(claim)? {
            Value::String(text) => Cow::Borrowed(text),
            other => Cow::Owned(other.to_string()),
        })
    }

    /// A claim as a header has it: texts with commas between, when no comma is in them, otherwise JSON.
    pub(super) fn header(&self, claim: &Claim) -> Option<Cow<'_, str>> {
        if let Value::Array(items) = self.get(claim)? {
            let words: Option<Vec<&str>> =
                items.iter().map(|item| item.as_str().filter(|word| !word.contains(','))).collect();
            if let Some(words) = words {
                return Some(Cow::Owned(words.join(",")));
            }
        }
        self.text(claim)
    }
}

/// A value in which no object has a member twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values).map(Self)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number without an end"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Once(item)) = sequence.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some((name, Once(value))) = map.next_entry::<String, Once>()? {
            if members.insert(name, value).is_some() {
                return Err(de::Error::custom("a member is there twice"));
            }
        }
        Ok(Value::Object(members))
    }
}
