use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512,
        RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaKeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use flotilla_gateway_config::{GatewayConfig, load};
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::{
    sync::{Arc, LazyLock},
    time::SystemTime,
};

use super::*;

enum Signer {
    Ed(Ed25519KeyPair),
    Ec(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

static ED: LazyLock<Signer> = LazyLock::new(|| Signer::Ed(Ed25519KeyPair::generate().unwrap()));
static OTHER_ED: LazyLock<Signer> = LazyLock::new(|| Signer::Ed(Ed25519KeyPair::generate().unwrap()));
static P256: LazyLock<Signer> = LazyLock::new(|| Signer::ec(&ECDSA_P256_SHA256_FIXED_SIGNING));
static P384: LazyLock<Signer> = LazyLock::new(|| Signer::ec(&ECDSA_P384_SHA384_FIXED_SIGNING));
static RSA: LazyLock<Signer> = LazyLock::new(|| Signer::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()));

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        Self::Ec(EcdsaKeyPair::generate(algorithm).unwrap())
    }

    fn jwk(&self, kid: &str) -> Value {
        let mut key = match self {
            Self::Ed(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": encoded(pair.public_key())}),
            Self::Ec(pair) => {
                let point = pair.public_key().as_ref();
                let length = (point.len() - 1) / 2;
                let curve = if length == 32 { "P-256" } else { "P-384" };
                let (x, y) = (&point[1..=length], &point[1 + length..]);
                json!({"kty": "EC", "crv": curve, "x": encoded(x), "y": encoded(y)})
            }
            Self::Rsa(pair) => {
                // DER with a modulus of 2,048 bits: 9 bytes before it, and the head of the exponent behind it.
                let der = pair.public_key().as_ref();
                json!({"kty": "RSA", "n": encoded(&der[9..265]), "e": encoded(&der[267..])})
            }
        };
        key["kid"] = kid.into();
        key
    }

    fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Ed(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Ec(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::Rsa(pair) => {
                let padding: &dyn aws_lc_rs::signature::RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).unwrap();
                signature
            }
        }
    }

    fn token_of(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let header: Value = serde_json::from_str(header).unwrap_or_default();
        let signature = self.sign(header["alg"].as_str().unwrap_or_default(), signed.as_bytes());
        format!("{signed}.{}", encoded(signature))
    }

    fn token(&self, header: Value, claims: Value) -> String {
        self.token_of(&header.to_string(), &claims.to_string())
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Claims that are good, with changes: null takes one away.
fn claims(changes: Value) -> Value {
    let mut claims = json!({"iss": "issuer", "aud": "orders", "sub": "anna", "exp": now() + 600});
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
        if value.is_null() {
            claims.as_object_mut().unwrap().remove(name);
        }
    }
    claims
}

fn provider(issuer: &str, keys: &[Value], more: &str) -> Arc<Provider> {
    let keys = json!({"keys": keys}).to_string();
    let config: GatewayConfig = load(&format!(
        "jwtProviders: {{p: {{issuer: {issuer}, audiences: [orders], jwks: {{inline: '{keys}'}}, {more}}}}}"
    ))
    .unwrap();
    Arc::new(Provider::new("p", &config.jwt_providers["p"], None))
}

fn requirement(providers: &[Arc<Provider>], more: &str) -> Requirement {
    let written = serde_json::from_str(&format!("{{\"providers\": [\"p\"]{more}}}")).unwrap();
    Requirement::new(&written, providers.to_vec(), &[])
}

fn bearer(token: &str) -> HeaderMap {
    [(http::header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())]
        .into_iter()
        .collect()
}

/// What becomes of a token with the keys of the test.
fn outcome(token: &str) -> Result<(), Refused> {
    let keys = [ED.jwk("ed"), P256.jwk("p256"), P384.jwk("p384"), RSA.jwk("rsa")];
    let requirement = requirement(&[provider("issuer", &keys, "")], "");
    let first = requirement.admit(&bearer(token)).map(drop);
    // The second time it may be remembered, which changes nothing.
    assert_eq!(requirement.admit(&bearer(token)).map(drop), first);
    first
}

