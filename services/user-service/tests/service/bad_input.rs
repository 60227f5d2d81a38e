//! Whatever is sent, the answer is a problem that says what is wrong, and never a failure of the service.

use axum::http::Method;
use bytes::Bytes;
use flotilla_user_service::{domain::role::Role, grant::grant};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::harness::{PATIENCE, Shop, send};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_named_and_never_a_failure() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    grant(&shop.pool, "ada@example.org", Role::Admin).await.unwrap();
    let bearer = format!("Bearer {}", ada.access);
    let long = "a".repeat(20_000);
    let id = uuid::Uuid::now_v7();
    let register = |email: &str, password: &str, name: &str| {
        json!({ "email": email, "password": password, "name": name }).to_string()
    };
    let good = "correct horse battery";
    let (post, get, put, patch, delete) =
        (Method::POST, Method::GET, Method::PUT, Method::PATCH, Method::DELETE);
    let address = |country: &str, extra: &str| {
        format!(r#"{{"recipient":"A","line1":"B","city":"C","country":{country}{extra}}}"#)
    };
    for (method, path, body, status, names) in [
        (&post, "/v1/auth/register", String::new(), 400, ""),
        (&post, "/v1/auth/register", "{".to_owned(), 400, ""),
        (&post, "/v1/auth/register", "[]".to_owned(), 422, ""),
        (&post, "/v1/auth/register", "null".to_owned(), 422, ""),
        (&post, "/v1/auth/register", r#"{"email":1,"password":"x","name":"a"}"#.to_owned(), 422, "#/email"),
        (
            &post,
            "/v1/auth/register",
            r#"{"email":"a@b.co","password":7,"name":"a"}"#.to_owned(),
            422,
            "#/password",
        ),
        (&post, "/v1/auth/register", r#"{"email":"a@b.co","password":"x"}"#.to_owned(), 422, "name"),
        (&post, "/v1/auth/register", r#"{"email":"a@b.co","role":"admin"}"#.to_owned(), 422, "role"),
        (&post, "/v1/auth/register", register("nonsense", good, "A"), 422, "#/email"),
        (&post, "/v1/auth/register", register("a@b.co\0", good, "A"), 422, "#/email"),
        (&post, "/v1/auth/register", register(&format!("{long}@b.co"), good, "A"), 422, "#/email"),
        (&post, "/v1/auth/register", register("a@b.co", &long, "A"), 422, "#/password"),
        (&post, "/v1/auth/register", register("a@b.co", "short", "A"), 422, "#/password"),
        (&post, "/v1/auth/register", register("a@b.co", good, &long), 422, "#/name"),
        (&post, "/v1/auth/register", register("a@b.co", good, "a\u{0}b"), 422, "#/name"),
        (&post, "/v1/auth/login", r#"{"email":"a@b.co","password":""}"#.to_owned(), 401, ""),
        (&post, "/v1/auth/login", json!({ "email": "a@b.co", "password": long }).to_string(), 401, ""),
        (&post, "/v1/auth/login", r#"{"email":"a@b.co","password":"\u0000"}"#.to_owned(), 401, ""),
        (&post, "/v1/auth/refresh", r#"{"refresh_token":["a"]}"#.to_owned(), 422, "#/refresh_token"),
        (&post, "/v1/auth/verify-email", json!({ "token": long }).to_string(), 400, "#/token"),
        (
            &post,
            "/v1/auth/reset-password",
            json!({ "token": "é", "password": good }).to_string(),
            400,
            "#/token",
        ),
        (
            &post,
            "/v1/auth/mfa/totp/verify",
            r#"{"mfa_token":"a","code":"000000"}"#.to_owned(),
            401,
            "#/mfa_token",
        ),
        (&post, "/v1/auth/mfa/totp/confirm", r#"{"code":"000000"}"#.to_owned(), 409, ""),
        (&patch, "/v1/users/me", r#"{"name":null,"locale":5}"#.to_owned(), 422, "#/locale"),
        (&post, "/v1/users/me/addresses", address("5", ""), 422, "#/country"),
        (&post, "/v1/users/me/addresses", address(r#""XYZ""#, ""), 422, "#/country"),
        (&post, "/v1/users/me/addresses", address(r#""GB""#, r#","is_default":"yes""#), 422, "#/is_default"),
        (&get, "/v1/users/me/addresses/nonsense", String::new(), 400, "id"),
        (
            &put,
            "/v1/users/me/addresses/00000000-0000-0000-0000-000000000000",
            address(r#""GB""#, ""),
            404,
            "",
        ),
        (&delete, "/v1/users/me/sessions/..%2f..", String::new(), 400, "id"),
        (&get, "/v1/users?limit=0", String::new(), 400, "limit"),
        (&get, "/v1/users?limit=-1", String::new(), 400, "limit"),
        (&get, "/v1/users?limit=99999999999999999999", String::new(), 400, "limit"),
        (&get, "/v1/users?cursor=AAAA", String::new(), 400, "cursor"),
        (&get, "/v1/users?email=%00", String::new(), 400, "email"),
        (&get, "/v1/users?email=%ff", String::new(), 200, ""),
        (&get, "/v1/users?status=odd", String::new(), 400, "status"),
        (&get, "/v1/users?role=root", String::new(), 400, "role"),
        (&get, "/v1/users/%00", String::new(), 400, "id"),
        (&get, &format!("/v1/users/{id}"), String::new(), 404, ""),
        (&get, &format!("/v1/users/{id}/audit?cursor=AAAA"), String::new(), 400, "cursor"),
        (&get, "/v1/nothing", String::new(), 404, ""),
        (&delete, "/v1/auth/login", String::new(), 405, ""),
    ] {
        let headers =
            [("authorization", bearer.as_str()), ("content-type", "application/json"), ("if-match", "*")];
        let reply = send(shop.http, method.clone(), path, &headers, Bytes::from(body)).await;
        assert_eq!(reply.status, status, "{method} {path}: {reply:?}");
        if status >= 400 {
            assert!(!reply.code().is_empty());
            assert!(reply.text.contains(names), "{method} {path}: {}", reply.text);
            assert!(reply.body["correlationId"].is_string());
        }
    }
    let wrong = [("content-type", "text/plain")];
    send(shop.http, Method::POST, "/v1/auth/login", &wrong, Bytes::from("{}")).await.is(415);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forged_tokens_are_believed_nowhere() {
    let shop = Shop::start().await;
    let ada = shop.member("ada@example.org").await;
    for (value, code) in [
        ("", "token_missing"),
        ("Basic YTpi", "token_missing"),
        ("Bearer ", "token_missing"),
        ("Bearer a.b.c", "token_invalid"),
        (&format!("Bearer {}x", ada.access), "token_invalid"),
        (&format!("Bearer {}", "a".repeat(9_000)), "token_invalid"),
        (&format!("Bearer {}", ada.refresh), "token_invalid"),
    ] {
        let reply = shop.ask(Method::GET, "/v1/users/me", &[("authorization", value)], None).await.is(401);
        assert_eq!(reply.code(), code, "{value}");
        assert!(reply.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
    }
    let replica = shop.replica();
    flotilla_user_service::keys::rotate(&replica).await.unwrap();
    let expired = replica.keyring.sign(ada.id, uuid::Uuid::now_v7(), Vec::new(), 0).unwrap();
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    let value = format!("Bearer {}", expired.expose());
    let reply = shop.ask(Method::GET, "/v1/users/me", &[("authorization", &value)], None).await.is(401);
    assert_eq!(reply.code(), "token_expired");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_or_half_is_answered() {
    let shop = Shop::start().await;
    let json = [("content-type", "application/json")];
    let large = Bytes::from(vec![b' '; 10 * 1024 * 1024]);
    let mut connection = TcpStream::connect(shop.http).await.unwrap();
    let head = format!(
        "POST /v1/auth/login HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        large.len()
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    timeout(PATIENCE, connection.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");
    let mut connection = TcpStream::connect(shop.http).await.unwrap();
    connection.write_all(b"POST /v1/auth/login HTTP/1.1\r\nhost: shop\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"email\"").await.unwrap();
    connection.shutdown().await.unwrap();
    let mut answer = String::new();
    // Whoever hangs up gets an answer or none; the service goes on.
    let _ended = timeout(PATIENCE, connection.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    send(shop.http, Method::POST, "/v1/auth/login", &json, Bytes::from("{}")).await.is(422);
}
