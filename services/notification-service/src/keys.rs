//! The secret of the service, and what comes of it: one key for each purpose.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    error::Unspecified,
    rand,
};
use flotilla_kit::Secret;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

/// Bytes that a secret has at least.
const MIN: usize = 32;

/// Bytes of a nonce.
const NONCE: usize = 12;

/// What a key is for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose {
    /// Cursors of pages.
    Cursors,
    /// Links that unsubscribe.
    Unsubscribe,
    /// Secrets that lie in the database.
    Seal,
    /// Hashes of addresses.
    Addresses,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Cursors => b"notification-service/cursors",
            Self::Unsubscribe => b"notification-service/unsubscribe",
            Self::Seal => b"notification-service/seal",
            Self::Addresses => b"notification-service/addresses",
        }
    }
}

/// Why there is no key, or nothing to be had by it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The secret is too short to be one.
    #[error("SHOP_NOTIFICATION_SECRET has {0} bytes: write at least {MIN}, at random")]
    Short(usize),
    /// What was sealed is of another key, or of another owner, or broken.
    #[error("what was sealed cannot be opened with SHOP_NOTIFICATION_SECRET")]
    Open(#[source] Unspecified),
    /// The machine has no random numbers.
    #[error("nothing can be sealed")]
    Seal(#[source] Unspecified),
}

/// The keys.
#[derive(Clone, Debug)]
pub struct Keys(Secret<Vec<u8>>);

impl Keys {
    /// Of a secret.
    pub fn new(secret: &Secret<String>) -> Result<Self, Error> {
        let secret = secret.expose().as_bytes();
        if secret.len() < MIN {
            return Err(Error::Short(secret.len()));
        }
        Ok(Self(Secret::new(secret.to_vec())))
    }

    /// The key of a purpose.
    pub fn of(&self, purpose: Purpose) -> Secret<[u8; 32]> {
        Secret::new(mac(self.0.expose(), &[purpose.label()]))
    }

    /// What authenticates a text for a purpose.
    pub fn authenticate(&self, purpose: Purpose, text: &[u8]) -> [u8; 32] {
        mac(self.of(purpose).expose(), &[text])
    }

    /// What stands for an address in the database. Addresses that differ in case alone are one.
    pub fn hash_address(&self, address: &str) -> [u8; 32] {
        self.authenticate(Purpose::Addresses, address.trim().to_lowercase().as_bytes())
    }

    /// Seals a secret of an owner: nobody can put it in the place of another's.
    pub fn seal(&self, owner: Uuid, secret: &[u8]) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE];
        rand::fill(&mut nonce).map_err(Error::Seal)?;
        let mut text = secret.to_vec();
        self.sealing()
            .and_then(|key| {
                let nonce = Nonce::assume_unique_for_key(nonce);
                key.seal_in_place_append_tag(nonce, Aad::from(owner.as_bytes()), &mut text)
            })
            .map_err(Error::Seal)?;
        Ok([&nonce[..], &text].concat())
    }

    /// Opens it.
    pub fn open(&self, owner: Uuid, sealed: &[u8]) -> Result<Secret<Vec<u8>>, Error> {
        let (nonce, text) = sealed.split_first_chunk::<NONCE>().ok_or(Error::Open(Unspecified))?;
        let mut text = text.to_vec();
        let key = self.sealing().map_err(Error::Open)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let length =
            key.open_in_place(nonce, Aad::from(owner.as_bytes()), &mut text).map_err(Error::Open)?.len();
        text.truncate(length);
        Ok(Secret::new(text))
    }

    fn sealing(&self) -> Result<LessSafeKey, Unspecified> {
        UnboundKey::new(&AES_256_GCM, self.of(Purpose::Seal).expose()).map(LessSafeKey::new)
    }
}

/// HMAC-SHA256 of parts, one after the other. A key longer than a block is hashed by it.
pub fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut block = [0; 64];
    if key.len() <= block.len() {
        for (byte, of_key) in block.iter_mut().zip(key) {
            *byte = *of_key;
        }
    } else {
        use sha2::Digest;
        for (byte, of_key) in block.iter_mut().zip(Sha256::digest(key)) {
            *byte = of_key;
        }
    }
    let mut mac = Hmac::<Sha256>::new(&block.into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(text: &str) -> Keys {
        Keys::new(&Secret::new(text.repeat(32))).unwrap()
    }

    #[test]
    fn what_is_sealed_is_opened_for_its_owner_by_its_key_alone() {
        let (owner, other) = (Uuid::now_v7(), Uuid::now_v7());
        let sealed = keys("a").seal(owner, b"secret").unwrap();
        assert_eq!(keys("a").open(owner, &sealed).unwrap().expose(), b"secret");
        assert!(keys("a").open(other, &sealed).is_err());
        assert!(keys("b").open(owner, &sealed).is_err());
        assert!(keys("a").open(owner, &sealed[..20]).is_err());
        assert!(keys("a").open(owner, b"").is_err());
        assert_ne!(sealed, keys("a").seal(owner, b"secret").unwrap());
    }

    #[test]
    fn a_short_secret_is_refused_and_each_purpose_has_its_key() {
        assert!(Keys::new(&Secret::new("short".to_owned())).is_err());
        assert_ne!(keys("a").of(Purpose::Cursors), keys("a").of(Purpose::Unsubscribe));
        assert_eq!(keys("a").hash_address("Ann@Shop.test "), keys("a").hash_address("ann@shop.test"));
    }

    /// RFC 4231, cases 2 and 6.
    #[test]
    fn the_examples_of_the_rfc_are_right() {
        let hex = |bytes: [u8; 32]| bytes.map(|byte| format!("{byte:02x}")).concat();
        assert_eq!(
            hex(mac(b"Jefe", &[b"what do ya want ", b"for nothing?"])),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert_eq!(
            hex(mac(&[0xaa; 131], &[b"Test Using Larger Than Block-Size Key - Hash Key First"])),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        );
    }
}