#[test]
fn each_algorithm_is_good_with_a_key_of_its_kind() {
    let of = |algorithm: &str| -> (&'static Signer, &'static str) {
        match algorithm {
            "EdDSA" => (&ED, "ed"),
            "ES256" => (&P256, "p256"),
            "ES384" => (&P384, "p384"),
            _ => (&RSA, "rsa"),
        }
    };
    for algorithm in ["EdDSA", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        let (signer, kid) = of(algorithm);
        let good = signer.token(json!({"alg": algorithm, "kid": kid}), claims(json!({})));
        assert_eq!(outcome(&good), Ok(()), "{algorithm}");
        let nameless = signer.token(json!({"alg": algorithm}), claims(json!({})));
        assert_eq!(outcome(&nameless), Ok(()), "{algorithm}");
        let other = signer.token(json!({"alg": algorithm, "kid": "other"}), claims(json!({})));
        assert_eq!(outcome(&other), Err(Refused::Key), "{algorithm}");
        // Somebody else says something in its name.
        let parts: Vec<&str> = good.split('.').collect();
        let forged =
            format!("{}.{}.{}", parts[0], encoded(claims(json!({"sub": "eve"})).to_string()), parts[2]);
        assert_eq!(outcome(&forged), Err(Refused::Signature), "{algorithm}");
        // With the name of an algorithm that its key is not for.
        let wrong = if kid == "ed" { "ES256" } else { "EdDSA" };
        let confused = signer.token(json!({"alg": wrong, "kid": kid}), claims(json!({})));
        assert_eq!(outcome(&confused), Err(Refused::Key), "{algorithm}");
    }
}

