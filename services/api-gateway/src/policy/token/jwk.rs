//! The public keys of a provider: a JSON Web Key Set (RFC 7517 section 5, RFC 7518 section 6, RFC 8037). Pure.

use std::{fmt, ops::RangeInclusive};

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flotilla_gateway_config::JwtAlgorithm;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Refused,
    jws::{Token, of_key},
};

/// Keys that a set may have. A token that names none is held against all that fit it.
const MOST: usize = 32;

/// Bytes of a modulus: 2,048 bits (RFC 7518 section 3.3), and no more than a signature may cost.
const RSA_BYTES: RangeInclusive<usize> = 256..=1_024;

/// Why a set of keys is none.
#[derive(Debug, thiserror::Error)]
pub enum BadKeys {
    /// It is no set.
    #[error("it is no set of keys (RFC 7517 section 5): {0}")]
    Json(#[from] serde_json::Error),
    /// There are too many.
    #[error("it has {0} keys, and {MOST} is the most")]
    TooMany(usize),
    /// Nothing of it can be used.
    #[error("it has no public key for EdDSA, ES256, ES384, RS256 to RS512 or PS256 to PS512")]
    None,
}

/// The keys that can be used of a set.
#[derive(Debug)]
pub struct KeySet(Vec<Key>);

struct Key {
    name: Option<String>,
    /// The algorithms that it is for, each with what verifies by it.
    uses: Vec<(JwtAlgorithm, ParsedPublicKey)>,
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let algorithms: Vec<_> = self.uses.iter().map(|(algorithm, _)| algorithm).collect();
        formatter.debug_struct("Key").field("name", &self.name).field("uses", &algorithms).finish()
    }
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<Value>,
}

/// What a key says that counts. Others (`x5c`, `x5t`) are of no use here.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    used_for: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl KeySet {
    /// From JSON. Keys of other kinds, for other uses, or that are none, are left out (RFC 7517 section 5).
    pub fn read(json: &[u8]) -> Result<Self, BadKeys> {
        let Set { keys } = serde_json::from_slice(json)?;
        if keys.len() > MOST {
            return Err(BadKeys::TooMany(keys.len()));
        }
        let keys: Vec<Key> =
            keys.into_iter().filter_map(|key| Key::new(serde_json::from_value(key).ok()?)).collect();
        if keys.is_empty() { Err(BadKeys::None) } else { Ok(Self(keys)) }
    }

    /// How many keys there are.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Whether one of the keys has signed a token: the one that it names, and for its algorithm.
    pub(super) fn verify(&self, token: &Token<'_>) -> Result<(), Refused> {
        let named = self.0.iter().filter(|key| token.key.is_none() || key.name == token.key);
        let fitting = named.flat_map(|key| &key.uses).filter(|(algorithm, _)| *algorithm == token.algorithm);
        let mut refused = Refused::Key;
        for (_, key) in fitting {
            if key.verify_sig(token.signed, &token.signature).is_ok() {
                return Ok(());
            }
            refused = Refused::Signature;
        }
        Err(refused)
    }
}

impl Key {
    fn new(written: Jwk) -> Option<Self> {
        let is_for_signatures = written.used_for.as_ref().is_none_or(|used_for| used_for == "sig")
            && written.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|operation| operation == "verify"));
        if !is_for_signatures {
            return None;
        }
        let (public, mut algorithms) = public(&written)?;
        if let Some(named) = &written.alg {
            let own = of_key(named)?;
            algorithms.retain(|algorithm| *algorithm == own);
        }
        let parsed =
            |algorithm| Some((algorithm, ParsedPublicKey::new(verification(algorithm), &public).ok()?));
        let uses: Vec<_> = algorithms.into_iter().filter_map(parsed).collect();
        (!uses.is_empty()).then_some(Self { name: written.kid, uses })
    }
}

/// The bytes of a key, and the algorithms of its kind.
fn public(written: &Jwk) -> Option<(Vec<u8>, Vec<JwtAlgorithm>)> {
    use JwtAlgorithm::{EdDsa, Es256, Es384, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512};
    let bytes = |field: &Option<String>| URL_SAFE_NO_PAD.decode(field.as_ref()?).ok();
    match (written.kty.as_str(), written.crv.as_deref()) {
        ("OKP", Some("Ed25519")) => Some((bytes(&written.x)?, vec![EdDsa])),
        ("EC", Some(curve @ ("P-256" | "P-384"))) => {
            let (algorithm, length) = if curve == "P-256" { (Es256, 32) } else { (Es384, 48) };
            let (x, y) = (bytes(&written.x)?, bytes(&written.y)?);
            // Both have their whole length (RFC 7518 section 6.2.1.2). SEC 1 section 2.3.3 writes a point so.
            (x.len() == length && y.len() == length).then(|| ([&[4][..], &x, &y].concat(), vec![algorithm]))
        }
        ("RSA", _) => {
            let (modulus, exponent) = (bytes(&written.n)?, bytes(&written.e)?);
            let length = modulus.iter().skip_while(|byte| **byte == 0).count();
            let algorithms = vec![Rs256, Rs384, Rs512, Ps256, Ps384, Ps512];
            RSA_BYTES.contains(&length).then(|| (rsa(&modulus, &exponent), algorithms))
        }
        _ => None,
    }
}

fn verification(algorithm: JwtAlgorithm) -> &'static dyn VerificationAlgorithm {
    match algorithm {
        JwtAlgorithm::EdDsa => &ED25519,
        JwtAlgorithm::Es256 => &ECDSA_P256_SHA256_FIXED,
        JwtAlgorithm::Es384 => &ECDSA_P384_SHA384_FIXED,
        JwtAlgorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        JwtAlgorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        JwtAlgorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        JwtAlgorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        JwtAlgorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        JwtAlgorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
    }
}

/// `RSAPublicKey` in DER (RFC 8017 appendix A.1.1).
fn rsa(modulus: &[u8], exponent: &[u8]) -> Vec<u8> {
    tagged(0x30, &[integer(modulus), integer(exponent)].concat())
}

/// A number without a sign: it begins with a bit that is 0.
fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number.get(zeros..).unwrap_or_default();
    let sign: &[u8] = if number.first().is_none_or(|first| *first >= 0x80) { &[0] } else { &[] };
    tagged(0x02, &[sign, number].concat())
}

fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let length = length.get(zeros..).unwrap_or_default();
    match (length, u8::try_from(length.len())) {
        ([short], _) if *short < 0x80 => [&[tag, *short], content].concat(),
        ([], _) => vec![tag, 0],
        (_, count) => [&[tag, 0x80 | count.unwrap_or_default()], length, content].concat(),
    }
}
