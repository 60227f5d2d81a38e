//! Who sends a request, by its token; and keys that come, change and cannot be had.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

use crate::{
    authority::{Authority, quoted, server},
    backend::Backend,
    client::{Answer, get, http2, raw, send},
    gateway::{Gateway, PATIENCE},
    issuer::{Issuer, Key, Says},
};

/// One route that needs a token, and one that needs none.
fn config(backend: &Backend, jwks: &str, provider: &str, policy: &str) -> String {
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes:
- name: users
  rules: [{{backends: [{{backend: a}}], policy: {{{policy}}}}}]
- name: open
  rules: [{{matches: [{{path: {{pathPrefix: /open}}}}], backends: [{{backend: a}}]}}]
backends: {{a: {{endpoints: [{}]}}}}
rateLimits:
  users: {{requests: 2, per: Hour, key: {{claim: sub}}}}
  addresses: {{requests: 3, per: Hour, key: clientAddress}}
jwtProviders:
  login: {{issuer: issuer, jwks: {{{jwks}}}{provider}}}
",
        backend.endpoint()
    )
}

fn inline(key: &Key) -> String {
    format!("inline: '{}'", key.set())
}

fn remote(issuer: &Issuer) -> String {
    format!("remote: {{uri: 'http://localhost:{}/jwks?a=b', refreshSeconds: 10}}", issuer.address.port())
}

const POLICY: &str = "jwt: {providers: [login]}";

