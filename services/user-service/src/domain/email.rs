//! Addresses of mail.

use std::fmt;

/// Characters that one may have (RFC 5321, section 4.5.3.1.3).
const MAX: usize = 254;

/// Characters before the `@` (section 4.5.3.1.1).
const MAX_LOCAL: usize = 64;

/// Why a text is no address of mail.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("write an address of mail such as ada@example.org, of at most {MAX} characters")]
pub struct InvalidEmail;

/// An address of mail. Whether it is somebody's is for a mail to find out.
#[derive(Clone, PartialEq, Eq)]
pub struct Email(String);

impl Email {
    /// What somebody wrote.
    pub fn parse(text: &str) -> Result<Self, InvalidEmail> {
        let text = text.trim();
        let (local, domain) = text.rsplit_once('@').ok_or(InvalidEmail)?;
        let is_good = |character: char| {
            !character.is_whitespace() && !character.is_control() && !"()<>[]:;,\\\"@".contains(character)
        };
        let is_label = |label: &str| {
            !label.is_empty()
                && label.chars().all(|character| character.is_alphanumeric() || character == '-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let has_good_local = (1..=MAX_LOCAL).contains(&local.len())
            && local.chars().all(is_good)
            && !local.starts_with('.')
            && !local.ends_with('.')
            && !local.contains("..");
        let has_good_domain = domain.contains('.') && domain.split('.').all(is_label);
        let is_short = text.len() <= MAX;
        if has_good_local && has_good_domain && is_short {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidEmail)
        }
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What makes it this address: without case.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }
}

impl fmt::Debug for Email {
    /// It is about somebody, so it is not shown.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Email")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_has_a_name_and_a_domain() {
        for good in ["ada@example.org", " ada+shop@mail.example.org ", "ä.b@exämple.org", "o'neil@example.co"]
        {
            Email::parse(good).unwrap();
        }
        let long = format!("{}@example.org", "a".repeat(65));
        let longer = format!("a@{}.org", "b".repeat(254));
        for bad in [
            "",
            "ada",
            "@example.org",
            "ada@",
            "ada@example",
            "a b@example.org",
            "a@b@example.org",
            "a\n@example.org",
            "a@example..org",
            ".a@example.org",
            "a..b@example.org",
            "a@-b.org",
            "\"a\"@example.org",
            &long,
            &longer,
        ] {
            assert_eq!(Email::parse(bad), Err(InvalidEmail), "{bad}");
        }
    }

    #[test]
    fn case_makes_no_other_address() {
        assert_eq!(Email::parse("Ada@Example.ORG").unwrap().key(), "ada@example.org");
        assert!(!format!("{:?}", Email::parse("ada@example.org").unwrap()).contains("ada"));
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_an_address_or_none(text in ".{0,300}") {
            if let Ok(email) = Email::parse(&text) {
                prop_assert!(!email.as_str().contains(['\r', '\n', '\0']));
                prop_assert_eq!(Email::parse(email.as_str()), Ok(email.clone()));
            }
        }
    }
}
