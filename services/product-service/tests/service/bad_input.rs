//! Requests that are not as they should be: always a problem that says what to do, never a fault of the service.

use axum::body::{Body, Bytes};
use flotilla_kit::{Secret, http::cursor::Cursors};
use futures::stream;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::shop::start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_request_is_named() {
    let shop = start().await;
    let made = shop.sell("mug", "Mug", &[("MUG", 100, 5)]).await;
    let at = format!("/v1/products/{}", made.id());
    let variant = |change: Value| {
        let mut variant = json!({ "sku": "X", "name": "X", "prices": [{ "currency": "EUR", "minor": 1 }] });
        variant.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        json!({ "slug": "x", "name": "X", "variants": [variant] })
    };
    let price = |currency: Value, minor: Value| {
        variant(json!({ "prices": [{ "currency": currency, "minor": minor }] }))
    };
    let product = |change: Value| {
        let mut product = json!({ "slug": "x", "name": "X" });
        product.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        product
    };
    for (body, place) in [
        (json!([]), "#"),
        (json!({}), "#"),
        (product(json!({ "name": "x".repeat(201) })), "#/name"),
        (product(json!({ "name": 7 })), "#/name"),
        (product(json!({ "name": "a\u{0}b" })), "#/name"),
        (product(json!({ "description": "x".repeat(20_001) })), "#/description"),
        (product(json!({ "slug": "../x" })), "#/slug"),
        (product(json!({ "status": "gone" })), "#/status"),
        (product(json!({ "attributes": { "a\u{0}": "b" } })), "#/attributes/a%00"),
        (product(json!({ "attributes": { "a": 1 } })), "#/attributes/a"),
        (product(json!({ "images": [{ "url": "file:///etc/passwd" }] })), "#/images/0/url"),
        (product(json!({ "categories": ["x"] })), "#/categories/0"),
        (product(json!({ "colour": "blue" })), "#/colour"),
        (variant(json!({ "sku": "x y" })), "#/variants/0/sku"),
        (variant(json!({ "stock": -1 })), "#/variants/0/stock"),
        (variant(json!({ "low_at": -1 })), "#/variants/0/low_at"),
        (price(json!("XXX"), json!(1)), "#/variants/0/prices/0/currency"),
        (price(json!("eur"), json!(1)), "#/variants/0/prices/0/currency"),
        (price(json!("EUR"), json!(-1)), "#/variants/0/prices/0/minor"),
        (price(json!("EUR"), json!(9.5)), "#/variants/0/prices/0/minor"),
        (price(json!("EUR"), json!("9.50")), "#/variants/0/prices/0/minor"),
        (price(json!("EUR"), json!(u64::MAX)), "#/variants/0/prices/0/minor"),
    ] {
        for (method, path) in [("POST", "/v1/products"), ("PUT", at.as_str())] {
            let answer = shop.keep(method, path, &[("if-match", "*")], body.clone()).await;
            answer.problem(422, "invalid_body");
            assert_eq!(answer.places().first().map(String::as_str), Some(place), "{body}");
        }
    }
    for patch in [
        json!({ "name": null }),
        json!({ "name": [] }),
        json!({ "variants": {} }),
        json!({ "x": 1 }),
        json!([1]),
    ] {
        let answer = shop.keep("PATCH", &at, &[("if-match", "*")], patch.clone()).await;
        answer.problem(422, "invalid_body");
    }
    for (body, place) in [
        (json!({ "delta": 0, "reason": "x" }), "#/delta"),
        (json!({ "delta": i64::MIN, "reason": "x" }), "#/delta"),
        (json!({ "delta": 1.5, "reason": "x" }), "#/delta"),
        (json!({ "delta": 1, "reason": "" }), "#/reason"),
        (json!({ "delta": 1, "reason": "a\u{0}" }), "#/reason"),
    ] {
        let path = "/v1/variants/MUG/stock/adjustments";
        let answer = shop.keep("POST", path, &[("idempotency-key", "k")], body).await;
        answer.problem(422, "invalid_body");
        assert_eq!(answer.places(), [place]);
    }
    for path in [
        "/v1/products/7",
        "/v1/products?limit=0",
        "/v1/products?limit=101",
        "/v1/products?limit=x",
        "/v1/products?price_min=-1",
        "/v1/products?currency=XXX",
        "/v1/products?attr.%00=x",
        "/v1/products?q=%00",
        "/v1/products?sort=id;drop",
        "/v1/products?x=1",
        "/v1/products?q=a&q=b",
        "/v1/search/suggest?q=%00",
    ] {
        shop.get(path).await.problem(400, "invalid_parameter");
    }
    for path in [
        "/v1/variants/%00/stock",
        "/v1/variants/no%20sku/stock",
        "/v1/nothing",
        "/v1/products/0190b2c0-0000-7000-8000-000000000000",
    ] {
        shop.get(path).await.problem(404, "not_found");
    }
    shop.send("PUT", "/v1/products", &[], "").await.problem(405, "method_not_allowed");
    assert_eq!(shop.stock("MUG").await, (5, 0));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_that_was_made_up_or_is_old_leads_nowhere() {
    let shop = start().await;
    for cursor in ["", "x", "AAAA", &"A".repeat(5_000)] {
        shop.get(&format!("/v1/products?cursor={cursor}")).await.problem(400, "invalid_cursor");
    }
    let key = |text: &str| Secret::new(text.as_bytes().to_vec());
    let filter = r#"{"category":null,"words":null,"currency":"EUR","price_min":null,"price_max":null,"in_stock":null,"attributes":{},"status":"active","sort":"Newest"}"#;
    let position = json!({ "id": uuid::Uuid::now_v7(), "name": null, "number": null });
    let seal = |text: &str, seconds| {
        let cursors = Cursors::new(&key(text), std::time::Duration::from_secs(seconds));
        cursors.seal(&format!("products {filter}"), &position).unwrap()
    };
    shop.get(&format!("/v1/products?cursor={}", seal("a key", 60))).await.is(200);
    shop.get(&format!("/v1/products?cursor={}", seal("a key", 0))).await.problem(400, "expired_cursor");
    shop.get(&format!("/v1/products?cursor={}", seal("another key", 60)))
        .await
        .problem(400, "invalid_cursor");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_too_large_or_end_too_early_are_refused() {
    let shop = start().await;
    let token = shop.admin_token();
    let json_headers = [("authorization", token.as_str()), ("content-type", "application/json")];
    let lines = [("authorization", token.as_str()), ("content-type", "application/x-ndjson")];
    // It says how large it is, and is refused before it comes.
    for path in ["/v1/products", "/v1/products:import"] {
        let mut stream = TcpStream::connect(shop.http).await.unwrap();
        let head = format!("POST {path} HTTP/1.1\r\nhost: shop\r\ncontent-length: 10485760\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413");
    }
    // It does not say, and is refused where it is too large.
    let piece = Bytes::from(vec![b' '; 64 * 1024]);
    let last = Bytes::from_static(b" ");
    let pieces =
        stream::iter((0..=64).map(move |number| {
            Ok::<_, std::io::Error>(if number < 64 { piece.clone() } else { last.clone() })
        }));
    shop.send("POST", "/v1/products", &json_headers, Body::from_stream(pieces))
        .await
        .problem(413, "body_too_large");
    for (body, status, code) in [
        ("{\"slug\": \"x\"", 400, "malformed_body"),
        ("", 400, "malformed_body"),
        ("{} {}", 422, "invalid_body"),
        ("\u{feff}{}", 400, "malformed_body"),
    ] {
        shop.send("POST", "/v1/products", &json_headers, body).await.problem(status, code);
    }
    shop.send("POST", "/v1/products", &lines, "{}").await.problem(415, "unsupported_media_type");

    // Half a body: the connection ends, and the service goes on.
    let mut stream = TcpStream::connect(shop.http).await.unwrap();
    let head = format!(
        "POST /v1/products HTTP/1.1\r\nhost: shop\r\nauthorization: {token}\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{{\"slug\":"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    shop.get("/v1/products").await.is(200);
    shop.stop().await;
}
