//! The keys that sign tokens, as they are now in memory. Tokens of this service are checked with them as well: it asks nobody.

use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flotilla_kit::{
    Secret,
    auth::{Claims, Refused},
};
use jiff::Timestamp;
use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode, errors::ErrorKind,
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Unable;
use crate::domain::keyring;

/// Bytes that a token may have.
const MAX: usize = 8 * 1024;

/// Seconds that clocks of replicas may differ.
const LEEWAY: u64 = 5;

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum NoKey {
    /// There is none yet.
    #[error("there is no key to sign with yet")]
    None,
    /// It cannot be used.
    #[error("a token cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

/// A key.
#[derive(Clone, Debug)]
pub struct Key {
    /// Its id.
    pub id: String,
    /// From when it signs.
    pub signs_from: Timestamp,
    /// The public key, 32 bytes (RFC 8032).
    pub public: Vec<u8>,
    /// The private key (PKCS #8).
    pub private: Secret<Vec<u8>>,
}

impl Key {
    /// A new one.
    pub fn random(signs_from: Timestamp) -> Result<Self, Unable> {
        let document = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())?;
        let pair = Ed25519KeyPair::from_pkcs8(document.as_ref()).map_err(|_| Unable)?;
        Ok(Self {
            id: Uuid::now_v7().to_string(),
            signs_from,
            public: pair.public_key().as_ref().to_vec(),
            private: Secret::new(document.as_ref().to_vec()),
        })
    }
}

/// All keys that are published.
#[derive(Clone, Debug)]
pub struct Keyring {
    keys: Arc<RwLock<Arc<Vec<Key>>>>,
    issuer: Arc<str>,
    audience: Arc<str>,
}

impl Keyring {
    /// None yet, for an issuer whose tokens are for an audience.
    pub fn new(issuer: &str, audience: &str) -> Self {
        Self { keys: Arc::default(), issuer: issuer.into(), audience: audience.into() }
    }

    /// These are the keys now.
    pub fn replace(&self, keys: Vec<Key>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
    }

    fn keys(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether something can be signed.
    pub fn is_ready(&self) -> bool {
        keyring::current(&self.keys(), Timestamp::now(), |key| key.signs_from).is_some()
    }

    /// What others check tokens with (RFC 7517, RFC 8037).
    pub fn jwks(&self) -> Value {
        let key = |key: &Key| {
            let x = BASE64_URL_SAFE_NO_PAD.encode(&key.public);
            json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": key.id, "x": x })
        };
        json!({ "keys": self.keys().iter().map(key).collect::<Vec<_>>() })
    }

    /// A token that says this of a user for so many seconds.
    pub fn sign(
        &self,
        user: Uuid,
        session: Uuid,
        roles: Vec<String>,
        seconds: u32,
    ) -> Result<Secret<String>, NoKey> {
        let now = Timestamp::now();
        let keys = self.keys();
        let key = keyring::current(&keys, now, |key| key.signs_from).ok_or(NoKey::None)?;
        let issued = now.as_second().unsigned_abs();
        let claims = Claims {
            iss: self.issuer.to_string(),
            aud: self.audience.to_string(),
            sub: user.to_string(),
            sid: session.to_string(),
            roles,
            exp: issued.saturating_add(seconds.into()),
            iat: issued,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(key.id.clone());
        let key = EncodingKey::from_ed_der(key.private.expose());
        encode(&header, &claims, &key).map(Secret::new).map_err(NoKey::Sign)
    }

    /// What a token says, if one of these keys has signed it.
    pub fn verify(&self, token: &str) -> Result<Claims, Refused> {
        if token.len() > MAX {
            return Err(Refused::Invalid("it is too long"));
        }
        let header = decode_header(token).map_err(|_| Refused::Invalid("it is no JWT"))?;
        let id = header.kid.ok_or(Refused::Invalid("it has no kid"))?;
        let keys = self.keys();
        let key = keys.iter().find(|key| key.id == id).ok_or(Refused::Invalid("its key is not known"))?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[&*self.issuer]);
        validation.set_audience(&[&*self.audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY;
        let data = decode::<Claims>(token, &DecodingKey::from_ed_der(&key.public), &validation);
        data.map(|data| data.claims).map_err(|error| match error.kind() {
            ErrorKind::ExpiredSignature => Refused::Expired,
            _ => Refused::Invalid("its signature is not of its key"),
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn keyring() -> Keyring {
        let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
        Keyring::new("https://shop", "shop")
    }

    fn now() -> Timestamp {
        Timestamp::now()
    }

    #[test]
    fn the_last_key_whose_time_has_come_signs_and_all_are_published() {
        let keyring = keyring();
        let ids = (Uuid::now_v7(), Uuid::now_v7());
        assert!(matches!(keyring.sign(ids.0, ids.1, Vec::new(), 600), Err(NoKey::None)));
        assert!(!keyring.is_ready());
        let old = Key::random(now() - SignedDuration::from_hours(2)).unwrap();
        let current = Key::random(now() - SignedDuration::from_hours(1)).unwrap();
        let next = Key::random(now() + SignedDuration::from_hours(1)).unwrap();
        keyring.replace(vec![next.clone(), old.clone(), current.clone()]);
        let token = keyring.sign(ids.0, ids.1, vec!["customer".to_owned()], 600).unwrap();
        let header = decode_header(token.expose()).unwrap();
        assert_eq!((header.alg, header.kid), (Algorithm::EdDSA, Some(current.id.clone())));
        let claims = keyring.verify(token.expose()).unwrap();
        assert_eq!(
            (claims.sub, claims.sid, claims.exp - claims.iat),
            (ids.0.to_string(), ids.1.to_string(), 600)
        );
        let jwks = keyring.jwks();
        let published: Vec<_> =
            jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
        assert_eq!(published, [next.id.as_str(), &old.id, &current.id]);
        assert!(!jwks.to_string().contains("\"d\""));
        // A key that is no longer there is believed no longer.
        keyring.replace(vec![next]);
        assert!(keyring.verify(token.expose()).is_err());
    }

    #[test]
    fn a_token_that_was_changed_or_is_of_another_is_not_believed() {
        let (keyring, other) = (keyring(), keyring());
        keyring.replace(vec![Key::random(now()).unwrap()]);
        let token = keyring.sign(Uuid::now_v7(), Uuid::now_v7(), Vec::new(), 600).unwrap();
        let parts: Vec<_> = token.expose().split('.').collect();
        let claims = BASE64_URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        let claims = String::from_utf8(claims).unwrap().replace("\"roles\":[]", "\"roles\":[\"admin\"]");
        assert!(claims.contains("admin"));
        let changed = format!("{}.{}.{}", parts[0], BASE64_URL_SAFE_NO_PAD.encode(claims), parts[2]);
        assert!(keyring.verify(&changed).is_err());
        let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"1"}"#);
        assert!(keyring.verify(&format!("{none}.{}.", parts[1])).is_err());
        let id = decode_header(token.expose()).unwrap().kid.unwrap();
        other.replace(vec![Key { id, ..Key::random(now()).unwrap() }]);
        assert!(other.verify(token.expose()).is_err());
        for nonsense in ["", "a.b.c", &"a".repeat(10_000)] {
            assert!(keyring.verify(nonsense).is_err());
        }
    }
}
