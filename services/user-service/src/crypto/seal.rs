//! What is sealed with a key that lies elsewhere than the database: AES-256-GCM, bound to what it is for and to whose it is,
//! so that nobody can put one in the place of another. Of that key come others, one for each purpose.

use aws_lc_rs::{aead, hmac, rand};
use base64::{Engine, prelude::BASE64_STANDARD};
use flotilla_kit::Secret;

use super::{Token, Unable};

/// Bytes of the key.
const KEY: usize = 32;

/// What a sealed value was.
pub type Opened = Secret<Vec<u8>>;

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[error(
    "SHOP_USER_MASTER_KEY is no key: write 32 random bytes in base64, as `openssl rand -base64 32` makes them"
)]
pub struct NoMasterKey;

/// What something is sealed for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// A private key.
    SigningKey,
    /// The secret of one-time passwords.
    SecondFactor,
    /// A refresh token whose answer may have been lost.
    Successor,
    /// Codes of recovery.
    RecoveryCode,
    /// Addresses of mail, where they are counted.
    Throttle,
    /// Tokens of mails.
    Mail,
    /// Cursors of pages.
    Cursor,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::SigningKey => b"signing key",
            Self::SecondFactor => b"second factor",
            Self::Successor => b"successor",
            Self::RecoveryCode => b"recovery code",
            Self::Throttle => b"throttle",
            Self::Mail => b"mail",
            Self::Cursor => b"cursor",
        }
    }
}

/// The key that all others come from. Whoever has it and the database has everything but the passwords.
#[derive(Clone, Debug)]
pub struct MasterKey(Secret<[u8; KEY]>);

impl MasterKey {
    /// The one in a configuration.
    pub fn parse(text: &Secret<String>) -> Result<Self, NoMasterKey> {
        let bytes = BASE64_STANDARD.decode(text.expose().trim()).map_err(|_| NoMasterKey)?;
        bytes.try_into().map(|bytes| Self(Secret::new(bytes))).map_err(|_| NoMasterKey)
    }

    /// The key of a purpose.
    pub fn derive(&self, purpose: Purpose) -> Secret<Vec<u8>> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.0.expose());
        Secret::new(hmac::sign(&key, purpose.label()).as_ref().to_vec())
    }

    /// A keyed hash, for what could be guessed.
    pub fn mac(&self, purpose: Purpose, context: &[u8], text: &str) -> Vec<u8> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.derive(purpose).expose());
        let mut mac = hmac::Context::with_key(&key);
        mac.update(&(context.len() as u64).to_be_bytes());
        mac.update(context);
        mac.update(text.as_bytes());
        mac.sign().as_ref().to_vec()
    }

    /// The token of the mail that a reference stands for. It is nowhere before somebody redeems the reference, and the same
    /// each time.
    pub fn mail_token(&self, reference: &Token) -> Token {
        Token::of(&self.mac(Purpose::Mail, &[], reference.expose()))
    }

    /// Seals a value of `owner`.
    pub fn seal(&self, purpose: Purpose, owner: &[u8], value: &[u8]) -> Result<Vec<u8>, Unable> {
        let mut nonce = [0; aead::NONCE_LEN];
        rand::fill(&mut nonce)?;
        let mut sealed = nonce.to_vec();
        let mut text = value.to_vec();
        let nonce = aead::Nonce::assume_unique_for_key(nonce);
        self.key(purpose)?.seal_in_place_append_tag(nonce, aead::Aad::from(owner), &mut text)?;
        sealed.extend(text);
        Ok(sealed)
    }

    /// Opens what was sealed so.
    pub fn open(&self, purpose: Purpose, owner: &[u8], sealed: &[u8]) -> Result<Opened, Unable> {
        let (nonce, text) = sealed.split_at_checked(aead::NONCE_LEN).ok_or(Unable)?;
        let nonce = aead::Nonce::try_assume_unique_for_key(nonce)?;
        let mut text = text.to_vec();
        let length = self.key(purpose)?.open_in_place(nonce, aead::Aad::from(owner), &mut text)?.len();
        text.truncate(length);
        Ok(Secret::new(text))
    }

    fn key(&self, purpose: Purpose) -> Result<aead::LessSafeKey, Unable> {
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, self.derive(purpose).expose())?;
        Ok(aead::LessSafeKey::new(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn master(byte: u8) -> MasterKey {
        MasterKey::parse(&Secret::new(BASE64_STANDARD.encode([byte; KEY]))).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_by_the_same_key_for_the_same_owner_and_purpose_alone() {
        let sealed = master(1).seal(Purpose::SigningKey, b"k-1", b"private").unwrap();
        assert_eq!(master(1).open(Purpose::SigningKey, b"k-1", &sealed).unwrap().expose(), b"private");
        assert!(!sealed.windows(7).any(|window| window == b"private"));
        assert!(master(2).open(Purpose::SigningKey, b"k-1", &sealed).is_err());
        assert!(master(1).open(Purpose::SigningKey, b"k-2", &sealed).is_err());
        assert!(master(1).open(Purpose::SecondFactor, b"k-1", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(master(1).open(Purpose::SigningKey, b"k-1", &changed).is_err());
        }
        assert!(master(1).open(Purpose::SigningKey, b"k-1", b"short").is_err());
    }

    #[test]
    fn a_reference_has_one_token() {
        let reference = Token::random().unwrap();
        assert_eq!(master(1).mail_token(&reference).hash(), master(1).mail_token(&reference).hash());
        assert_ne!(master(2).mail_token(&reference).hash(), master(1).mail_token(&reference).hash());
        assert_ne!(master(1).mail_token(&reference).hash(), reference.hash());
    }

    #[test]
    fn a_key_has_32_bytes() {
        for bad in ["", "short", &BASE64_STANDARD.encode([1; 31]), "not base64 !!"] {
            assert!(MasterKey::parse(&Secret::new(bad.to_owned())).is_err(), "{bad}");
        }
    }
}
