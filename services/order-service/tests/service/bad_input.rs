//! Whatever is wrong with a request: a problem that says what, and never a 500.

use flotilla_paysim::webhook::sign;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::shop::{Answer, Shop};

fn problem(answer: &Answer, status: u16, code: &str) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text);
    assert_eq!(answer.headers["content-type"], "application/problem+json", "{}", answer.text);
    let problem = answer.json();
    assert_eq!(problem["code"], code, "{problem}");
    problem
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_cannot_be_taken_says_where_it_is_wrong() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let line = |sku: Value, quantity: Value| json!({ "currency": "EUR", "payment_method": "pm_card_visa", "lines": [{ "sku": sku, "quantity": quantity }] });
    let with = |name: &str, value: Value| {
        let mut body = line(json!("SHOE"), json!(1));
        body[name] = value;
        body
    };
    for (number, (body, pointer)) in [
        (line(json!("SHOE"), json!(0)), "#/lines/0/quantity"),
        (line(json!("SHOE"), json!(-1)), "#/lines/0/quantity"),
        (line(json!("SHOE"), json!(1_000)), "#/lines/0/quantity"),
        (line(json!("SHOE"), json!(1.5)), "#/lines/0/quantity"),
        (line(json!("SHOE"), json!("two")), "#/lines/0/quantity"),
        (line(json!("SHOE"), json!(9_999_999_999_i64)), "#/lines/0/quantity"),
        (line(json!(""), json!(1)), "#/lines/0/sku"),
        (line(json!("A".repeat(65)), json!(1)), "#/lines/0/sku"),
        (line(json!("A B"), json!(1)), "#/lines/0/sku"),
        (line(json!("a\u{0}"), json!(1)), "#/lines/0/sku"),
        (line(json!("shoe"), json!(1)), "#/lines/0/sku"),
        (line(json!("-A"), json!(1)), "#/lines/0/sku"),
        (line(json!(7), json!(1)), "#/lines/0/sku"),
        (with("currency", json!("XXX")), "#/currency"),
        (with("currency", json!("eur")), "#/currency"),
        (with("currency", Value::Null), "#/currency"),
        (with("lines", json!([])), "#/lines"),
        (with("lines", json!("all")), "#/lines"),
        (with("payment_method", json!("")), "#/payment_method"),
        (with("payment_method", json!("a".repeat(129))), "#/payment_method"),
        (with("payment_method", json!("pm&amount=1")), "#/payment_method"),
        (with("ship_to", json!("here")), "#/ship_to"),
        (with("ship_to", json!({ "a": "\u{0}" })), "#/ship_to"),
        (with("ship_to", json!({ "a": "x".repeat(5_000) })), "#/ship_to"),
        (with("cart_id", json!(Uuid::now_v7())), "#/cart_id"),
        (with("cart_id", json!("cart")), "#/cart_id"),
        (with("surprise", json!(1)), "#/surprise"),
        (json!({ "cart_id": Uuid::now_v7(), "payment_method": "pm_card_visa" }), "#/cart_id"),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = customer.post("/v1/orders", Some(&format!("bad-{number}")), body.clone()).await;
        let problem = problem(&answer, 422, "invalid_body");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{body}: {problem}");
    }
    let twice = json!({ "currency": "EUR", "payment_method": "pm", "lines": [{ "sku": "SHOE", "quantity": 1 }, { "sku": "SHOE", "quantity": 1 }] });
    problem(&customer.post("/v1/orders", Some("twice"), twice).await, 422, "invalid_body");
    let many: Vec<_> = (0..101).map(|at| json!({ "sku": format!("S{at}"), "quantity": 1 })).collect();
    problem(
        &customer.post("/v1/orders", Some("many"), with("lines", json!(many))).await,
        422,
        "invalid_body",
    );
    // More than providers take.
    shop.stock("YACHT", 99_999_999, 10).await;
    problem(
        &customer.post("/v1/orders", Some("YACHT"), line(json!("YACHT"), json!(2))).await,
        422,
        "invalid_total",
    );
    let none: i64 =
        sqlx::query_scalar("select count(*) from orders.orders").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(none, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_request_is_a_problem() {
    let shop = Shop::start().await;
    let (customer, admin) = (shop.customer(), shop.admin());
    let id = Uuid::now_v7();
    let good =
        json!({ "currency": "EUR", "payment_method": "pm", "lines": [{ "sku": "SHOE", "quantity": 1 }] });
    problem(&customer.post("/v1/orders", None, good.clone()).await, 400, "idempotency_key_missing");
    let long = "k".repeat(256);
    problem(&customer.post("/v1/orders", Some(&long), good.clone()).await, 400, "idempotency_key_invalid");
    for (path, status, code) in [
        ("/v1/orders/twelve".to_owned(), 400, "invalid_parameter"),
        (format!("/v1/orders/{id}"), 404, "not_found"),
        (format!("/v1/orders/{id}/stream"), 404, "not_found"),
        ("/v1/orders?limit=0".to_owned(), 400, "invalid_parameter"),
        ("/v1/orders?limit=many".to_owned(), 400, "invalid_parameter"),
        ("/v1/orders?cursor=forged".to_owned(), 400, "invalid_cursor"),
        ("/v1/carts/%FF".to_owned(), 400, "invalid_parameter"),
        ("/v1/nothing".to_owned(), 404, "not_found"),
    ] {
        problem(&customer.get(&path).await, status, code);
    }
    for path in [format!("/v1/orders/{id}:melt"), "/v1/orders/x:cancel".to_owned()] {
        problem(&customer.post(&path, None, Value::Null).await, 404, "not_found");
    }
    // What is done with something is at another path than the thing, and takes another method.
    let of_the_thing = customer.post(&format!("/v1/orders/{id}"), None, Value::Null).await;
    problem(&of_the_thing, 405, "method_not_allowed");
    problem(&customer.get(&format!("/v1/orders/{id}:cancel")).await, 405, "method_not_allowed");
    problem(&customer.post("/v1/carts", None, json!({ "currency": "EURO" })).await, 422, "invalid_body");
    let cart = customer.post("/v1/carts", None, json!({ "currency": "EUR" })).await.json();
    let cart = format!("/v1/carts/{}/items", cart["id"].as_str().unwrap());
    problem(
        &customer.put(&format!("{cart}/a%20b"), json!({ "quantity": 1 })).await,
        400,
        "invalid_parameter",
    );
    problem(&customer.put(&format!("{cart}/SHOE"), json!({ "quantity": -1 })).await, 422, "invalid_body");

    let order = customer.order("pm_card_visa").await;
    shop.until(&order, "paid").await;
    for body in [
        json!({ "amount_minor": 0, "reason": "none" }),
        json!({ "amount_minor": -5, "reason": "less" }),
        json!({ "amount_minor": 5.5, "reason": "half" }),
        json!({ "amount_minor": 5, "reason": "" }),
        json!({ "amount_minor": 5, "reason": "a\u{0}" }),
        json!({ "amount_minor": 5, "reason": "a".repeat(501) }),
    ] {
        let key = Uuid::now_v7().to_string();
        let answer = admin.post(&format!("/v1/orders/{order}/refunds"), Some(&key), body).await;
        problem(&answer, 422, "invalid_body");
    }
    let tracking = json!({ "tracking": "t".repeat(201) });
    problem(&admin.post(&format!("/v1/orders/{order}:ship"), None, tracking).await, 422, "invalid_body");

    // Nobody, and somebody whose token is not of our issuer.
    let (none, forged) = (
        shop.send("GET", "/v1/orders", None, &[], "").await,
        shop.send("GET", "/v1/orders", Some("a.b.c"), &[], "").await,
    );
    problem(&none, 401, "token_missing");
    problem(&forged, 401, "token_invalid");
    let identity = shop.send("GET", "/v1/orders", None, &[("x-internal-identity", "a.b.c")], "").await;
    problem(&identity, 401, "token_invalid");
    let headers = [("content-type", "application/json"), ("idempotency-key", "x")];
    let token = Some(customer.token.as_str());
    let cut = shop.send("POST", "/v1/orders", token, &headers, "{\"lines\":[").await;
    problem(&cut, 400, "malformed_body");
    let plain = shop
        .send("POST", "/v1/orders", token, &[("content-type", "text/plain"), ("idempotency-key", "x")], "{}")
        .await;
    problem(&plain, 415, "unsupported_media_type");
}

/// What is answered to an order of so many bytes, of which only these come.
async fn answer_to_part(shop: &Shop, token: &str, length: usize, part: &str) -> String {
    let mut stream = TcpStream::connect(shop.http).await.unwrap();
    let head = format!(
        "POST /v1/orders HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {token}\r\nidempotency-key: part\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{part}"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_large_or_half_is_no_order() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    // It says how large it is, and is refused before it comes.
    let large = answer_to_part(&shop, &customer.token, 10 * 1024 * 1024, "").await;
    assert!(large.starts_with("HTTP/1.1 413 ") && large.contains("body_too_large"), "{large}");
    let half = answer_to_part(&shop, &customer.token, 500, "{\"currency\":").await;
    assert!(half.is_empty() || half.starts_with("HTTP/1.1 400 "), "{half}");
    assert_eq!(customer.place("part", "pm_card_visa").await.status, 202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_is_not_signed_for_its_bytes_now_has_no_effect() {
    let shop = Shop::start().await;
    let secret = flotilla_kit::Secret::new("whsec_test".to_owned());
    let body = json!({ "id": "evt_1", "type": "payment_intent.succeeded", "data": { "object": { "id": "pi_none", "object": "payment_intent" } } }).to_string();
    let now = Timestamp::now().as_second();
    let other = flotilla_kit::Secret::new("whsec_other".to_owned());
    let path = "/v1/webhooks/psp/paysim";
    for signature in [
        sign(&other, body.as_bytes(), now),
        sign(&secret, b"{}", now),
        sign(&secret, body.as_bytes(), now - 400),
        "t=1,v1=00".to_owned(),
        "nonsense".to_owned(),
    ] {
        let answer = shop.send("POST", path, None, &[("stripe-signature", &signature)], body.clone()).await;
        problem(&answer, 400, "webhook_signature");
    }
    problem(&shop.send("POST", path, None, &[], body.clone()).await, 400, "webhook_signature");
    let good = sign(&secret, body.as_bytes(), now);
    let answer =
        shop.send("POST", "/v1/webhooks/psp/other", None, &[("stripe-signature", &good)], body.clone()).await;
    problem(&answer, 404, "not_found");
    // Of nothing of ours: taken, so that it does not come again.
    let answer = shop.send("POST", path, None, &[("stripe-signature", &good)], body).await;
    assert_eq!(answer.status, 204, "{}", answer.text);
    // Signed, and no event.
    let signature = sign(&secret, b"[]", now);
    problem(
        &shop.send("POST", path, None, &[("stripe-signature", &signature)], "[]").await,
        400,
        "webhook_signature",
    );
}
