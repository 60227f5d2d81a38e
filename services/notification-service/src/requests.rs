//! What admins and other services have somebody be told by the name of a template, without an event.

use flotilla_kit::correlation::CorrelationId;
use jiff::Timestamp;
use serde_json::Value;
use sqlx::{PgPool, PgTransaction};
use uuid::Uuid;

use crate::{
    consumers::recipients,
    domain::{category::Category, locale, rules},
    store::{
        Error,
        notifications::{self, New},
        templates,
    },
    template,
};

/// What a notification that no event has led to comes from.
pub(crate) const KIND: &str = "request";

/// Bytes that the data of one may have.
const MAX_DATA: usize = 64 * 1024;

/// A request that has been looked at.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    user: Uuid,
    template: &'static str,
    category: Category,
    data: Value,
}

/// What is wrong with one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    /// There is no such template, or none that may be asked for.
    #[error("write one of {}", names().join(", "))]
    Template,
    /// It is no object.
    #[error("write an object")]
    NoObject,
    /// It is too large.
    #[error("write at most {MAX_DATA} bytes")]
    Size,
    /// It has a character that no database takes.
    #[error("leave out the character U+0000")]
    Nul,
    /// The template asks for something that it does not have, or something in it cannot be taken.
    #[error("the template cannot be filled in: {0}")]
    Fill(#[from] template::Error),
}

/// Templates that may be asked for. A mail with a secret only comes of an event.
fn names() -> Vec<&'static str> {
    let may = |name: &&str| !rules::of_template(name).is_some_and(|rule| rule.has_secret);
    template::NAMES.iter().copied().filter(may).collect()
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

impl Request {
    /// Looks at what somebody is to be told, so that whoever asks for half a mail hears of it, and not a person much later.
    pub(crate) async fn new(
        pool: &PgPool,
        user: Uuid,
        template: &str,
        data: Value,
    ) -> Result<Result<Self, Wrong>, Error> {
        let Some(template) = names().into_iter().find(|name| *name == template) else {
            return Ok(Err(Wrong::Template));
        };
        let Some(category) = rules::category(template) else { return Ok(Err(Wrong::Template)) };
        if !data.is_object() {
            return Ok(Err(Wrong::NoObject));
        }
        if data.to_string().len() > MAX_DATA {
            return Ok(Err(Wrong::Size));
        }
        if has_nul(&data) {
            return Ok(Err(Wrong::Nul));
        }
        if let Some(source) = templates::best(pool, template, locale::DEFAULT).await?
            && let Err(error) = template::fill(template, &source, &data)
        {
            return Ok(Err(error.into()));
        }
        Ok(Ok(Self { user, template, category, data }))
    }

    /// The name of its template.
    pub(crate) const fn template(&self) -> &'static str {
        self.template
    }

    /// What kind of notification it is.
    pub(crate) const fn category(&self) -> Category {
        self.category
    }

    /// Queues it, once for each key. Gives its id, and whether there is anybody to be told.
    pub(crate) async fn queue(
        &self,
        transaction: &mut PgTransaction<'_>,
        dedupe_key: &str,
        correlation: Option<&CorrelationId>,
        traceparent: Option<&str>,
    ) -> Result<(Uuid, bool), Error> {
        let is_pushed = rules::of_template(self.template).is_some_and(|rule| rule.is_pushed);
        let recipients = recipients(transaction, self.user, self.category, is_pushed).await?;
        let new = New {
            dedupe_key,
            user: Some(self.user),
            template: self.template,
            category: self.category,
            subject: &self.user.to_string(),
            kind: KIND,
            data: &self.data,
            correlation_id: correlation.map(CorrelationId::as_str),
            traceparent,
            time: Timestamp::now(),
        };
        let (id, _is_new) = notifications::queue(transaction, &new, &recipients).await?;
        Ok((id, !recipients.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_nul_is_found_wherever_it_is() {
        for data in [json!({ "a": "\0" }), json!({ "a": [{ "b": "c\0" }] }), json!({ "a\0": 1 })] {
            assert!(has_nul(&data), "{data}");
        }
        assert!(!has_nul(&json!({ "a": [null, true, 1, "b"] })));
    }

    #[test]
    fn a_mail_with_a_secret_cannot_be_asked_for() {
        let names = names();
        assert!(names.contains(&"newsletter") && !names.contains(&"password_reset"));
    }
}
