//! What admins and other services have somebody be told by the name of a template, without an event.

use flotilla_kit::{
    correlation::CorrelationId,
    database::{Pool, Transaction},
};
use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use crate::{
    actions::templates::{Known, find},
    consumers::recipients,
    domain::{category::Category, locale, rules, storable},
    store::{
        Error,
        notifications::{self, New},
        templates,
    },
    template::{self, Context},
};

/// What a notification that no event has led to comes from.
pub(crate) const KIND: &str = "request";

/// Bytes that the data of one may have.
const MAX_DATA: usize = 64 * 1024;

/// A request that has been looked at.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    user: Uuid,
    template: Known,
    data: Value,
}

/// What is wrong with one.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Wrong {
    /// There is no such template, or none that may be asked for.
    #[error("write one of {}, or one that was added and has a text", names().join(", "))]
    Template,
    /// It is no object.
    #[error("write an object")]
    NoObject,
    /// It is too large.
    #[error("write at most {MAX_DATA} bytes")]
    Size,
    /// It has a character that no database takes.
    #[error("{}", storable::HINT)]
    Nul,
    /// The template asks for something that it does not have, or something in it cannot be taken.
    #[error("the template cannot be filled in: {0}")]
    Fill(#[from] template::Error),
}

/// Whether a template may be asked for. A mail with a secret only comes of an event.
fn may_be_asked_for(name: &str) -> bool {
    !rules::of_template(name).is_some_and(|rule| rule.has_secret)
}

/// Those of the program that may be.
fn names() -> Vec<&'static str> {
    template::NAMES.iter().copied().filter(|name| may_be_asked_for(name)).collect()
}

impl Request {
    /// Looks at what somebody is to be told, so that whoever asks for half a mail hears of it, and not a person much later.
    pub(crate) async fn new(
        pool: &Pool,
        user: Uuid,
        template: &str,
        data: Value,
    ) -> Result<Result<Self, Wrong>, Error> {
        let known = find(pool, template).await?.filter(|known| may_be_asked_for(&known.name));
        let Some(template) = known else { return Ok(Err(Wrong::Template)) };
        if !data.is_object() {
            return Ok(Err(Wrong::NoObject));
        }
        if data.to_string().len() > MAX_DATA {
            return Ok(Err(Wrong::Size));
        }
        if !storable::is_value(&data) {
            return Ok(Err(Wrong::Nul));
        }
        let Some(source) = templates::best(pool, &template.name, locale::DEFAULT).await? else {
            return Ok(Err(Wrong::Template));
        };
        let context = Context { data: data.clone(), ..template.sample(&source.locale) };
        Ok(template::render(&source, &context).map_err(Wrong::from).map(|_rendered| Self {
            user,
            template,
            data,
        }))
    }

    /// The name of its template.
    pub(crate) fn template(&self) -> &str {
        &self.template.name
    }

    /// What kind of notification it is.
    pub(crate) const fn category(&self) -> Category {
        self.template.category
    }

    /// Queues it, once for each key. Gives its id, and whether there is anybody to be told.
    pub(crate) async fn queue(
        &self,
        transaction: &mut Transaction<'_>,
        dedupe_key: &str,
        correlation: Option<&CorrelationId>,
        traceparent: Option<&str>,
    ) -> Result<(Uuid, bool), Error> {
        let is_pushed = rules::of_template(&self.template.name).is_some_and(|rule| rule.is_pushed);
        let recipients = recipients(transaction, self.user, self.category(), is_pushed).await?;
        let new = New {
            dedupe_key,
            user: Some(self.user),
            template: &self.template.name,
            category: self.category(),
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
    use super::*;

    #[test]
    fn a_mail_with_a_secret_cannot_be_asked_for() {
        let names = names();
        assert!(names.contains(&"newsletter") && !names.contains(&"password_reset"));
    }
}
