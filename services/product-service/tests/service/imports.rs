//! Imports.

use axum::body::Body;
use serde_json::{Value, json};

use super::shop::{Answer, Shop, start};

async fn import(shop: &Shop, lines: &str) -> Answer {
    let token = shop.admin_token();
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/x-ndjson"),
        ("x-correlation-id", "import-7"),
    ];
    shop.send("POST", "/v1/products:import", &headers, Body::from(lines.to_owned())).await
}

async fn done(shop: &Shop, import: &Answer) -> Value {
    let path = import.header("location");
    shop.until("the import is done", async || {
        shop.keep("GET", &path, &[], Value::Null).await.is(200).body["state"] == "done"
    })
    .await;
    shop.keep("GET", &path, &[], Value::Null).await.body
}

fn line(slug: &str, sku: &str) -> String {
    json!({
        "slug": slug, "name": slug, "status": "active",
        "variants": [{ "sku": sku, "name": "One", "stock": 3, "prices": [{ "currency": "EUR", "minor": 100 }] }],
    })
    .to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_lines_are_products_and_others_say_what_is_wrong() {
    let shop = start().await;
    shop.sell("mug", "Mug", &[("MUG", 100, 1)]).await;
    let lines = [
        line("cup", "CUP"),
        line("mug", "MUG"),
        String::new(),
        "{\"slug\":".to_owned(),
        line("thief", "MUG"),
        json!({ "slug": "Bad", "name": "", "variants": [{ "sku": "B", "name": "B", "prices": [{ "currency": "XXX", "minor": 1 }] }] }).to_string(),
        json!({ "slug": "nul", "name": "a\u{0}b" }).to_string(),
        line("pot", "POT"),
    ];
    let accepted = import(&shop, &lines.join("\n")).await.is(202);
    let result = done(&shop, &accepted).await;
    assert_eq!(
        (&result["lines"], &result["created"], &result["updated"], &result["failed"]),
        (&json!(7), &json!(2), &json!(1), &json!(4)),
        "{result}"
    );
    // What it made is of the request that asked for it.
    let told: Vec<Option<String>> = sqlx::query_scalar(
        "select event ->> 'correlationid' from messaging.outbox where kind = 'shop.product.created.v1' order by seq offset 1",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(told, vec![Some("import-7".to_owned()); 2]);
    let path = format!("{}/errors?limit=3", accepted.header("location"));
    let first = shop.keep("GET", &path, &[], Value::Null).await.is(200).body;
    let rest = format!("{path}&cursor={}", first["next_cursor"].as_str().unwrap());
    let rest = shop.keep("GET", &rest, &[], Value::Null).await.is(200).body;
    let failed: Vec<_> = [&first, &rest]
        .into_iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|item| {
            let pointers: Vec<_> = item["errors"]
                .as_array()
                .unwrap()
                .iter()
                .map(|error| error["pointer"].as_str().unwrap().to_owned())
                .collect();
            (item["line"].as_i64().unwrap(), pointers)
        })
        .collect();
    let at = |pointers: &[&str]| pointers.iter().map(|pointer| (*pointer).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        failed,
        [
            (4, at(&[""])),
            (5, at(&["/variants/0/sku"])),
            (6, at(&["/slug", "/name", "/variants/0/prices/0/currency"])),
            (7, at(&["/name"])),
        ]
    );
    // A product that was there keeps its stock; a new one has what the line says.
    assert_eq!(
        (shop.stock("MUG").await, shop.stock("CUP").await, shop.stock("POT").await),
        ((1, 0), (3, 0), (3, 0))
    );
    let again = import(&shop, &lines.join("\r\n")).await.is(202);
    assert_eq!(done(&shop, &again).await["updated"], 3);
    assert_eq!(shop.stock("CUP").await, (3, 0));
    shop.check_stock().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_lines_are_dealt_with_in_their_order() {
    let shop = start().await;
    let mut lines: Vec<_> =
        (0..100).map(|number| line(&format!("p-{number}"), &format!("P-{number}"))).collect();
    lines.push(json!({ "slug": "p-7", "name": "The last one wins", "status": "active" }).to_string());
    let accepted = import(&shop, &lines.join("\n")).await.is(202);
    let result = done(&shop, &accepted).await;
    assert_eq!(
        (&result["created"], &result["updated"], &result["failed"]),
        (&json!(100), &json!(1), &json!(0))
    );
    let found = shop.get("/v1/products?q=wins").await.is(200).body;
    assert_eq!(found["items"][0]["slug"], "p-7");
    let waiting: i64 =
        sqlx::query_scalar("select count(*) from product.import_lines where content is not null")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
    assert_eq!(waiting, 0);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_import_is_refused_at_once() {
    let shop = start().await;
    shop.keep("POST", "/v1/products:import", &[], json!({})).await.problem(415, "unsupported_media_type");
    import(&shop, "\n \n").await.problem(422, "invalid_body");
    import(&shop, &"{}\n".repeat(10_001)).await.problem(422, "invalid_body");
    import(&shop, "a\0b").await.problem(400, "malformed_body");
    let token = shop.customer_token();
    let headers = [("authorization", token.as_str()), ("content-type", "application/x-ndjson")];
    shop.send("POST", "/v1/products:import", &headers, "{}").await.problem(403, "role_missing");
    shop.keep("GET", &format!("/v1/imports/{}", uuid::Uuid::now_v7()), &[], Value::Null)
        .await
        .problem(404, "not_found");
    shop.stop().await;
}
