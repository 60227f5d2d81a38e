//! Who people and services are: keys, tokens, and somebody who publishes the keys.

use std::sync::Arc;

use axum::{Json, Router, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flotilla_kit::auth::Claims;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

pub(crate) const ISSUER: &str = "https://shop.test/users";
pub(crate) const AUDIENCE: &str = "shop";

/// A key, with what it is published as.
pub(crate) struct Key {
    pub(crate) pem: String,
    pub(crate) jwk: Value,
}

pub(crate) fn key(id: &str) -> Key {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes());
    Key {
        pem: pair.serialize_pem(),
        jwk: json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": x }),
    }
}

/// Issues tokens, and publishes its key.
pub(crate) struct Issuer {
    key: EncodingKey,
    pub(crate) address: String,
}

pub(crate) async fn issuer() -> Issuer {
    let key = key("user-1");
    let set = Arc::new(json!({ "keys": [key.jwk] }));
    let handler = move || async move { Json((*set).clone()) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let router = Router::new().route("/jwks.json", get(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Issuer { key: EncodingKey::from_ed_pem(key.pem.as_bytes()).unwrap(), address }
}

impl Issuer {
    pub(crate) fn token(&self, user: Uuid, roles: &[&str]) -> String {
        let now = u64::try_from(Timestamp::now().as_second()).unwrap();
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.to_string(),
            sid: Uuid::now_v7().to_string(),
            roles: roles.iter().map(|role| (*role).to_owned()).collect(),
            exp: now + 3_600,
            iat: now,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("user-1".to_owned());
        encode(&header, &claims, &self.key).unwrap()
    }
}
