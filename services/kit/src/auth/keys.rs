//! Keys of others, and what they have signed.

use std::collections::HashMap;

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse},
};
use serde::de::DeserializeOwned;

use super::Refused;

/// Bytes that a token may have.
const MAX: usize = 8 * 1024;

/// A key that something may be signed with.
#[derive(Clone, Debug)]
pub(super) struct Key {
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Keys by their `kid`.
pub(super) type Keys = HashMap<String, Key>;

/// Those keys of a set that are for signatures of a known kind. Others are left out.
pub(super) fn usable(set: &JwkSet) -> Keys {
    let usable = |jwk: &Jwk| {
        let is_for_signatures =
            jwk.common.public_key_use.as_ref().is_none_or(|used| *used == PublicKeyUse::Signature);
        let algorithm = match &jwk.algorithm {
            AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => {
                Algorithm::EdDSA
            }
            AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
                Algorithm::ES256
            }
            _ => return None,
        };
        let id = jwk.common.key_id.clone().filter(|_| is_for_signatures)?;
        Some((id, Key { algorithm, key: DecodingKey::from_jwk(jwk).ok()? }))
    };
    set.keys.iter().filter_map(usable).collect()
}

/// The `kid` of a token. Nothing of it is to be believed yet.
pub(super) fn key_id(token: &str, kind: Option<&str>) -> Result<String, Refused> {
    if token.len() > MAX {
        return Err(Refused::Invalid("it is too long"));
    }
    let header = decode_header(token).map_err(|_| Refused::Invalid("it is no JWT"))?;
    if kind.is_some_and(|kind| header.typ.as_deref() != Some(kind)) {
        return Err(Refused::Invalid("it is of another kind"));
    }
    header.kid.ok_or(Refused::Invalid("it has no kid"))
}

/// What a key has signed for an audience, if it has.
pub(super) fn verify<T: DeserializeOwned>(
    token: &str,
    key: &Key,
    issuer: &str,
    audience: &str,
    leeway: u64,
) -> Result<T, Refused> {
    // Only the algorithm of the key: the token has no say in it.
    let mut validation = Validation::new(key.algorithm);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    validation.leeway = leeway;
    let data = decode(token, &key.key, &validation).map_err(|error| match error.kind() {
        ErrorKind::ExpiredSignature => Refused::Expired,
        ErrorKind::InvalidIssuer => Refused::Invalid("it is of another issuer"),
        ErrorKind::InvalidAudience => Refused::Invalid("it is for somebody else"),
        ErrorKind::ImmatureSignature => Refused::Invalid("it is not valid yet"),
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::Json(_) => Refused::Invalid("it lacks a claim"),
        _ => Refused::Invalid("its signature is not of its key"),
    })?;
    Ok(data.claims)
}
