//! Languages.

/// What there always is.
pub const DEFAULT: &str = "en";

/// Characters that a locale may have.
const MAX: usize = 35;

/// Whether a text is the tag of a language (RFC 5646, as far as it is used here), such as `de` or `de-AT`.
pub fn is_tag(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_language = parts.next().is_some_and(|part| {
        (2..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphabetic())
    });
    let is_part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    text.len() <= MAX && is_language && parts.all(is_part)
}

/// The locales to look for, the best first: the one wanted, the same with less detail, and the default.
pub fn fallbacks(wanted: &str) -> Vec<String> {
    let mut all = Vec::new();
    if is_tag(wanted) {
        let mut tag = wanted.to_ascii_lowercase();
        loop {
            all.push(tag.clone());
            let Some(at) = tag.rfind('-') else { break };
            tag.truncate(at);
        }
    }
    if all.last().is_none_or(|last| last != DEFAULT) {
        all.push(DEFAULT.to_owned());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_always_something_to_read() {
        assert_eq!(fallbacks("de-AT-1996"), ["de-at-1996", "de-at", "de", "en"]);
        assert_eq!(fallbacks("en-GB"), ["en-gb", "en"]);
        for odd in ["", "x", "../../etc", "de_AT", "d\u{e9}", &"a".repeat(100)] {
            assert_eq!(fallbacks(odd), ["en"], "{odd}");
        }
    }
}
