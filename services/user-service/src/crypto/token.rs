//! Tokens: random, and kept as their hash alone. A hash without a salt does, as nobody can guess 256 random bits.

use aws_lc_rs::{digest, rand};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use data_encoding::BASE32_NOPAD;
use flotilla_kit::Secret;

use super::Unable;
use crate::domain::totp;

/// Random bytes of a token.
const BYTES: usize = 32;

/// What is kept of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// As bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What its owner has.
#[derive(Clone, Debug)]
pub struct Token(Secret<String>);

impl Token {
    /// A new one.
    pub fn random() -> Result<Self, Unable> {
        let mut bytes = [0; BYTES];
        rand::fill(&mut bytes)?;
        Ok(Self::of(&bytes))
    }

    /// One made of bytes that nobody can guess.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Secret::new(BASE64_URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// What somebody sent, if it could be one.
    pub fn parse(text: &Secret<String>) -> Option<Self> {
        let is_one = text.expose().len() == 43
            && text.expose().bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_one.then(|| Self(text.clone()))
    }

    /// What is kept of it.
    pub fn hash(&self) -> Hash {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest::digest(&digest::SHA256, self.0.expose().as_bytes()).as_ref());
        Hash(hash)
    }

    /// As text, for its owner.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }
}

/// A code that logs somebody in who has lost their telephone: 50 random bits, as people write them.
pub fn recovery_code() -> Result<String, Unable> {
    let mut bytes = [0; 10];
    rand::fill(&mut bytes)?;
    let text: String = BASE32_NOPAD.encode(&bytes).to_lowercase().chars().take(10).collect();
    let (first, second) = text.split_at(5);
    Ok(format!("{first}-{second}"))
}

/// A secret for one-time passwords.
pub fn shared_secret() -> Result<totp::SharedSecret, Unable> {
    let mut bytes = [0; totp::SECRET];
    rand::fill(&mut bytes)?;
    Ok(Secret::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash() {
        let token = Token::random().unwrap();
        let sent = Token::parse(&Secret::new(token.expose().to_owned())).unwrap();
        assert_eq!(sent.hash(), token.hash());
        assert_ne!(Token::random().unwrap().hash(), token.hash());
        for bad in ["", "a", &"a".repeat(42), &"a".repeat(44), &"ä".repeat(43), &"=".repeat(43)] {
            assert!(Token::parse(&Secret::new(bad.to_owned())).is_none(), "{bad}");
        }
        assert!(!format!("{token:?}").contains(token.expose()));
    }

    #[test]
    fn a_recovery_code_can_be_written_down() {
        let code = recovery_code().unwrap();
        assert_eq!((code.len(), code.find('-')), (11, Some(5)));
        assert_ne!(recovery_code().unwrap(), code);
    }
}
