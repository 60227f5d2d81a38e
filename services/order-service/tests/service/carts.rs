//! Carts.

use serde_json::json;

use crate::shop::{Shop, TOTAL};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cart_is_filled_and_ordered_once() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let made = customer.post("/v1/carts", None, json!({ "currency": "EUR" })).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let cart = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/v1/carts/{cart}");
    assert_eq!(made.headers["location"], path);
    let empty = json!({ "cart_id": cart, "payment_method": "pm_card_visa" });
    assert_eq!(customer.post("/v1/orders", Some("0"), empty.clone()).await.status, 422);
    customer.put(&format!("{path}/items/SHOE"), json!({ "quantity": 5 })).await;
    customer.put(&format!("{path}/items/SHOE"), json!({ "quantity": 2 })).await;
    customer.put(&format!("{path}/items/HAT"), json!({ "quantity": 1 })).await;
    assert!(customer.get(&path).await.json()["total_minor"].is_null());
    assert_eq!(customer.delete(&format!("{path}/items/HAT")).await.status, 200);
    assert_eq!(customer.delete(&format!("{path}/items/HAT")).await.status, 404);
    let filled = customer.put(&format!("{path}/items/SOCK"), json!({ "quantity": 1 })).await;
    assert_eq!((&filled.json()["total_minor"], filled.status), (&json!(TOTAL), 200), "{}", filled.text);
    // Nobody else's.
    assert_eq!(shop.customer().get(&path).await.status, 404);
    assert_eq!(shop.customer().delete(&path).await.status, 404);
    let stolen = shop.customer().post("/v1/orders", Some("0"), empty.clone()).await;
    assert_eq!(stolen.status, 422);

    let changed = json!({ "cart_id": cart, "payment_method": "pm_card_visa", "expected_total_minor": 1 });
    let changed = customer.post("/v1/orders", Some("1"), changed).await;
    assert_eq!((changed.status, &changed.json()["code"]), (409, &json!("price_changed")));
    // What was refused has left nothing, so that its key is free; twice at once is one order.
    let orders = futures::future::join_all(
        ["1", "2"].map(|key| customer.post("/v1/orders", Some(key), empty.clone())),
    )
    .await;
    let mut statuses: Vec<_> = orders.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 409]);
    assert_eq!(customer.put(&format!("{path}/items/SHOE"), json!({ "quantity": 1 })).await.status, 409);
    assert!(customer.get(&path).await.json()["order_id"].is_string());
    assert_eq!(customer.delete(&path).await.status, 204);
    assert_eq!(customer.get(&path).await.status, 404);
    shop.audit().await;
}
