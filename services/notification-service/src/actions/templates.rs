//! Templates: those of the program, and those that people have added.

use flotilla_kit::database::Pool;
use serde_json::Value;

use crate::{
    domain::{category::Category, rules},
    store::{Error, templates},
    template::{self, Context},
};

/// A template that there is.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    pub(crate) category: Category,
    /// What it is filled in with when it is looked at, when people have added it.
    sample: Option<Value>,
}

impl Known {
    /// Whether people have added it.
    pub(crate) const fn is_own(&self) -> bool {
        self.sample.is_some()
    }

    /// What it is given, made up.
    pub(crate) fn sample(&self, locale: &str) -> Context {
        let sample = template::sample(&self.name, locale);
        let data = self.sample.clone().unwrap_or_else(|| sample.data.clone());
        Context { data, ..sample }
    }
}

/// A template, if there is one of this name.
pub(crate) async fn find(pool: &Pool, name: &str) -> Result<Option<Known>, Error> {
    if let Some(category) = rules::category(name) {
        return Ok(Some(Known { name: name.to_owned(), category, sample: None }));
    }
    let own = if is_name(name) { templates::own(pool, name).await? } else { None };
    Ok(own.and_then(|own| {
        let category = own.category.parse().ok()?;
        Some(Known { name: own.name, category, sample: Some(own.sample) })
    }))
}

/// Whether a template may be called so.
pub(crate) fn is_name(name: &str) -> bool {
    (2..=64).contains(&name.len())
        && name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether people may add one of this name: those of the program are taken, and so is what stands for endpoints of webhooks.
pub(crate) fn is_free(name: &str) -> bool {
    is_name(name) && rules::category(name).is_none() && name != rules::WEBHOOK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain_and_not_one_of_the_program() {
        assert!(is_free("summer_sale_2026"));
        for taken in ["newsletter", "password_reset", "webhook"] {
            assert!(!is_free(taken), "{taken}");
        }
        for none in ["", "a", "Sale", "1st", "a/b", "a b", "a:b", "ü1", &"a".repeat(65)] {
            assert!(!is_name(none), "{none}");
        }
    }
}
