//! What people say of themselves.

/// Characters of a name.
const MAX_NAME: usize = 100;

/// Why a name is not taken.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("write from 1 to {MAX_NAME} characters, none of them a control character")]
pub struct InvalidName;

/// Why a locale is not taken.
#[derive(Debug, Clone, Copy, thiserror::Error, PartialEq, Eq)]
#[error("write a language tag such as en or de-AT")]
pub struct InvalidLocale;

/// A name, without what is around it.
pub fn name(text: &str) -> Result<String, InvalidName> {
    let text = text.trim();
    let is_good = (1..=MAX_NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if is_good { Ok(text.to_owned()) } else { Err(InvalidName) }
}

/// A language, and mostly a region (RFC 5646): `en`, `de-AT`, `zh-Hant-TW`.
pub fn locale(text: &str) -> Result<String, InvalidLocale> {
    let mut parts = text.split('-');
    let language = parts.next().unwrap_or_default();
    let is_language =
        (2..=3).contains(&language.len()) && language.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_part =
        |part: &str| (2..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_good = is_language && parts.all(is_part) && text.len() <= 35;
    if is_good { Ok(text.to_owned()) } else { Err(InvalidLocale) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_line() {
        assert_eq!(name(" Ada Lovelace ").as_deref(), Ok("Ada Lovelace"));
        assert_eq!(name(&"ä".repeat(100)), Ok("ä".repeat(100)));
        for bad in ["", "  ", "a\nb", "a\0", &"a".repeat(101)] {
            assert_eq!(name(bad), Err(InvalidName), "{bad}");
        }
    }

    #[test]
    fn a_locale_is_a_language_tag() {
        for good in ["en", "de-AT", "zh-Hant-TW", "yue"] {
            assert_eq!(locale(good).as_deref(), Ok(good));
        }
        for bad in
            ["", "e", "EN", "english", "en_US", "en-", "en-x", "../en", "en-US-aaaaaaaa-bbbbbbbb-cccccccc-d"]
        {
            assert_eq!(locale(bad), Err(InvalidLocale), "{bad}");
        }
    }
}
