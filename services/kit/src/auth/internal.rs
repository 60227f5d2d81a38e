//! Identity between services: a token that the one that asks signs for the one that it asks, good for a minute. It also says
//! for whom it asks.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderName, header::InvalidHeaderValue, request::Parts},
};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::JwkSet};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Refused,
    keys::{Keys, key_id, usable, verify},
};
use crate::{
    Secret,
    http::{Problem, layer::only},
};

/// The header of a request, and the metadata of gRPC, that has it.
pub const HEADER: HeaderName = HeaderName::from_static("x-internal-identity");

/// What sets it apart from all other tokens (RFC 8725, section 3.11).
const KIND: &str = "internal+jwt";

/// Seconds that it is good for.
const LIFETIME: i64 = 60;

/// Seconds that clocks may differ.
const LEEWAY: u64 = 5;

/// Why a service can neither say who it is nor tell who others are.
#[derive(Debug, thiserror::Error)]
pub enum NoIdentity {
    /// The private key is none.
    #[error("the key of this service is no Ed25519 key in PEM (PKCS #8)")]
    Key(#[source] jsonwebtoken::errors::Error),
    /// The public keys are none.
    #[error("the keys of services are no JSON Web Key Set")]
    Keys(#[source] serde_json::Error),
    /// Nothing can be signed.
    #[error("an identity cannot be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
    /// What was signed cannot be sent.
    #[error("an identity is no value of a header")]
    Header(#[from] InvalidHeaderValue),
}

/// For whom a service asks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The user. Nothing: the service asks for itself.
    #[serde(rename = "sub", skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The session of the user.
    #[serde(rename = "sid", skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What the user is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The service.
    pub service: String,
    /// For whom it asks.
    pub subject: Subject,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    exp: i64,
    iat: i64,
    jti: Uuid,
    #[serde(flatten)]
    subject: Subject,
}

/// Signs for a service.
#[derive(Clone)]
pub struct Signer {
    service: Arc<str>,
    key_id: Arc<str>,
    key: Arc<EncodingKey>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Signer").field("key_id", &self.key_id).finish_non_exhaustive()
    }
}

impl Signer {
    /// In the name of a service, by its private key. `key` is the end of the key's id, which is `SERVICE/KEY`.
    pub fn new(service: &str, key: &str, pem: &Secret<String>) -> Result<Self, NoIdentity> {
        let secret = EncodingKey::from_ed_pem(pem.expose().as_bytes()).map_err(NoIdentity::Key)?;
        Ok(Self { service: service.into(), key_id: format!("{service}/{key}").into(), key: Arc::new(secret) })
    }

    /// Says to another service who asks, and for whom.
    pub fn sign(&self, audience: &str, subject: &Subject) -> Result<Secret<String>, NoIdentity> {
        let now = Timestamp::now().as_second();
        let claims = Claims {
            iss: self.service.to_string(),
            aud: audience.to_owned(),
            exp: now.saturating_add(LIFETIME),
            iat: now,
            jti: Uuid::now_v7(),
            subject: subject.clone(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(KIND.to_owned());
        header.kid = Some(self.key_id.to_string());
        encode(&header, &claims, &self.key).map(Secret::new).map_err(NoIdentity::Sign)
    }
}

/// The services that one believes, by their public keys.
#[derive(Clone, Debug)]
pub struct Trust {
    me: Arc<str>,
    /// By service, then by the id of the key.
    keys: Arc<BTreeMap<String, Keys>>,
}

impl Trust {
    /// What a service believes: a JSON Web Key Set with ids such as `order-service/2026-01`. A key speaks for the service in
    /// its id and for no other.
    pub fn new(me: &str, jwks: &str) -> Result<Self, NoIdentity> {
        let set: JwkSet = serde_json::from_str(jwks).map_err(NoIdentity::Keys)?;
        let mut keys = BTreeMap::<String, Keys>::new();
        for (id, key) in usable(&set) {
            if let Some((service, _)) = id.split_once('/') {
                keys.entry(service.to_owned()).or_default().insert(id.clone(), key);
            }
        }
        Ok(Self { me: me.into(), keys: Arc::new(keys) })
    }

    /// Who asks, if that is to be believed.
    pub fn verify(&self, token: &str) -> Result<Identity, Refused> {
        let id = key_id(token, Some(KIND))?;
        let unknown = Refused::Invalid("its key is not known");
        let Some((service, _)) = id.split_once('/') else { return Err(unknown) };
        let Some(key) = self.keys.get(service).and_then(|keys| keys.get(&id)) else { return Err(unknown) };
        let claims: Claims = verify(token, key, service, &self.me, LEEWAY)?;
        Ok(Identity { service: claims.iss, subject: claims.subject })
    }
}

/// The service that makes a request, and for whom. Without an identity to be believed it rejects with 401.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller(pub Identity);

impl<S> FromRequestParts<S> for Caller
where
    S: Send + Sync,
    Trust: FromRef<S>,
{
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let token = only(&parts.headers, HEADER.as_str()).ok_or(Refused::Missing)?;
        Ok(Self(Trust::from_ref(state).verify(token)?))
    }
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
    use jsonwebtoken::jwk::Jwk;
    use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
    use serde_json::json;

    use super::*;

    struct Service {
        signer: Signer,
        key: EncodingKey,
        jwk: Jwk,
    }

    fn service(name: &str) -> Service {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let pem = pair.serialize_pem();
        let key = EncodingKey::from_ed_pem(pem.as_bytes()).unwrap();
        let x = BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes());
        let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": format!("{name}/1"), "x": x });
        let jwk = serde_json::from_value(jwk).unwrap();
        Service { signer: Signer::new(name, "1", &Secret::new(pem)).unwrap(), key, jwk }
    }

