//! What others are told of.

use std::{collections::BTreeSet, path::Path};

use flotilla_bus::{Consumer, Pattern, Subscription};
use flotilla_product_service::events::schemas;
use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use super::shop::{PATIENCE, reference, reserve, start_with};

fn schema(kind: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(format!("{kind}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_that_happens_is_told_as_its_schema_says() {
    let shop = start_with(20).await;
    let consumer = Consumer::try_from("test").unwrap();
    let types = [Pattern::try_from("shop.*").unwrap()];
    let mut deliveries = shop.bus.subscribe(Subscription::new(consumer, types)).await.unwrap();

    // Everything that there is to tell of, once at least.
    let made = shop.sell("mug", "Mug", &[("MUG", 100, 5)]).await;
    let path = format!("/v1/products/{}", made.id());
    let dearer = json!({ "variants": [{ "sku": "MUG", "name": "Mug", "low_at": 3, "prices": [{ "currency": "EUR", "minor": 200 }] }] });
    let headers = [("if-match", "*"), ("x-correlation-id", "dearer-7")];
    shop.keep("PATCH", &path, &headers, dearer).await.is(200);
    let mut orders = shop.orders().await;
    let ids = [Uuid::now_v7(), Uuid::now_v7(), Uuid::now_v7()];
    for id in ids {
        orders.reserve(reserve(id, &[("MUG", 1)], 60)).await.unwrap();
    }
    let told = async |kind: &str| -> i64 {
        sqlx::query_scalar("select count(*) from messaging.outbox where kind = $1")
            .bind(kind)
            .fetch_one(&shop.pool)
            .await
            .unwrap()
    };
    shop.until("low", async || told("shop.stock.low.v1").await == 1).await;
    orders.commit(reference(ids[0])).await.unwrap();
    orders.release(reference(ids[1])).await.unwrap();
    sqlx::query("update product.reservations set expires_at = now() where id = $1")
        .bind(ids[2])
        .execute(&shop.pool)
        .await
        .unwrap();
    shop.until("expired", async || told("shop.stock.reservation.expired.v1").await == 1).await;
    shop.adjust("MUG", -4, "all").await.is(200);
    shop.until("depleted", async || told("shop.stock.depleted.v1").await == 1).await;
    shop.keep("DELETE", &path, &[("if-match", "*")], Value::Null).await.is(204);

    let all: BTreeSet<_> = schemas().into_iter().map(|(kind, _)| kind.to_owned()).collect();
    let (mut seen, mut versions) = (BTreeSet::new(), Vec::new());
    while seen != all {
        let missing: Vec<_> = all.difference(&seen).cloned().collect();
        let delivery = timeout(PATIENCE, deliveries.next())
            .await
            .unwrap_or_else(|_| panic!("never told: {missing:?}"))
            .unwrap();
        let event = &delivery.event;
        let kind = event.kind.as_str();
        let schema = schema(kind);
        let faults: Vec<_> = jsonschema::validator_for(&schema)
            .unwrap()
            .iter_errors(&event.data)
            .map(|fault| fault.to_string())
            .collect();
        assert_eq!(faults, Vec::<String>::new(), "{kind}: {}", event.data);
        assert_eq!(
            (event.source.as_str(), event.schema.as_deref()),
            ("/product-service", schema["$id"].as_str())
        );
        assert!(event.correlation_id.is_some(), "{kind}");
        if kind == "shop.product.price_changed.v1" {
            assert_eq!(event.correlation_id.as_deref(), Some("dearer-7"));
            assert_eq!(event.data["before"], json!([{ "currency": "EUR", "minor": 100 }]));
            assert_eq!(event.data["after"], json!([{ "currency": "EUR", "minor": 200 }]));
        }
        versions.extend(event.aggregate_version);
        seen.insert(kind.to_owned());
        delivery.ack().await.unwrap();
    }
    assert_eq!(versions, [1, 2, 3], "the events of a product come in order");
    shop.stop().await;
}

/// Those who read it may be sure of what it has.
#[test]
fn schemas_refuse_what_lacks_something() {
    for (kind, _) in schemas() {
        let validator = jsonschema::validator_for(&schema(kind)).unwrap();
        assert!(!validator.is_valid(&json!({})), "{kind}");
    }
}