fn with(token: &str) -> Request<Full<Bytes>> {
    let mut request = get("/");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

async fn reason(gateway: &Gateway, reason: &str, count: usize) {
    gateway
        .measures(&format!("flotilla_gateway_refused_requests_total{{reason=\"{reason}\"}} {count}"))
        .await;
}

/// Waits until a token is answered so.
async fn until(gateway: &Gateway, token: &str, status: u16) {
    let reached = async {
        while send(gateway.address, with(token)).await.status != status {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("it is never answered with {status}"));
}

#[tokio::test]
async fn a_token_says_who_sends_a_request() {
    let (backend, key) = (Backend::start().await, Key::new("a"));
    let provider =
        ", claimHeaders: [{claim: sub, header: x-user}, {claim: roles, header: x-roles}], removeToken: true";
    let policy = "jwt: {providers: [login], claims: [{claim: scope, values: [orders]}]}";
    let gateway = Gateway::start(&config(&backend, &inline(&key), provider, policy)).await;
    let good = key.token(&json!({"scope": "a orders"}));
    let mut request = with(&good);
    let headers = request.headers_mut();
    headers.insert("x-user", "eve".parse().unwrap());
    headers.insert("x_user", "eve".parse().unwrap());
    headers.insert("x-roles", "admin".parse().unwrap());
    let answer = send(gateway.address, request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.got("x-user"), ["anna"]);
    for gone in ["x_user", "x-roles", "authorization"] {
        assert!(answer.got(gone).is_empty(), "{gone}");
    }
    // Whoever names it in `Connection` has it removed from nothing.
    let text = raw(
        gateway.address,
        format!("GET / HTTP/1.1\r\nhost: a.test\r\nauthorization: bearer {good}\r\nconnection: close, x-user\r\n\r\n")
            .as_bytes(),
    )
    .await;
    assert!(text.contains(r#"["x-user","anna"]"#), "{text}");

    for (token, status, error) in [
        (None, 401, "Bearer"),
        (
            Some(key.token(&json!({"exp": 1}))),
            401,
            "Bearer error=\"invalid_token\", error_description=\"the token has expired\"",
        ),
        (
            Some(Key::new("a").token(&json!({}))),
            401,
            "Bearer error=\"invalid_token\", error_description=\"the signature of the token is not good\"",
        ),
        (
            Some(key.token(&json!({"scope": "a"}))),
            403,
            "Bearer error=\"insufficient_scope\", error_description=\"the token does not allow this request\"",
        ),
    ] {
        let request = token.as_ref().map_or_else(|| get("/"), |token| with(token));
        let answer = send(gateway.address, request).await;
        assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (status, error));
        if let Some(token) = token {
            let text = String::from_utf8(answer.body.to_vec()).unwrap();
            assert!(!text.contains(&token), "{text}");
        }
    }
    for word in ["token-missing", "token-expired", "token-signature", "token-claims"] {
        reason(&gateway, word, 1).await;
    }
    assert_eq!(backend.requests(), 2);
    assert_eq!(send(gateway.address, get("/open")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn calls_of_grpc_are_refused_in_their_way() {
    let (backend, key) = (Backend::start().await, Key::new("a"));
    let policy = "jwt: {providers: [login], claims: [{claim: scope, values: [orders]}]}";
    let gateway = Gateway::start(&config(&backend, &inline(&key), "", policy)).await;
    let mut sender = http2(gateway.address).await;
    for (token, status) in
        [(None, "16"), (Some("a.b.c".to_owned()), "16"), (Some(key.token(&json!({}))), "7")]
    {
        let mut call =
            Request::post("http://a.test/shop.Orders/Get").header("content-type", "application/grpc");
        if let Some(token) = &token {
            call = call.header("authorization", format!("Bearer {token}"));
        }
        let call = call.body(Full::new(Bytes::from_static(b"\0\0\0\0\0"))).unwrap();
        let answer = Answer::of(sender.send_request(call).await.unwrap()).await;
        assert_eq!((answer.status, answer.header("grpc-status")), (StatusCode::OK, status));
    }
}

#[tokio::test]
async fn who_needs_no_token_is_still_refused_with_a_bad_one() {
    let (backend, key) = (Backend::start().await, Key::new("a"));
    let provider = ", claimHeaders: [{claim: sub, header: x-user}]";
    let policy = "jwt: {providers: [login], required: false}";
    let gateway = Gateway::start(&config(&backend, &inline(&key), provider, policy)).await;
    let mut request = get("/");
    request.headers_mut().insert("x-user", "eve".parse().unwrap());
    let answer = send(gateway.address, request).await;
    assert!(answer.got("x-user").is_empty());
    assert_eq!(send(gateway.address, with("a.b.c")).await.status, StatusCode::UNAUTHORIZED);
    let answer = send(gateway.address, with(&key.token(&json!({})))).await;
    assert_eq!(answer.got("x-user"), ["anna"]);
    assert_eq!(answer.got("authorization").len(), 1);
}

#[tokio::test]
async fn requests_are_counted_by_who_sends_them_and_bad_tokens_by_their_address() {
    let (backend, key) = (Backend::start().await, Key::new("a"));
    let policy = "rateLimits: [users], jwt: {providers: [login]}";
    let gateway = Gateway::start(&config(&backend, &inline(&key), "", policy)).await;
    for (user, status) in
        [("anna", 200), ("anna", 200), ("anna", 429), ("ben", 200), ("ben", 200), ("ben", 429)]
    {
        // Another token each time.
        let token = key.token(&json!({"sub": user, "jti": fastrand_text()}));
        assert_eq!(send(gateway.address, with(&token)).await.status, status, "{user}");
    }
    let policy = "rateLimits: [users, addresses], jwt: {providers: [login]}";
    let gateway = Gateway::start(&config(&backend, &inline(&key), "", policy)).await;
    for status in [401, 401, 401, 429] {
        assert_eq!(send(gateway.address, with("a.b.c")).await.status, status);
    }
}

fn fastrand_text() -> String {
    fastrand::u64(..).to_string()
}

#[tokio::test]
async fn keys_that_are_not_there_yet_are_no_fault_of_the_token() {
    let (backend, key) = (Backend::start().await, Key::new("a"));
    for says in
        [Says::Status(500), Says::Status(302), Says::Keys("{}".to_owned()), Says::Keys("x".repeat(600_000))]
    {
        let issuer = Issuer::start(says, None).await;
        let gateway = Gateway::start(&config(&backend, &remote(&issuer), "", POLICY)).await;
        issuer.is_asked(1).await;
        let token = key.token(&json!({}));
        let answer = send(gateway.address, with(&token)).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(answer.json()["detail"], "the keys of the issuer are not known yet");
        assert_eq!(answer.header("www-authenticate"), "");
        reason(&gateway, "token-no-keys", 1).await;
        issuer.say(Says::Keys(key.set()));
        until(&gateway, &token, 200).await;
        // Then it goes, and what is known stays.
        issuer.say(Says::Status(503));
        gateway.reload(&config(&backend, &remote(&issuer), ", audiences: []", POLICY)).await;
        assert_eq!(send(gateway.address, with(&token)).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_slow_issuer_slows_no_request() {
    let (backend, key) = (Backend::start().await, Key::new("a"));
    let issuer = Issuer::start(Says::Nothing, None).await;
    let gateway = Gateway::start(&config(&backend, &remote(&issuer), "", POLICY)).await;
    issuer.is_asked(1).await;
    let begun = Instant::now();
    for _ in 0..10 {
        let answer = send(gateway.address, with(&key.token(&json!({})))).await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(send(gateway.address, get("/open")).await.status, StatusCode::OK);
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_gateway_is_ready_when_it_has_asked_for_keys_and_stays_so() {
    let (backend, key) = (Backend::start().await, Key::new("a"));
    let issuer = Issuer::start(Says::Nothing, None).await;
    let gateway = Gateway::start(&config(&backend, &remote(&issuer), "", POLICY)).await;
    let ready = || async { send(gateway.admin, get("/readyz")).await };
    let answer = ready().await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(answer.body, "the keys of provider \"login\" are being fetched\n");
    // It does not wait for somebody who never answers.
    let reached = async {
        while ready().await.status != StatusCode::OK {
            sleep(Duration::from_millis(100)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("it is ready");
    assert_eq!(send(gateway.address, with(&key.token(&json!({})))).await.status, 503);
    let other = Issuer::start(Says::Nothing, None).await;
    gateway.reload(&config(&backend, &remote(&other), "", POLICY)).await;
    other.is_asked(1).await;
    assert_eq!(ready().await.status, StatusCode::OK);
}

#[tokio::test]
async fn keys_change_and_are_fetched_when_a_token_names_another() {
    let (backend, old, new) = (Backend::start().await, Key::new("old"), Key::new("new"));
    let issuer = Issuer::start(Says::Keys(old.set()), None).await;
    let jwks = remote(&issuer).replace("refreshSeconds: 10", "refreshSeconds: 3600");
    let gateway = Gateway::start(&config(&backend, &jwks, "", POLICY)).await;
    let (old, new) = (old.token(&json!({})), (new.token(&json!({})), new.set()));
    until(&gateway, &old, 200).await;
    issuer.say(Says::Keys(new.1));
    let begun = Instant::now();
    assert_eq!(send(gateway.address, with(&new.0)).await.status, StatusCode::UNAUTHORIZED);
    until(&gateway, &new.0, 200).await;
    // Not at once, however many tokens there are.
    assert!(begun.elapsed() > Duration::from_secs(5), "{:?}", begun.elapsed());
    assert_eq!(issuer.fetches(), 2);
    assert_eq!(send(gateway.address, with(&old)).await.status, StatusCode::UNAUTHORIZED);
    gateway.measures("flotilla_gateway_jwks_fetches_total{provider=\"login\",outcome=\"fetched\"} 2").await;
}

#[tokio::test]
async fn keys_are_fetched_from_whom_the_authority_knows() {
    let (backend, key) = (Backend::start().await, Key::new("a"));
    let (authority, other) = (Authority::new(), Authority::new());
    let issuer = Issuer::start(Says::Keys(key.set()), Some(server(&authority.issue(&["localhost"])))).await;
    let jwks = |ca: &str| {
        let port = issuer.address.port();
        format!("remote: {{uri: 'https://localhost:{port}/jwks?a=b', ca: {}}}", quoted(ca))
    };
    let gateway = Gateway::start(&config(&backend, &jwks(&authority.pem()), "", POLICY)).await;
    let token = key.token(&json!({}));
    until(&gateway, &token, 200).await;
    let gateway = Gateway::start(&config(&backend, &jwks(&other.pem()), "", POLICY)).await;
    issuer.is_asked(2).await;
    gateway.measures("flotilla_gateway_jwks_fetches_total{provider=\"login\",outcome=\"failed\"} 1").await;
    assert_eq!(send(gateway.address, with(&token)).await.status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn what_a_request_needs_is_explained() {
    let (backend, key) = (Backend::start().await, Key::new("a"));
    let policy = "rateLimits: [users, addresses], jwt: {providers: [login]}, maxBodyBytes: 7";
    let gateway = Gateway::start(&config(&backend, &inline(&key), "", policy)).await;
    let explained = |path: &str| {
        let url = format!("/explain?url=http://a.test:{}{path}", gateway.address.port());
        let admin = gateway.admin;
        async move { send(admin, get(&url)).await.json() }
    };
    assert_eq!(
        explained("/").await["policy"],
        json!({
            "rateLimits": ["addresses", "users"],
            "jwt": {"required": true, "providers": [{"name": "login", "keys": 1}]},
            "maxBodyBytes": 7,
        })
    );
    assert!(explained("/open").await.get("policy").is_none());
}