    fn trust(me: &str, services: &[&Service]) -> Trust {
        let keys = services.iter().map(|service| service.jwk.clone()).collect();
        Trust::new(me, &serde_json::to_string(&JwkSet { keys }).unwrap()).unwrap()
    }

    fn ann() -> Subject {
        Subject { user: Some("ann".to_owned()), session: None, roles: vec!["customer".to_owned()] }
    }

    #[test]
    fn a_service_is_believed_by_those_that_know_its_key() {
        let (orders, gateway) = (service("order-service"), service("api-gateway"));
        let trust = trust("product-service", &[&orders, &gateway]);
        let token = orders.signer.sign("product-service", &ann()).unwrap();
        let identity = trust.verify(token.expose()).unwrap();
        assert_eq!(identity, Identity { service: "order-service".to_owned(), subject: ann() });
        let itself = orders.signer.sign("product-service", &Subject::default()).unwrap();
        assert_eq!(trust.verify(itself.expose()).unwrap().subject.user, None);
    }

    #[test]
    fn nobody_else_is() {
        let (orders, other) = (service("order-service"), service("other-service"));
        let trust_orders = trust("product-service", &[&orders]);
        let reason = |token: &str| trust_orders.verify(token).unwrap_err().to_string();
        let for_somebody_else = orders.signer.sign("user-service", &ann()).unwrap();
        assert!(reason(for_somebody_else.expose()).contains("for somebody else"));
        let unknown = other.signer.sign("product-service", &ann()).unwrap();
        assert!(reason(unknown.expose()).contains("key is not known"));
        assert!(reason("no.jwt.here").contains("no JWT"));
        assert!(reason(&"a".repeat(10_000)).contains("too long"));

        // A key of one service does not speak for another.
        let trust_both = trust("product-service", &[&orders, &other]);
        let sign = |header: &Header, exp: i64| {
            let claims = Claims {
                iss: "order-service".to_owned(),
                aud: "product-service".to_owned(),
                exp,
                iat: 0,
                jti: Uuid::nil(),
                subject: ann(),
            };
            encode(header, &claims, &other.key).unwrap()
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.typ = Some(KIND.to_owned());
        header.kid = Some("other-service/1".to_owned());
        let later = Timestamp::now().as_second() + 60;
        let error = trust_both.verify(&sign(&header, later)).unwrap_err().to_string();
        assert!(error.contains("another issuer"), "{error}");
        header.kid = Some("order-service/1".to_owned());
        let error = trust_both.verify(&sign(&header, later)).unwrap_err().to_string();
        assert!(error.contains("signature"), "{error}");

        // A token of another kind, and an old one.
        header.typ = Some("JWT".to_owned());
        assert!(reason(&sign(&header, later)).contains("another kind"));
        let mut old = Header::new(Algorithm::EdDSA);
        old.typ = Some(KIND.to_owned());
        old.kid = Some("order-service/1".to_owned());
        let claims = Claims {
            iss: "order-service".to_owned(),
            aud: "product-service".to_owned(),
            exp: Timestamp::now().as_second() - 10,
            iat: 0,
            jti: Uuid::nil(),
            subject: ann(),
        };
        let expired = encode(&old, &claims, &orders.key).unwrap();
        assert!(matches!(trust_orders.verify(&expired), Err(Refused::Expired)));
    }
}
