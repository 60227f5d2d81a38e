//! Stock by REST.

use serde_json::{Value, json};
use uuid::Uuid;

use super::shop::{reserve, start, start_with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_adjustment_that_is_repeated_is_made_once() {
    let shop = start().await;
    shop.sell("mug", "Mug", &[("MUG", 100, 5)]).await;
    let first = shop.adjust("MUG", 7, "a").await.is(200);
    assert_eq!(first.body["available"], 12);
    let again = shop.adjust("MUG", 7, "a").await.is(200);
    assert_eq!(again.body, first.body);
    assert_eq!(shop.stock("MUG").await, (12, 0));
    let at_once = (0..8).map(|_| shop.adjust("MUG", -2, "b"));
    for answer in futures::future::join_all(at_once).await {
        assert_eq!(answer.is(200).body["on_hand"], 10);
    }
    assert_eq!(shop.stock("MUG").await, (10, 0));
    shop.adjust("MUG", -3, "b").await.problem(422, "idempotency_key_reused");
    let path = "/v1/variants/MUG/stock/adjustments";
    shop.keep("POST", path, &[], json!({ "delta": 1, "reason": "x" }))
        .await
        .problem(400, "idempotency_key_missing");
    // What was refused may be asked for again with the same key.
    let refused = shop.adjust("MUG", -11, "c").await;
    refused.problem(409, "conflict");
    assert_eq!(refused.places(), ["#/delta"]);
    shop.adjust("MUG", -10, "c").await.is(200);
    shop.adjust("NONE", 1, "d").await.problem(404, "not_found");
    shop.check_stock().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_reserved_is_not_taken_away_by_a_count() {
    let shop = start().await;
    shop.sell("mug", "Mug", &[("MUG", 100, 5)]).await;
    let mut orders = shop.orders().await;
    orders.reserve(reserve(Uuid::now_v7(), &[("MUG", 3)], 60)).await.unwrap();
    shop.adjust("MUG", -3, "a").await.problem(409, "conflict");
    shop.adjust("MUG", -2, "b").await.is(200);
    assert_eq!(shop.stock("MUG").await, (3, 3));
    let movements =
        shop.keep("GET", "/v1/variants/MUG/stock/movements?limit=2", &[], Value::Null).await.is(200);
    let kinds = |body: &Value| {
        body["items"].as_array().unwrap().iter().map(|item| item["kind"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&movements.body), ["adjusted", "reserved"]);
    let cursor = movements.body["next_cursor"].as_str().unwrap();
    let rest = format!("/v1/variants/MUG/stock/movements?limit=2&cursor={cursor}");
    let rest = shop.keep("GET", &rest, &[], Value::Null).await.is(200);
    assert_eq!((kinds(&rest.body), &rest.body["next_cursor"]), (vec![json!("adjusted")], &Value::Null));
    shop.get("/v1/variants/MUG/stock/movements").await.problem(401, "token_missing");
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn movements_are_only_ever_added() {
    let shop = start().await;
    shop.sell("mug", "Mug", &[("MUG", 100, 5)]).await;
    for sql in [
        "update product.stock_movements set on_hand_delta = 0",
        "delete from product.stock_movements",
        "truncate product.stock_movements",
    ] {
        let error = sqlx::query(sql).execute(&shop.pool).await.unwrap_err().to_string();
        assert!(error.contains("only ever added"), "{error}");
    }
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_laid_out_in_rows_is_as_much_as_before() {
    let shop = start().await;
    shop.sell("mug", "Mug", &[("MUG", 100, 10)]).await;
    let mut orders = shop.orders().await;
    orders.reserve(reserve(Uuid::now_v7(), &[("MUG", 3)], 60)).await.unwrap();
    let path = "/v1/variants/MUG/stock/layout";
    for buckets in [4, 16, 2, 1, 3] {
        shop.keep("PUT", path, &[], json!({ "buckets": buckets })).await.is(204);
        assert_eq!(shop.stock("MUG").await, (10, 3));
        shop.check_stock().await;
    }
    // More than there is in any row.
    orders.reserve(reserve(Uuid::now_v7(), &[("MUG", 7)], 60)).await.unwrap();
    assert_eq!(shop.stock("MUG").await, (10, 10));
    shop.keep("PUT", path, &[], json!({ "buckets": 17 })).await.problem(422, "invalid_body");
    shop.keep("PUT", path, &[], json!({ "buckets": 0 })).await.problem(422, "invalid_body");
    shop.check_stock().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_are_told_once_when_there_is_little_left_and_when_there_is_nothing() {
    let shop = start_with(50).await;
    shop.sell("mug", "Mug", &[("MUG", 100, 6)]).await;
    let product = shop.get("/v1/products").await.body["items"][0]["id"].as_str().unwrap().to_owned();
    let call_low = async |low_at: i64| {
        let low = json!({ "variants": [{ "sku": "MUG", "name": "Mug", "low_at": low_at }] });
        shop.keep("PATCH", &format!("/v1/products/{product}"), &[("if-match", "*")], low).await.is(200);
    };
    let all_is_checked = async || {
        shop.until("all checks are made", async || {
            let due: i64 = sqlx::query_scalar("select count(*) from product.stock_checks")
                .fetch_one(&shop.pool)
                .await
                .unwrap();
            due == 0
        })
        .await;
    };
    call_low(2).await;
    let mut orders = shop.orders().await;
    let told = async || -> Vec<String> {
        sqlx::query_scalar("select kind from messaging.outbox where kind in ('shop.stock.low.v1', 'shop.stock.depleted.v1') order by seq")
            .fetch_all(&shop.pool)
            .await
            .unwrap()
    };
    let mut expected = Vec::new();
    for (quantity, kind) in [(3, None), (1, Some("low")), (1, None), (1, Some("depleted"))] {
        orders.reserve(reserve(Uuid::now_v7(), &[("MUG", quantity)], 60)).await.unwrap();
        expected.extend(kind.map(|kind| format!("shop.stock.{kind}.v1")));
        all_is_checked().await;
        assert_eq!(told().await, expected);
    }
    shop.adjust("MUG", 9, "a").await.is(200);
    shop.adjust("MUG", -8, "b").await.is(200);
    expected.push("shop.stock.low.v1".to_owned());
    shop.until("it is low again", async || told().await == expected).await;
    // As much as before is little once somebody says so.
    call_low(0).await;
    all_is_checked().await;
    call_low(5).await;
    expected.push("shop.stock.low.v1".to_owned());
    shop.until("it is called low", async || told().await == expected).await;
    shop.stop().await;
}