/// RFC 8725 section 2, and what else has been tried.
#[test]
fn attacks_are_refused() {
    let header = json!({"alg": "EdDSA", "kid": "ed"});
    let good = || ED.token(header.clone(), claims(json!({})));
    assert_eq!(outcome(&good()), Ok(()));
    let unsigned = |algorithm: &str| {
        format!(
            "{}.{}.",
            encoded(json!({"alg": algorithm}).to_string()),
            encoded(claims(json!({})).to_string())
        )
    };
    let hmac = |secret: &[u8]| {
        use hmac::{Hmac, KeyInit, Mac};
        let signed = unsigned("HS256");
        let signed = signed.trim_end_matches('.');
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", encoded(mac.finalize().into_bytes()))
    };
    let own_key = |header: Value| OTHER_ED.token(header, claims(json!({})));
    let text = |header: &str| ED.token_of(header, &claims(json!({})).to_string());
    let said = |claims: &str| ED.token_of(&header.to_string(), claims);
    let exp = now() + 600;
    let twice = format!("{{\"iss\":\"issuer\",\"aud\":\"orders\",\"exp\":1,\"exp\":{exp}}}");
    let deep_twice =
        format!("{{\"iss\":\"issuer\",\"aud\":\"orders\",\"exp\":{exp},\"a\":[{{\"b\":1,\"b\":2}}]}}");
    let padded = good().split('.').map(|part| format!("{part}=")).collect::<Vec<_>>().join(".");
    for (what, token, expected) in [
        ("none", unsigned("none"), Refused::Algorithm),
        ("None", unsigned("None"), Refused::Algorithm),
        ("no signature", unsigned("EdDSA"), Refused::Signature),
        ("HS256 with the public key", hmac(RSA.jwk("rsa").to_string().as_bytes()), Refused::Algorithm),
        ("another's key in its name", own_key(header.clone()), Refused::Signature),
        ("another's key", own_key(json!({"alg": "EdDSA", "kid": "x"})), Refused::Key),
        ("jwk", own_key(json!({"alg": "EdDSA", "jwk": OTHER_ED.jwk("ed")})), Refused::Signature),
        ("jku", own_key(json!({"alg": "EdDSA", "jku": "https://evil.example.com"})), Refused::Signature),
        ("x5u", own_key(json!({"alg": "EdDSA", "x5u": "https://evil.example.com"})), Refused::Signature),
        ("kid as a path", own_key(json!({"alg": "EdDSA", "kid": "../../dev/null"})), Refused::Key),
        ("crit", text(r#"{"alg":"EdDSA","crit":["exp"]}"#), Refused::Malformed),
        ("b64", text(r#"{"alg":"EdDSA","b64":false,"crit":["b64"]}"#), Refused::Malformed),
        ("alg twice", text(r#"{"alg":"none","alg":"EdDSA"}"#), Refused::Malformed),
        ("another use", text(r#"{"alg":"EdDSA","typ":"logout+jwt"}"#), Refused::Malformed),
        ("no alg", text("{}"), Refused::Malformed),
        ("a header that is none", text("EdDSA"), Refused::Malformed),
        ("a claim twice", said(&twice), Refused::Malformed),
        ("a member twice", said(&deep_twice), Refused::Malformed),
        ("claims that are none", said("[]"), Refused::Malformed),
        ("claims of binary", said("\u{0}"), Refused::Malformed),
        (
            "a deep nest",
            said(&format!("{{\"a\":{}1{}}}", "[".repeat(5_000), "]".repeat(5_000))),
            Refused::Malformed,
        ),
        ("padding", padded, Refused::Malformed),
        ("four parts", format!("{}.x", good()), Refused::Malformed),
        ("five parts, as encrypted ones have", "a.b.c.d.e".to_owned(), Refused::Malformed),
        ("two parts", "e30.e30".to_owned(), Refused::Malformed),
        ("nothing", String::new(), Refused::Malformed),
        ("a long one", format!("{}{}", good(), "A".repeat(17_000)), Refused::TooLong),
    ] {
        assert_eq!(outcome(&token), Err(expected), "{what}: {token:.60}");
    }
    for kind in ["JWT", "jwt", "at+jwt", "application/at+jwt", "JOSE"] {
        assert_eq!(outcome(&text(&format!(r#"{{"alg":"EdDSA","typ":"{kind}"}}"#))), Ok(()), "{kind}");
    }
}

#[test]
fn claims_that_are_always_looked_at() {
    let now = now();
    for (changes, expected) in [
        (json!({"exp": now - 30}), Ok(())),
        (json!({"exp": now - 61}), Err(Refused::Expired)),
        (json!({"exp": 4_102_444_800.5}), Ok(())),
        (json!({"exp": null}), Err(Refused::NoExpiry)),
        (json!({"exp": (now + 600).to_string()}), Err(Refused::Malformed)),
        (json!({"exp": -1}), Err(Refused::Expired)),
        (json!({"nbf": now + 30, "iat": now + 30}), Ok(())),
        (json!({"nbf": now + 90}), Err(Refused::NotYet)),
        (json!({"iat": now + 90}), Err(Refused::NotYet)),
        (json!({"iat": "yesterday"}), Err(Refused::Malformed)),
        (json!({"aud": ["x", "orders"]}), Ok(())),
        (json!({"aud": "order"}), Err(Refused::Audience)),
        (json!({"aud": []}), Err(Refused::Audience)),
        (json!({"aud": {"orders": true}}), Err(Refused::Audience)),
        (json!({"aud": null}), Err(Refused::Audience)),
        (json!({"iss": "issuer/"}), Err(Refused::Issuer)),
        (json!({"iss": ["issuer"]}), Err(Refused::Issuer)),
        (json!({"iss": null}), Err(Refused::Issuer)),
    ] {
        let token = ED.token(json!({"alg": "EdDSA", "kid": "ed"}), claims(changes.clone()));
        assert_eq!(outcome(&token), expected, "{changes}");
    }
}

#[test]
fn keys_of_one_provider_verify_no_tokens_of_another() {
    let one = provider("issuer", &[ED.jwk("k")], "");
    let other = provider("other", &[OTHER_ED.jwk("k")], "");
    let lenient = requirement(&[Arc::clone(&one), Arc::clone(&other)], ", \"required\": false");
    let both = requirement(&[one, other], "");
    let token = |signer: &Signer, issuer: &str| {
        signer.token(json!({"alg": "EdDSA", "kid": "k"}), claims(json!({"iss": issuer})))
    };
    let outcome = |token: &str| both.admit(&bearer(token)).map(drop);
    assert_eq!(outcome(&token(&ED, "issuer")), Ok(()));
    assert_eq!(outcome(&token(&OTHER_ED, "other")), Ok(()));
    assert_eq!(outcome(&token(&ED, "other")), Err(Refused::Signature));
    assert_eq!(outcome(&token(&OTHER_ED, "issuer")), Err(Refused::Signature));
    assert_eq!(outcome(&token(&ED, "third")), Err(Refused::Issuer));
    assert_eq!(lenient.admit(&bearer(&token(&ED, "third"))).map(drop), Err(Refused::Issuer));
}

#[test]
fn what_was_remembered_is_good_for_its_provider_and_keys_alone() {
    let (one, other) = (provider("issuer", &[ED.jwk("k")], ""), provider("issuer", &[OTHER_ED.jwk("k")], ""));
    let token = ED.token(json!({"alg": "EdDSA", "kid": "k"}), claims(json!({})));
    let outcome =
        |provider: &Arc<Provider>| requirement(&[Arc::clone(provider)], "").admit(&bearer(&token)).map(drop);
    assert_eq!(outcome(&one), Ok(()));
    assert!(one.recall(&token).is_some());
    assert_eq!(outcome(&other), Err(Refused::Signature));
    let keys = json!({"keys": [OTHER_ED.jwk("k")]}).to_string();
    one.keys.put(KeySet::read(keys.as_bytes()).unwrap());
    assert!(one.recall(&token).is_none());
    assert_eq!(outcome(&one), Err(Refused::Signature));
}

#[test]
fn what_was_remembered_is_not_good_for_another_issuer_with_the_same_keys() {
    let written = |issuer: &str| {
        let text = format!(
            "jwtProviders: {{p: {{issuer: {issuer}, jwks: {{remote: {{uri: 'https://a.test/'}}}}}}}}"
        );
        load(&text).unwrap().jwt_providers["p"].clone()
    };
    let before = Arc::new(Provider::new("p", &written("issuer"), None));
    let after = Arc::new(Provider::new("p", &written("other"), Some(&before)));
    before.keys.put(KeySet::read(json!({"keys": [ED.jwk("k")]}).to_string().as_bytes()).unwrap());
    assert!(after.keys.now().is_some());
    let token = ED.token(json!({"alg": "EdDSA"}), claims(json!({})));
    let outcome = |provider| requirement(&[provider], "").admit(&bearer(&token)).map(drop);
    assert_eq!(outcome(before), Ok(()));
    assert_eq!(outcome(after), Err(Refused::Issuer));
}

#[test]
fn what_was_remembered_ends_when_the_token_does() {
    let provider = provider("issuer", &[ED.jwk("k")], "clockSkewSeconds: 0");
    let token = ED.token(json!({"alg": "EdDSA"}), claims(json!({"exp": now() + 2})));
    let requirement = requirement(&[provider], "");
    assert!(requirement.admit(&bearer(&token)).is_ok());
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    assert_eq!(requirement.admit(&bearer(&token)).map(drop), Err(Refused::Expired));
}

#[test]
fn algorithms_may_be_fewer_and_keys_are_for_what_they_say() {
    let token = |algorithm: &str| RSA.token(json!({"alg": algorithm, "kid": "k"}), claims(json!({})));
    let outcome = |key: &Value, more: &str, algorithm: &str| {
        let requirement = requirement(&[provider("issuer", &[key.clone(), ED.jwk("ed")], more)], "");
        requirement.admit(&bearer(&token(algorithm))).map(drop)
    };
    let key = |changes: Value| {
        let mut key = RSA.jwk("k");
        key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        key
    };
    let plain = key(json!({}));
    assert_eq!(outcome(&plain, "algorithms: [PS256]", "PS256"), Ok(()));
    assert_eq!(outcome(&plain, "algorithms: [PS256]", "RS256"), Err(Refused::Algorithm));
    assert_eq!(outcome(&key(json!({"alg": "RS256", "use": "sig"})), "", "RS256"), Ok(()));
    for (changes, algorithm) in [
        (json!({"alg": "RS256"}), "PS256"),
        (json!({"alg": "RSA-OAEP"}), "RS256"),
        (json!({"use": "enc"}), "RS256"),
        (json!({"key_ops": ["encrypt"]}), "RS256"),
        (json!({"kty": "rsa"}), "RS256"),
        (json!({"n": "AQAB"}), "RS256"),
        (json!({"n": "?"}), "RS256"),
    ] {
        assert_eq!(outcome(&key(changes.clone()), "", algorithm), Err(Refused::Key), "{changes}");
    }
}

#[test]
fn a_set_without_keys_that_can_be_used_is_refused() {
    for (set, expected) in [
        ("{}", "it is no set of keys"),
        ("[]", "it is no set of keys"),
        (r#"{"keys": []}"#, "it has no public key"),
        (r#"{"keys": [{"kty": "oct", "k": "AAAA"}]}"#, "it has no public key"),
        (r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]}"#, "it has no public key"),
        (r#"{"keys": [{"kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA"}]}"#, "it has no public key"),
    ] {
        let error = KeySet::read(set.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{set}: {error}");
    }
    let many = json!({"keys": vec![ED.jwk("k"); 33]}).to_string();
    assert!(matches!(KeySet::read(many.as_bytes()), Err(BadKeys::TooMany(33))));
}

#[test]
fn keys_that_are_none_all_the_same_make_no_token_good() {
    // As long as a point is, and on no curve.
    let none = json!({"kty": "EC", "crv": "P-256", "kid": "k", "x": encoded([1; 32]), "y": encoded([1; 32])});
    let requirement = requirement(&[provider("issuer", &[none], "")], "");
    let token = P256.token(json!({"alg": "ES256", "kid": "k"}), claims(json!({})));
    assert_eq!(requirement.admit(&bearer(&token)).map(drop), Err(Refused::NoKeys));
}

#[test]
fn what_a_token_has_to_say() {
    let wanted = r#", "claims": [{"claim": "scope", "values": ["orders", "admin"]}, {"claim": "/realm/roles", "values": ["clerk"]}, {"claim": "level", "values": ["2", "true"]}]"#;
    let requirement = requirement(&[provider("issuer", &[ED.jwk("k")], "")], wanted);
    let good = json!({"scope": "profile orders", "realm": {"roles": ["a", "clerk"]}, "level": 2});
    for (changes, expected) in [
        (json!({}), Ok(())),
        (json!({"scope": "admin", "level": true}), Ok(())),
        (json!({"scope": ["admin"]}), Ok(())),
        (json!({"scope": "orders.read"}), Err(Refused::Claims)),
        (json!({"scope": "ORDERS"}), Err(Refused::Claims)),
        (json!({"scope": null}), Err(Refused::Claims)),
        (json!({"realm": {"roles": "a clerk"}}), Err(Refused::Claims)),
        (json!({"realm": {"roles": {"clerk": true}}}), Err(Refused::Claims)),
        (json!({"realm": ["clerk"]}), Err(Refused::Claims)),
        (json!({"level": 20}), Err(Refused::Claims)),
    ] {
        let mut said = claims(good.clone());
        for (name, value) in changes.as_object().unwrap() {
            said[name] = value.clone();
        }
        let token = ED.token(json!({"alg": "EdDSA"}), said);
        assert_eq!(requirement.admit(&bearer(&token)).map(drop), expected, "{changes}");
    }
}

#[test]
fn a_token_is_found_where_it_may_stand() {
    let token = ED.token(json!({"alg": "EdDSA"}), claims(json!({})));
    let outcome = |more: &str, lines: &[(&'static str, String)]| {
        let requirement = requirement(&[provider("issuer", &[ED.jwk("k")], more)], "");
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        requirement.admit(&headers).map(drop)
    };
    let at = |name: &'static str, before: &str| (name, format!("{before}{token}"));
    let places =
        "from: [{header: {name: x-token}}, {header: {name: x-auth, prefix: Token}}, {cookie: session}]";
    for (more, lines, expected) in [
        ("", vec![at("authorization", "bearer ")], Ok(())),
        ("", vec![at("authorization", "Bearer  ")], Ok(())),
        ("", vec![], Err(Refused::Missing)),
        ("", vec![("authorization", "Basic YTpi".to_owned())], Err(Refused::Missing)),
        ("", vec![at("authorization", "")], Err(Refused::Missing)),
        ("", vec![("authorization", "Bearer".to_owned())], Err(Refused::Malformed)),
        ("", vec![at("authorization", "Bearer "), at("authorization", "Bearer ")], Err(Refused::Malformed)),
        (places, vec![at("authorization", "Bearer ")], Err(Refused::Missing)),
        (places, vec![at("x-token", "")], Ok(())),
        (places, vec![at("x-auth", "token ")], Ok(())),
        (places, vec![at("cookie", "a=b; session=")], Ok(())),
        (places, vec![("cookie", "a=b".to_owned()), at("cookie", "session=")], Ok(())),
        (places, vec![at("cookie", "session="), at("cookie", "session=")], Err(Refused::Malformed)),
        // The first place that has one counts, whatever is at the others.
        (places, vec![("x-token", "bad".to_owned()), at("cookie", "session=")], Err(Refused::Malformed)),
    ] {
        assert_eq!(outcome(more, &lines), expected, "{more} {lines:.40?}");
    }
}

#[test]
fn backends_are_told_what_a_token_says_and_nothing_made_up() {
    let more = "claimHeaders: [{claim: sub, header: x-user}, {claim: roles, header: x-roles}, {claim: /a/b, header: x-b}, {claim: bad, header: x-bad}], removeToken: true, from: [{cookie: session}]";
    let requirement = requirement(&[provider("issuer", &[ED.jwk("k")], more)], ", \"required\": false");
    let made_up = || -> HeaderMap {
        let lines =
            [("x-user", "eve"), ("x_user", "eve"), ("x-roles", "admin"), ("x-bad", "1"), ("x-users", "kept")];
        lines.into_iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    };
    let all = |headers: &HeaderMap| -> Vec<String> {
        let mut all: Vec<String> =
            headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        all.sort();
        all
    };
    let mut headers = made_up();
    let good = requirement.admit(&headers).unwrap();
    assert!(good.is_none());
    requirement.tell(good.as_ref(), &mut headers);
    assert_eq!(all(&headers), ["x-users: kept"]);

    let said = json!({"roles": ["a", "b"], "a": {"b": 7}, "bad": "a\r\nx-evil: 1"});
    let token = ED.token(json!({"alg": "EdDSA"}), claims(said));
    let mut headers = made_up();
    headers.insert("cookie", HeaderValue::from_str(&format!("a=b; session={token}; c=d")).unwrap());
    let good = requirement.admit(&headers).unwrap();
    requirement.tell(good.as_ref(), &mut headers);
    assert_eq!(
        all(&headers),
        ["cookie: a=b; c=d", "x-b: 7", "x-roles: a,b", "x-user: anna", "x-users: kept"]
    );

    let token = ED.token(json!({"alg": "EdDSA"}), claims(json!({"roles": ["a,admin", "b"]})));
    let mut headers = HeaderMap::new();
    headers.insert("cookie", HeaderValue::from_str(&format!("session={token}")).unwrap());
    let good = requirement.admit(&headers).unwrap();
    requirement.tell(good.as_ref(), &mut headers);
    assert_eq!(all(&headers), [r#"x-roles: ["a,admin","b"]"#, "x-user: anna"]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_is_good(text in "[A-Za-z0-9_.=-]{0,200}") {
        prop_assert!(outcome(&text).is_err());
    }

    #[test]
    fn no_change_of_a_token_is_good(at in any::<prop::sample::Index>(), with in "[A-Za-z0-9_.-]") {
        let token = ED.token(json!({"alg": "EdDSA", "kid": "ed"}), claims(json!({})));
        let at = at.index(token.len());
        let mut changed = token.clone();
        changed.replace_range(at..=at, &with);
        prop_assume!(changed != token);
        prop_assert!(outcome(&changed).is_err());
    }

    #[test]
    fn no_set_of_keys_makes_it_panic(n in "[A-Za-z0-9_-]{0,400}", e in "[A-Za-z0-9_-]{0,8}") {
        let set = json!({"keys": [
            {"kty": "RSA", "n": n, "e": e},
            {"kty": "EC", "crv": "P-256", "x": n, "y": e},
            {"kty": "OKP", "crv": "Ed25519", "x": n},
        ]});
        let _read = KeySet::read(set.to_string().as_bytes());
    }
}
