//! Web push: encrypted for one browser (RFC 8291), in one record (RFC 8188), signed for one push service (RFC 8292).

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    encoding::{AsBigEndian, EcPublicKeyUncompressedBin},
    error::Unspecified,
    hkdf::{HKDF_SHA256, KeyType, Salt},
    rand,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use flotilla_kit::Secret;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use serde_json::json;

use super::outbound::{Error as OutboundError, Outbound};
use crate::domain::outcome::{Outcome, Report};

/// Bytes of a payload: a body of 4096 without what encryption adds.
pub const MAX: usize = 3_800;

/// Seconds that a push service keeps what it cannot deliver.
const TTL: &str = "86400";

/// Seconds that a signature is good for; a push service takes a day at most.
const LIFETIME: i64 = 12 * 3_600;

/// Bytes of a record: all of it.
const RECORD: u32 = 4_096;

/// Where a browser is pushed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Where.
    pub endpoint: String,
    /// Its public key: 65 bytes, uncompressed.
    pub p256dh: Vec<u8>,
    /// Its secret: 16 bytes.
    pub auth: Vec<u8>,
}

impl Subscription {
    /// Whether something can be encrypted for it: its key may be none of the curve.
    pub fn is_usable(&self) -> bool {
        encrypt(self, b"").is_ok()
    }
}

/// Why nothing is pushed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key is none.
    #[error("SHOP_VAPID_KEY is no private key of P-256 in PEM (PKCS #8)")]
    Key,
    /// It cannot be encrypted: the subscription's keys are none.
    #[error("it cannot be encrypted for this subscription")]
    Encrypt(#[source] Unspecified),
    /// It cannot be signed.
    #[error("it cannot be signed")]
    Sign(#[source] Unspecified),
}

/// Signs pushes (VAPID).
#[derive(Debug)]
pub struct Vapid {
    pair: EcdsaKeyPair,
    contact: String,
}

impl Vapid {
    /// With a key, for a contact.
    pub fn new(pem: &Secret<String>, contact: &str) -> Result<Self, Error> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.expose().as_bytes()).map_err(|_| Error::Key)?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der())
            .map_err(|_| Error::Key)?;
        Ok(Self { pair, contact: contact.to_owned() })
    }

    /// The public key, as browsers want it (`applicationServerKey`).
    pub fn public_key(&self) -> String {
        BASE64_URL_SAFE_NO_PAD.encode(self.pair.public_key())
    }

    fn authorization(&self, origin: &str, now: i64) -> Result<String, Error> {
        let encode = |value: serde_json::Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let header = encode(json!({ "typ": "JWT", "alg": "ES256" }));
        let claims =
            encode(json!({ "aud": origin, "exp": now.saturating_add(LIFETIME), "sub": self.contact }));
        let signed = format!("{header}.{claims}");
        let signature =
            self.pair.sign(&aws_lc_rs::rand::SystemRandom::new(), signed.as_bytes()).map_err(Error::Sign)?;
        let signature = BASE64_URL_SAFE_NO_PAD.encode(signature);
        Ok(format!("vapid t={signed}.{signature}, k={}", self.public_key()))
    }

    /// Pushes something. `topic` takes the place of what has the same one and is not delivered yet.
    pub async fn push(
        &self,
        outbound: &Outbound,
        subscription: &Subscription,
        payload: &[u8],
        topic: &str,
    ) -> Report {
        match self.try_push(outbound, subscription, payload, topic).await {
            Ok(report) => report,
            Err(error) => Report::new(Outcome::Refused, error.to_string()),
        }
    }

    async fn try_push(
        &self,
        outbound: &Outbound,
        subscription: &Subscription,
        payload: &[u8],
        topic: &str,
    ) -> Result<Report, Error> {
        let target = match outbound.guard.target(&subscription.endpoint) {
            Ok(target) => target,
            Err(refused) => return Ok(Report::new(Outcome::Refused, refused.to_string())),
        };
        let authorization = self.authorization(&target.origin(), Timestamp::now().as_second())?;
        let body = encrypt(subscription, payload).map_err(Error::Encrypt)?;
        let mut headers = HeaderMap::new();
        let value = |text: &str| HeaderValue::from_str(text).map_err(|_| Error::Sign(Unspecified));
        headers.insert(header::AUTHORIZATION, value(&authorization)?);
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        headers.insert("ttl", HeaderValue::from_static(TTL));
        headers.insert("urgency", HeaderValue::from_static("normal"));
        headers.insert("topic", value(topic)?);
        Ok(report(outbound.post(&subscription.endpoint, headers, body).await))
    }
}

