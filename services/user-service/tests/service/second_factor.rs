//! One-time passwords and codes of recovery.

use aws_lc_rs::hmac;
use axum::http::Method;
use jiff::Timestamp;
use serde_json::json;
use tokio::time::{Duration, sleep};

use crate::harness::{Member, PASSWORD, Reply, Shop};

/// What an app shows, so many steps from now (RFC 6238).
fn code(secret: &str, steps: i64) -> String {
    let secret = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let step = Timestamp::now().as_second() / 30 + steps;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let offset = usize::from(tag.as_ref()[19] & 0xf);
    let number = u32::from_be_bytes(tag.as_ref()[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// Waits until a step has begun, so that codes are of the same one for a while.
async fn early() {
    let second = Timestamp::now().as_second().rem_euclid(30);
    if second > 15 {
        sleep(Duration::from_secs((31 - second).unsigned_abs())).await;
    }
}

async fn post(shop: &Shop, member: &Member, path: &str, body: serde_json::Value) -> Reply {
    shop.by(member, Method::POST, path, &[], Some(body)).await
}

/// Somebody with one, its secret and codes of recovery.
async fn enrolled(shop: &Shop) -> (Member, String, Vec<String>) {
    let ada = shop.member("ada@example.org").await;
    early().await;
    let wrong = post(shop, &ada, "/v1/auth/mfa/totp/enroll", json!({ "password": "not the password" })).await;
    assert_eq!(wrong.is(403).code(), "password_wrong");
    let begun = post(shop, &ada, "/v1/auth/mfa/totp/enroll", json!({ "password": PASSWORD })).await.is(200);
    let secret = begun.text_of("secret");
    assert!(begun.text_of("uri").contains(&secret));
    // It is asked for once a code has confirmed it.
    shop.log_in("ada@example.org", PASSWORD).await.is(200);
    post(shop, &ada, "/v1/auth/mfa/totp/confirm", json!({ "code": "000000" })).await.is(422);
    let confirmed =
        post(shop, &ada, "/v1/auth/mfa/totp/confirm", json!({ "code": code(&secret, -1) })).await.is(200);
    let codes: Vec<String> = serde_json::from_value(confirmed.body["recovery_codes"].clone()).unwrap();
    assert_eq!(codes.len(), 10);
    (ada, secret, codes)
}

async fn waiting(shop: &Shop) -> String {
    let reply = shop.log_in("ada@example.org", PASSWORD).await.is(202);
    assert!(reply.body.get("access_token").is_none());
    reply.text_of("mfa_token")
}

async fn step(shop: &Shop, path: &str, token: &str, code: &str) -> Reply {
    shop.post(path, json!({ "mfa_token": token, "code": code })).await
}

const VERIFY: &str = "/v1/auth/mfa/totp/verify";
const RECOVER: &str = "/v1/auth/mfa/recovery";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_needs_a_code_and_each_code_is_taken_once() {
    let shop = Shop::start().await;
    let (ada, secret, _) = enrolled(&shop).await;
    let token = waiting(&shop).await;
    let now = code(&secret, 0);
    assert_eq!(step(&shop, VERIFY, &token, "000000").await.is(401).code(), "code_wrong");
    let reply = step(&shop, VERIFY, &token, &now).await.is(200);
    let session = shop.member_of("ada@example.org", &reply).await;
    let sessions = shop.get(&session, "/v1/users/me/sessions").await.is(200);
    assert_eq!(sessions.body["items"][0]["second_factor"], true);
    // Neither the login nor the code is good again.
    assert_eq!(step(&shop, VERIFY, &token, &code(&secret, 1)).await.is(401).code(), "mfa_token_invalid");
    let token = waiting(&shop).await;
    step(&shop, VERIFY, &token, &now).await.is(401);
    step(&shop, VERIFY, &token, &code(&secret, -1)).await.is(401);
    step(&shop, VERIFY, &token, &code(&secret, 1)).await.is(200);
    post(&shop, &ada, "/v1/auth/mfa/totp/enroll", json!({ "password": PASSWORD })).await.is(409);
    // What is kept of it is of no use to whoever reads the database.
    let kept: Vec<u8> =
        sqlx::query_scalar("select secret from users.second_factors").fetch_one(&shop.pool).await.unwrap();
    let plain = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    assert!(!kept.windows(plain.len()).any(|window| window == plain));
    let path = "/v1/auth/mfa/totp";
    shop.by(&ada, Method::DELETE, path, &[], Some(json!({ "password": PASSWORD }))).await.is(204);
    shop.log_in("ada@example.org", PASSWORD).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_of_recovery_logs_in_once() {
    let shop = Shop::start().await;
    let (_, _, codes) = enrolled(&shop).await;
    let token = waiting(&shop).await;
    // However it is written.
    let typed = codes[0].to_uppercase().replace('-', " ");
    step(&shop, RECOVER, &token, &typed).await.is(200);
    let token = waiting(&shop).await;
    step(&shop, RECOVER, &token, &codes[0]).await.is(401);
    step(&shop, RECOVER, &token, &codes[1]).await.is(200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn codes_cannot_be_guessed_by_whoever_has_the_password() {
    let shop = Shop::start().await;
    let (ada, secret, _) = enrolled(&shop).await;
    // Each with a login of its own, and all at once.
    let mut tokens = Vec::new();
    for _ in 0..12 {
        tokens.push(waiting(&shop).await);
    }
    let guesses = tokens.iter().map(|token| step(&shop, VERIFY, token, "000000"));
    let statuses: Vec<_> =
        futures::future::join_all(guesses).await.iter().map(|reply| reply.status.as_u16()).collect();
    let of = |status: u16| statuses.iter().filter(|found| **found == status).count();
    // One was wrong before.
    assert_eq!((of(401), of(429)), (4, 8), "{statuses:?}");
    shop.log_in("ada@example.org", PASSWORD).await.is(429);
    let forced = shop.events("shop.user.locked.v1").await;
    assert_eq!(forced.len(), 1);
    shop.sql("update users.throttles set blocked_until = now(), count = 0").await;
    let token = waiting(&shop).await;
    for _ in 0..5 {
        step(&shop, VERIFY, &token, "000000").await.is(401);
        shop.sql("update users.throttles set blocked_until = now(), count = 0").await;
    }
    assert_eq!(step(&shop, VERIFY, &token, &code(&secret, 0)).await.is(401).code(), "mfa_token_invalid");
    // A mail is no way around it.
    shop.post("/v1/auth/forgot-password", json!({ "email": ada.email })).await.is(202);
    let reset = shop.mail_token("shop.user.password_reset_requested.v1").await;
    let body = json!({ "token": reset, "password": "a new long password" });
    shop.post("/v1/auth/reset-password", body).await.is(204);
    shop.log_in("ada@example.org", "a new long password").await.is(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_code_cannot_be_guessed_either() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    let begun = post(&shop, &ada, "/v1/auth/mfa/totp/enroll", json!({ "password": PASSWORD })).await.is(200);
    for _ in 0..5 {
        post(&shop, &ada, "/v1/auth/mfa/totp/confirm", json!({ "code": "000000" })).await.is(422);
    }
    let right = json!({ "code": code(&begun.text_of("secret"), 0) });
    post(&shop, &ada, "/v1/auth/mfa/totp/confirm", right).await.is(429);
}
