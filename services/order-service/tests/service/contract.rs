//! What others rely on: the description of the API, and the schemas of events.

use std::{fs, path::PathBuf};

use flotilla_order_service::{graphql, http::document};
use serde_json::{Value, json};

use crate::shop::Shop;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

#[test]
fn the_descriptions_are_those_that_are_committed() {
    let openapi = format!("{}\n", serde_json::to_string_pretty(&document().unwrap()).unwrap());
    for (name, now) in [("openapi.json", openapi), ("schema.graphql", graphql::sdl())] {
        let path = root().join(name);
        if std::env::var_os("FLOTILLA_WRITE").is_some() {
            fs::write(&path, &now).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert!(
            written == now,
            "{name} is not of these handlers; write it with FLOTILLA_WRITE=1 cargo test -p flotilla-order-service --test service the_descriptions"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_is_as_its_schema_says() {
    let shop = Shop::start().await;
    shop.stock("RARE", 100, 1).await;
    let (customer, admin) = (shop.customer(), shop.admin());
    let paid = customer.order("pm_card_visa").await;
    let declined = customer.order("pm_card_chargeDeclined").await;
    let body =
        json!({ "currency": "EUR", "lines": [{ "sku": "RARE", "quantity": 2 }], "payment_method": "pm" });
    let rejected = customer.post("/v1/orders", Some("r"), body).await.json();
    shop.until(rejected["id"].as_str().unwrap(), "rejected").await;
    shop.until(&declined, "payment_failed").await;
    customer.post(&format!("/v1/orders/{declined}:cancel"), None, Value::Null).await;
    shop.until(&declined, "cancelled").await;
    shop.until(&paid, "paid").await;
    admin
        .post(
            &format!("/v1/orders/{paid}/refunds"),
            Some("1"),
            json!({ "amount_minor": 1, "reason": "a cent" }),
        )
        .await;
    shop.settled().await;
    admin.post(&format!("/v1/orders/{paid}:ship"), None, json!({ "tracking": "T-1" })).await;
    admin.post(&format!("/v1/orders/{paid}:complete"), None, Value::Null).await;

    let mut seen = Vec::new();
    let events: Vec<(String, Value)> =
        sqlx::query_as("select kind, event from messaging.outbox order by seq")
            .fetch_all(&shop.pool)
            .await
            .unwrap();
    for (kind, event) in events {
        let text = fs::read_to_string(root().join(format!("events/{kind}.json")))
            .unwrap_or_else(|error| panic!("{kind} has no schema: {error}"));
        let schema: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(event["dataschema"], schema["$id"], "{kind}");
        assert_eq!(schema["title"], kind);
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let errors: Vec<_> = validator.iter_errors(&event["data"]).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{kind}: {errors:?}");
        assert!(!validator.is_valid(&json!({})), "{kind} has a schema that takes anything");
        seen.push(format!("{kind}.json"));
    }
    seen.sort();
    seen.dedup();
    let mut written: Vec<_> = fs::read_dir(root().join("events"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    written.sort();
    assert_eq!(seen, written, "each schema is of an event that is published");
}
