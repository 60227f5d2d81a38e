//! Keys and tokens of people and services.

use axum::{Json, Router, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flotilla_kit::{
    Secret,
    auth::{Claims, Signer},
};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) struct Key {
    pem: String,
    pub(crate) jwk: Value,
    id: String,
}

pub(crate) fn key(id: &str) -> Key {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": x });
    Key { pem: pair.serialize_pem(), jwk, id: id.to_owned() }
}

/// Publishes the key of an issuer, and tells where.
pub(crate) async fn publish(key: &Key) -> String {
    let keys = json!({ "keys": [key.jwk] });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let router = Router::new().route("/jwks.json", get(|| async { Json(keys) }));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A token of a user.
pub(crate) fn token(key: &Key, user: &str, role: &str) -> String {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap();
    let claims = Claims {
        iss: "https://shop.example".to_owned(),
        aud: "shop".to_owned(),
        sub: user.to_owned(),
        sid: "s-1".to_owned(),
        roles: vec![role.to_owned()],
        exp: now + 600,
        iat: now,
    };
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(key.id.clone());
    encode(&header, &claims, &EncodingKey::from_ed_pem(key.pem.as_bytes()).unwrap()).unwrap()
}

/// Signs for a service.
pub(crate) fn signer(key: &Key) -> Signer {
    let service = key.id.split('/').next().unwrap();
    Signer::new(service, "1", &Secret::new(key.pem.clone())).unwrap()
}
