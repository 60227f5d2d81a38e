//! Parameters as a form, with names such as `metadata[order]`.

use std::collections::BTreeMap;

use crate::error::Error;

/// Bytes that a text may have.
const MAX: usize = 500;

/// The parameters of a request that nobody has taken yet.
#[derive(Debug)]
pub(super) struct Form(BTreeMap<String, String>);

impl Form {
    /// What was sent.
    pub(super) fn parse(body: &[u8]) -> Result<Self, Error> {
        let mut form = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(body) {
            if name.len() > MAX || value.len() > MAX {
                let message = format!("write at most {MAX} bytes");
                return Err(Error::parameter(
                    "parameter_invalid",
                    &name.chars().take(40).collect::<String>(),
                    message,
                ));
            }
            if form.insert(name.to_string(), value.to_string()).is_some() {
                return Err(Error::parameter("parameter_invalid", &name, "was sent twice"));
            }
        }
        Ok(Self(form))
    }

    /// A text.
    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).filter(|value| !value.is_empty())
    }

    /// A text that is needed.
    pub(super) fn required(&mut self, name: &str) -> Result<String, Error> {
        self.text(name).ok_or_else(|| Error::parameter("parameter_missing", name, "is needed"))
    }

    /// A whole number.
    pub(super) fn integer(&mut self, name: &str) -> Result<Option<i64>, Error> {
        self.text(name)
            .map(|text| {
                let wrong = |_| Error::parameter("parameter_invalid_integer", name, "write a whole number");
                text.parse().map_err(wrong)
            })
            .transpose()
    }

    /// What the merchant writes to an object.
    pub(super) fn metadata(&mut self) -> BTreeMap<String, String> {
        let name = |name: &str| name.strip_prefix("metadata[")?.strip_suffix(']').map(str::to_owned);
        let all = std::mem::take(&mut self.0);
        let mut metadata = BTreeMap::new();
        for (key, value) in all {
            match name(&key) {
                Some(name) => metadata.insert(name, value),
                None => self.0.insert(key, value),
            };
        }
        metadata
    }

    /// That nothing is left.
    pub(super) fn end(self) -> Result<(), Error> {
        match self.0.into_keys().next() {
            None => Ok(()),
            Some(name) => Err(Error::parameter("parameter_unknown", &name, "is not known here")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_taken_one_by_one_and_none_is_left() {
        let mut form = Form::parse(b"amount=4980&metadata%5Border%5D=o-12&currency=eur").unwrap();
        assert_eq!(form.metadata()["order"], "o-12");
        assert_eq!(form.integer("amount").unwrap(), Some(4_980));
        assert_eq!(form.required("currency").unwrap(), "eur");
        assert_eq!(form.required("payment_intent").unwrap_err().code, "parameter_missing");
        form.end().unwrap();
        let mut form = Form::parse(b"amount=many&more=1").unwrap();
        assert_eq!(form.integer("amount").unwrap_err().code, "parameter_invalid_integer");
        assert_eq!(form.end().unwrap_err().code, "parameter_unknown");
        assert!(Form::parse(b"a=1&a=2").is_err());
    }
}
