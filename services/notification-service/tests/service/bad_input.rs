//! Bad input gets a problem that says what to do, and never a failure of the service.

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use super::world::World;

/// A request, its status, and the place of what is wrong with it.
type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], String, u16, &'a str);

async fn refused(world: &World, cases: &[Case<'_>]) {
    let admin = world.admin();
    for (method, path, headers, body, status, place) in cases {
        let answer = world.send(method, path, Some(&admin), headers, body.clone().into()).await;
        assert_eq!(answer.status, *status, "{method} {path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), "application/problem+json", "{method} {path}");
        let problem = answer.json();
        let error = &problem["errors"][0];
        let found = ["pointer", "parameter", "header"].into_iter().find_map(|kind| error[kind].as_str());
        assert_eq!(found.unwrap_or_default(), *place, "{method} {path}: {problem}");
    }
}

const NONE: &[(&str, &str)] = &[];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_is_a_problem_with_its_place() {
    let world = World::start().await;
    let none = NONE;
    let key = [("idempotency-key", "k-1")];
    let tag = [("if-match", "\"v0\"")];
    let user = Uuid::now_v7().to_string();
    let long = "a".repeat(70_000);
    let notification = |template: &str, data: Value| {
        json!({ "user_id": user, "template": template, "data": data }).to_string()
    };
    let preferences = |category: &str, channel: &str| {
        json!({ "preferences": [{ "category": category, "channel": channel, "enabled": false }] }).to_string()
    };
    let cases: &[Case<'_>] = &[
        ("POST", "/v1/notifications", none, notification("newsletter", json!({})), 400, "Idempotency-Key"),
        ("POST", "/v1/notifications", &key, notification("none", json!({})), 422, "#/template"),
        ("POST", "/v1/notifications", &key, notification("password_reset", json!({})), 422, "#/template"),
        ("POST", "/v1/notifications", &key, notification("newsletter", json!([])), 422, "#/data"),
        (
            "POST",
            "/v1/notifications",
            &key,
            notification("newsletter", json!({ "text": long })),
            422,
            "#/data",
        ),
        (
            "POST",
            "/v1/notifications",
            &key,
            notification("newsletter", json!({ "title": "a" })),
            422,
            "#/data",
        ),
        (
            "POST",
            "/v1/notifications",
            &key,
            notification("newsletter", json!({ "title": "a\nBcc: eve@shop.test", "text": "b" })),
            422,
            "#/data",
        ),
        (
            "POST",
            "/v1/notifications",
            &key,
            notification("newsletter", json!({ "title": "a", "text": "b\0" })),
            422,
            "#/data",
        ),
        ("POST", "/v1/notifications", &key, r#"{"user_id":7}"#.to_owned(), 422, "#/user_id"),
        ("POST", "/v1/notifications", &key, r#"{"user_id":"#.to_owned(), 400, "#/user_id"),
        ("POST", "/v1/notifications", &key, String::new(), 400, "#"),
        ("GET", "/v1/notifications?limit=0", none, String::new(), 400, "limit"),
        ("GET", "/v1/notifications?limit=-1", none, String::new(), 400, "limit"),
        ("GET", "/v1/notifications?cursor=forged", none, String::new(), 400, "cursor"),
        ("GET", "/v1/notifications?user=me", none, String::new(), 400, "user"),
        ("GET", "/v1/notifications/1", none, String::new(), 400, "id"),
        ("GET", "/v1/dead-letters?cursor=AAAA", none, String::new(), 400, "cursor"),
        ("POST", "/v1/dead-letters:replay", none, r#"{"ids":["x"]}"#.to_owned(), 422, "#/ids/0"),
        ("GET", "/v1/suppressions", none, String::new(), 400, ""),
        ("PUT", "/v1/preferences", none, preferences("updates", "email"), 428, "If-Match"),
        ("PUT", "/v1/preferences", &tag, preferences("security", "email"), 422, "#/preferences/0/enabled"),
        ("PUT", "/v1/preferences", &tag, preferences("none", "email"), 422, "#/preferences/0/category"),
        ("PUT", "/v1/preferences", &tag, preferences("updates", "fax"), 422, "#/preferences/0/channel"),
        (
            "POST",
            "/v1/webhook-endpoints",
            none,
            r#"{"url":"https://example.com","types":[]}"#.to_owned(),
            422,
            "#/types",
        ),
        ("POST", "/v1/push-subscriptions", none, r#"{"endpoint":1}"#.to_owned(), 422, "#/endpoint"),
        ("GET", "/v1/unsubscribe/forged", none, String::new(), 404, ""),
        ("PATCH", "/v1/preferences", none, String::new(), 405, ""),
        ("GET", "/v1/none", none, String::new(), 404, ""),
    ];
    refused(&world, cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_that_would_make_half_a_mail_is_refused() {
    let world = World::start().await;
    let (none, long) = (NONE, "a".repeat(70_000));
    let version = |locale: &str, subject: &str, text: &str, html: &str| {
        json!({ "locale": locale, "subject": subject, "text": text, "html": html }).to_string()
    };
    let added = |name: &str, category: &str, sample: Value| {
        json!({ "name": name, "category": category, "sample": sample }).to_string()
    };
    let cases: &[Case<'_>] = &[
        ("POST", "/v1/templates/welcome/versions", none, version("../etc", "a", "b", "c"), 422, "#/locale"),
        ("POST", "/v1/templates/welcome/versions", none, version("en", "a\nb", "b", "c"), 422, "#/subject"),
        (
            "POST",
            "/v1/templates/welcome/versions",
            none,
            version("en", "a", "{{ nothing }}", "c"),
            422,
            "#/text",
        ),
        ("POST", "/v1/templates/welcome:preview", none, version("en", "a", "b", "{% if %}"), 422, "#/html"),
        ("POST", "/v1/templates/welcome:preview", none, version("en", "a", &long, "c"), 422, "#/text"),
        ("POST", "/v1/templates/welcome/versions", none, version("en", "a", "b\0", "c"), 422, "#/text"),
        // What other events have, this one has not.
        (
            "POST",
            "/v1/templates/welcome/versions",
            none,
            version("en", "a", "{{ data.order_id }}", "c"),
            422,
            "#/text",
        ),
        ("POST", "/v1/templates/welcome", none, version("en", "a", "b", "c"), 404, ""),
        ("POST", "/v1/notifications/1:retry", none, String::new(), 404, ""),
        ("POST", "/v1/notifications/1", none, String::new(), 405, ""),
        ("GET", "/v1/notifications/1:retry", none, String::new(), 405, ""),
        ("PUT", "/v1/webhook-endpoints/1:rotate", none, String::new(), 405, ""),
        ("POST", "/v1/webhook-endpoints/1:test", none, String::new(), 404, ""),
        ("POST", "/v1/webhook-endpoints/1:burn", none, String::new(), 404, ""),
        ("POST", "/v1/templates", none, added("Sale", "marketing", json!({})), 422, "#/name"),
        ("POST", "/v1/templates", none, added("sale", "security", json!({})), 422, "#/category"),
        ("POST", "/v1/templates", none, added("sale", "marketing", json!([])), 422, "#/sample"),
        ("POST", "/v1/templates", none, added("sale", "marketing", json!({ "a": "\0" })), 422, "#/sample"),
        ("POST", "/v1/templates", none, added("newsletter", "marketing", json!({})), 409, ""),
        ("POST", "/v1/templates/none:preview", none, version("en", "a", "b", "c"), 404, ""),
    ];
    refused(&world, cases).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_for_admins_is_for_nobody_else() {
    let world = World::start().await;
    let ann = world.token(Uuid::now_v7(), &[]);
    for path in ["/v1/dead-letters", "/v1/templates", "/v1/suppressions?address=a@b", "/v1/webhook-endpoints"]
    {
        assert_eq!(world.ask("GET", path, Some(&ann), &[], None).await.status, 403, "{path}");
        assert_eq!(world.ask("GET", path, None, &[], None).await.status, 401, "{path}");
        assert_eq!(world.ask("GET", path, Some("no.jwt.here"), &[], None).await.status, 401, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_or_half_is_refused() {
    let world = World::start().await;
    let admin = world.admin();
    let head = format!(
        "POST /v1/dead-letters:replay HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {admin}\r\ncontent-type: \
         application/json\r\nconnection: close\r\n"
    );
    for (rest, status) in [
        ("content-length: 10485760\r\n\r\n{".to_owned(), "413"),
        ("content-length: 100\r\n\r\n{\"ids\":".to_owned(), "400"),
    ] {
        let mut stream = TcpStream::connect(world.http).await.unwrap();
        stream.write_all(format!("{head}{rest}").as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with(&format!("HTTP/1.1 {status}")), "{answer}");
    }
    let large = Bytes::from(vec![b' '; 2 * 1024 * 1024]);
    let answer = world.send("POST", "/v1/dead-letters:replay", Some(&admin), &[], large).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (413, Some("body_too_large")));
}
