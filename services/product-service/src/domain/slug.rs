//! What names a product or a category in addresses.

/// Bytes that it may have.
const MAX: usize = 100;

/// Why a text is no slug.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write from 1 to {MAX} of a-z, 0-9 and single '-' between them")]
pub struct NoSlug;

/// Lower-case words with hyphens between.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slug(String);

impl Slug {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Slug {
    type Error = NoSlug;

    fn try_from(text: &str) -> Result<Self, NoSlug> {
        let is_word = |word: &str| {
            !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        };
        let is_good = text.len() <= MAX && text.split('-').all(is_word);
        if is_good { Ok(Self(text.to_owned())) } else { Err(NoSlug) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_words_with_hyphens_between() {
        for good in ["mug", "blue-mug-2"] {
            assert_eq!(Slug::try_from(good).unwrap().as_str(), good);
        }
        for bad in ["", "-mug", "mug-", "a--b", "Mug", "a b", "müg", &"a".repeat(101)] {
            assert_eq!(Slug::try_from(bad), Err(NoSlug), "{bad:?}");
        }
    }
}
