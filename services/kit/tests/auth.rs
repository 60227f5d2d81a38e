//! Tokens from outside, with the keys of an issuer that publishes them over HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{Json, Router, http::StatusCode, routing::get};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use flotilla_kit::auth::{Claims, Jwks, Refused, Verifier};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use serde_json::{Value, json};
use tokio::net::TcpListener;

struct Issuer {
    keys: Arc<Mutex<Vec<Value>>>,
    asked: Arc<AtomicU32>,
    is_up: Arc<AtomicBool>,
    verifier: Verifier,
}

struct Signing {
    id: String,
    key: EncodingKey,
    jwk: Value,
}

fn signing(id: &str) -> Signing {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes());
    Signing {
        id: id.to_owned(),
        key: EncodingKey::from_ed_pem(pair.serialize_pem().as_bytes()).unwrap(),
        jwk: json!({ "kty": "OKP", "crv": "Ed25519", "use": "sig", "kid": id, "x": x }),
    }
}

async fn issuer(signing: &[&Signing]) -> Issuer {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
    let keys = Arc::new(Mutex::new(signing.iter().map(|signing| signing.jwk.clone()).collect::<Vec<_>>()));
    let (asked, is_up) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(true)));
    let handler = {
        let (keys, asked, is_up) = (Arc::clone(&keys), Arc::clone(&asked), Arc::clone(&is_up));
        move || async move {
            asked.fetch_add(1, Ordering::SeqCst);
            if !is_up.load(Ordering::SeqCst) {
                return Err(StatusCode::INTERNAL_SERVER_ERROR);
            }
            let keys = keys.lock().unwrap().clone();
            Ok(Json(json!({ "keys": keys })))
        }
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/.well-known/jwks.json", listener.local_addr().unwrap());
    let router = Router::new().route("/.well-known/jwks.json", get(handler));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let jwks = Jwks::new(address.parse().unwrap()).unwrap();
    Issuer { keys, asked, is_up, verifier: Verifier::new(jwks, "https://shop/users", "shop") }
}

fn claims() -> Claims {
    let now = u64::try_from(Timestamp::now().as_second()).unwrap();
    Claims {
        iss: "https://shop/users".to_owned(),
        aud: "shop".to_owned(),
        sub: "u-1".to_owned(),
        sid: "s-1".to_owned(),
        roles: vec!["customer".to_owned()],
        exp: now + 600,
        iat: now,
    }
}

fn token(signing: &Signing, claims: &Claims) -> String {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(signing.id.clone());
    encode(&header, claims, &signing.key).unwrap()
}

#[tokio::test]
async fn a_token_is_believed_by_the_keys_of_its_issuer_which_are_fetched_once() {
    let key = signing("1");
    let issuer = issuer(&[&key]).await;
    for _ in 0..20 {
        assert_eq!(issuer.verifier.verify(&token(&key, &claims())).await.unwrap(), claims());
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    assert!(claims().require("customer").is_ok());
    assert_eq!(claims().require("admin").unwrap_err().status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_forged_token_is_not() {
    let (key, other) = (signing("1"), signing("1"));
    let issuer = issuer(&[&key]).await;
    let reason = async |token: String| issuer.verifier.verify(&token).await.unwrap_err().to_string();
    assert!(reason(token(&other, &claims())).await.contains("signature"));
    let unknown = Signing { id: "2".to_owned(), ..signing("2") };
    assert!(reason(token(&unknown, &claims())).await.contains("key is not known"));
    assert!(
        reason(token(&key, &Claims { aud: "bank".to_owned(), ..claims() })).await.contains("somebody else")
    );
    assert!(
        reason(token(&key, &Claims { iss: "evil".to_owned(), ..claims() })).await.contains("another issuer")
    );
    let old = Claims { exp: claims().exp - 700, ..claims() };
    assert!(matches!(issuer.verifier.verify(&token(&key, &old)).await, Err(Refused::Expired)));

    // With the public key as the secret of a symmetric algorithm, and with none.
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("1".to_owned());
    let public = key.jwk["x"].as_str().unwrap();
    let confused = encode(&header, &claims(), &EncodingKey::from_secret(public.as_bytes())).unwrap();
    assert!(reason(confused).await.contains("signature"));
    let good = token(&key, &claims());
    let payload = good.split('.').nth(1).unwrap();
    let none = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"1"}"#);
    assert!(reason(format!("{none}.{payload}.")).await.contains("no JWT"));
    let changed = BASE64_URL_SAFE_NO_PAD
        .encode(serde_json::to_vec(&Claims { roles: vec!["admin".to_owned()], ..claims() }).unwrap());
    let parts: Vec<_> = good.split('.').collect();
    assert!(reason(format!("{}.{changed}.{}", parts[0], parts[2])).await.contains("signature"));
}

#[tokio::test]
async fn unknown_keys_are_not_asked_for_by_each_token() {
    let (key, unknown) = (signing("1"), signing("2"));
    let issuer = issuer(&[&key]).await;
    for _ in 0..20 {
        assert!(issuer.verifier.verify(&token(&unknown, &claims())).await.is_err());
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
    // Keys that were published meanwhile are found a while later.
    issuer.keys.lock().unwrap().push(unknown.jwk.clone());
    tokio::time::sleep(Duration::from_millis(10_100)).await;
    issuer.verifier.verify(&token(&unknown, &claims())).await.unwrap();
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 2);
    // Those that are known do without their issuer.
    issuer.is_up.store(false, Ordering::SeqCst);
    issuer.verifier.verify(&token(&key, &claims())).await.unwrap();
}

#[tokio::test]
async fn without_keys_nobody_is_believed_and_it_is_no_fault_of_the_token() {
    let key = signing("1");
    let issuer = issuer(&[&key]).await;
    issuer.is_up.store(false, Ordering::SeqCst);
    for _ in 0..2 {
        let refused = issuer.verifier.verify(&token(&key, &claims())).await.unwrap_err();
        let problem = flotilla_kit::http::Problem::from(refused);
        assert_eq!(problem.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(issuer.asked.load(Ordering::SeqCst), 1);
}
