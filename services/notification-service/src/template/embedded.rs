//! The templates of the program: files with a subject, a text and HTML, with a line of three dashes between.

use super::Source;

/// Locales that there are of each.
pub const LOCALES: [&str; 2] = ["en", "de"];

/// What is between the parts of a file.
const BETWEEN: &str = "\n---\n";

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        /// The templates that there are.
        pub const NAMES: &[&str] = &[$($name),*];

        fn file(name: &str, locale: &str) -> Option<&'static str> {
            match (name, locale) {
                $(
                    ($name, "en") => Some(include_str!(concat!("../../templates/en/", $name, ".jinja"))),
                    ($name, "de") => Some(include_str!(concat!("../../templates/de/", $name, ".jinja"))),
                )*
                _ => None,
            }
        }
    };
}

templates![
    "account_locked",
    "email_change",
    "email_change_notice",
    "email_changed",
    "email_verification",
    "newsletter",
    "order_cancelled",
    "order_completed",
    "order_confirmation",
    "order_refunded",
    "order_rejected",
    "order_shipped",
    "password_changed",
    "password_reset",
    "payment_failed",
    "registration_repeated",
    "session_compromised",
    "welcome",
];

/// A template of the program.
pub fn source(name: &str, locale: &str) -> Option<Source> {
    let mut parts = file(name, locale)?.splitn(3, BETWEEN);
    let (subject, text, html) = (parts.next()?, parts.next()?, parts.next()?);
    Some(Source {
        version: 0,
        locale: locale.to_owned(),
        subject: subject.to_owned(),
        text: text.to_owned(),
        html: html.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{
        super::{render, sample},
        *,
    };
    use crate::domain::rules::{BY_NAME, RULES};

    #[test]
    fn each_notification_has_its_template_in_each_locale() {
        let named = BY_NAME.iter().map(|(name, _)| *name);
        for name in RULES.iter().map(|rule| rule.template).chain(named) {
            assert!(NAMES.contains(&name), "{name}");
        }
        assert_eq!(NAMES.len(), RULES.len() + BY_NAME.len());
        for name in NAMES {
            for locale in LOCALES {
                let source = source(name, locale).unwrap_or_else(|| panic!("{locale}/{name}"));
                render(&source, &sample(name, locale))
                    .unwrap_or_else(|error| panic!("{locale}/{name}: {error}"));
            }
        }
    }
}
