//! A token as it is written: three parts in base64url with dots between (RFC 7515 section 7.1). Pure.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flotilla_gateway_config::JwtAlgorithm;
use serde::{Deserialize, de::IgnoredAny};

use super::{Refused, claims::Claims};

/// Bytes that a token may have.
const LONGEST: usize = 16 * 1024;

/// A token that can be read. Nothing of it is to be believed yet.
#[derive(Debug)]
pub(super) struct Token<'t> {
    pub(super) algorithm: JwtAlgorithm,
    /// The name of its key.
    pub(super) key: Option<String>,
    pub(super) claims: Claims,
    /// What is signed.
    pub(super) signed: &'t [u8],
    pub(super) signature: Vec<u8>,
}

/// What a header says that counts. Keys that it brings or names (`jwk`, `jku`, `x5c`, `x5u`) are nothing to go by (RFC 8725
/// section 3.10).
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    /// Names of what has to be understood, and nothing of it is.
    crit: Option<IgnoredAny>,
}

impl<'t> Token<'t> {
    pub(super) fn read(text: &'t str) -> Result<Self, Refused> {
        if text.len() > LONGEST {
            return Err(Refused::TooLong);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refused::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Refused::Malformed)?;
        let header: Header = serde_json::from_slice(&decode(header)?).map_err(|_| Refused::Malformed)?;
        if header.crit.is_some() || header.typ.is_some_and(|kind| !is_access_token(&kind)) {
            return Err(Refused::Malformed);
        }
        Ok(Self {
            algorithm: algorithm(&header.alg).ok_or(Refused::Algorithm)?,
            key: header.kid,
            claims: Claims::read(&decode(claims)?)?,
            signed: signed.as_bytes(),
            signature: decode(signature)?,
        })
    }
}

/// Strictly: without padding, and with no bit that says nothing, so that a token can be written in one way alone. A dot is
/// none of the letters either.
fn decode(part: &str) -> Result<Vec<u8>, Refused> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Refused::Malformed)
}

/// Whether a `typ` may stand in a token that is shown for access (RFC 9068 section 2.1). Those of other uses, such as
/// `logout+jwt`, are signed with the same keys (RFC 8725 section 3.11).
fn is_access_token(kind: &str) -> bool {
    let kind = kind.to_ascii_lowercase();
    matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt" | "jose")
}

fn algorithm(name: &str) -> Option<JwtAlgorithm> {
    Some(match name {
        "EdDSA" => JwtAlgorithm::EdDsa,
        "ES256" => JwtAlgorithm::Es256,
        "ES384" => JwtAlgorithm::Es384,
        "RS256" => JwtAlgorithm::Rs256,
        "RS384" => JwtAlgorithm::Rs384,
        "RS512" => JwtAlgorithm::Rs512,
        "PS256" => JwtAlgorithm::Ps256,
        "PS384" => JwtAlgorithm::Ps384,
        "PS512" => JwtAlgorithm::Ps512,
        _ => return None,
    })
}

/// The algorithm of a key that says which it is for.
pub(super) fn of_key(name: &str) -> Option<JwtAlgorithm> {
    algorithm(name)
}