/// RFC 8030, section 5, and what push services answer beyond it.
fn report(answer: Result<super::outbound::Answer, OutboundError>) -> Report {
    let answer = match answer {
        Ok(answer) => answer,
        Err(OutboundError::Refused(refused)) => return Report::new(Outcome::Refused, refused.to_string()),
        Err(error) => return Report::new(Outcome::Later(None), error.to_string()),
    };
    let (outcome, detail) = match answer.status {
        status if status.is_success() => (Outcome::Sent, "the push service took it"),
        StatusCode::NOT_FOUND | StatusCode::GONE => (Outcome::Bounced, "the subscription is gone"),
        StatusCode::TOO_MANY_REQUESTS => {
            (Outcome::Later(answer.retry_after), "the push service has too much to do")
        }
        status if status.is_server_error() => (Outcome::Later(answer.retry_after), "the push service failed"),
        _ => (Outcome::Refused, "the push service refused it"),
    };
    Report::new(outcome, detail).with_status(answer.status.as_u16())
}

fn encrypt(subscription: &Subscription, payload: &[u8]) -> Result<Bytes, Unspecified> {
    let mut salt = [0; 16];
    rand::fill(&mut salt)?;
    seal(subscription, payload, &PrivateKey::generate(&ECDH_P256)?, salt)
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

fn derive<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> Result<[u8; N], Unspecified> {
    let mut key = [0; N];
    Salt::new(HKDF_SHA256, salt).extract(secret).expand(info, Length(N))?.fill(&mut key)?;
    Ok(key)
}

/// RFC 8291, section 3.4.
fn seal(to: &Subscription, payload: &[u8], key: &PrivateKey, salt: [u8; 16]) -> Result<Bytes, Unspecified> {
    let public: EcPublicKeyUncompressedBin<'_> = key.compute_public_key()?.as_be_bytes()?;
    let public = public.as_ref();
    let peer = UnparsedPublicKey::new(&ECDH_P256, &to.p256dh);
    let secret = agree(key, peer, Unspecified, |shared| Ok(shared.to_vec()))?;
    let ikm: [u8; 32] = derive(&to.auth, &secret, &[b"WebPush: info\0", &to.p256dh, public])?;
    let content_key: [u8; 16] = derive(&salt, &ikm, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = derive(&salt, &ikm, &[b"Content-Encoding: nonce\0"])?;
    // It is the last record.
    let mut record = [payload, &[2]].concat();
    let content_key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &content_key)?);
    content_key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut record)?;
    let length = [u8::try_from(public.len()).map_err(|_| Unspecified)?];
    Ok([&salt[..], &RECORD.to_be_bytes(), &length, public, &record].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 8291, appendix A.
    #[test]
    fn the_example_of_the_rfc_is_made() {
        let decode = |text: &str| BASE64_URL_SAFE_NO_PAD.decode(text).unwrap();
        let to = Subscription {
            endpoint: String::new(),
            p256dh: decode(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: decode("BTBZMqHH6r4Tts7J_aSIgg"),
        };
        let key = decode("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let key = PrivateKey::from_private_key(&ECDH_P256, &key).unwrap();
        let salt = decode("DGv6ra1nlYgDCS1FRnbzlw").try_into().unwrap();
        let body = seal(&to, b"When I grow up, I want to be a watermelon", &key, salt).unwrap();
        assert_eq!(
            BASE64_URL_SAFE_NO_PAD.encode(body),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3j\
             l7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
        assert!(to.is_usable());
        let none = Subscription { p256dh: vec![4; 65], ..to };
        assert!(encrypt(&none, b"a").is_err() && !none.is_usable());
    }
}
