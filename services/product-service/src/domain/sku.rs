//! What names a variant for everybody, also in other systems.

use std::fmt;

/// Bytes that it may have.
const MAX: usize = 64;

/// Why a text is no SKU.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("write from 1 to {MAX} of A-Z, 0-9, '.', '_' and '-', beginning with a letter or a digit")]
pub struct NoSku;

/// The SKU of a variant. Its order is that of bytes, in which stock is locked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sku(String);

impl Sku {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<&str> for Sku {
    type Error = NoSku;

    fn try_from(text: &str) -> Result<Self, NoSku> {
        let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
        let is_good = (1..=MAX).contains(&text.len())
            && text.bytes().next().is_some_and(is_plain)
            && text.bytes().all(|byte| is_plain(byte) || b"._-".contains(&byte));
        if is_good { Ok(Self(text.to_owned())) } else { Err(NoSku) }
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_short_plain_and_in_upper_case() {
        for good in ["A", "MUG-BLUE-0.5L", "7UP_X", &"A".repeat(64)] {
            assert_eq!(Sku::try_from(good).unwrap().as_str(), good);
        }
        for bad in ["", "mug", "-A", "A B", "Ä", &"A".repeat(65), "A\0"] {
            assert_eq!(Sku::try_from(bad), Err(NoSku), "{bad:?}");
        }
    }
}
