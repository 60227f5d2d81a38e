//! What happens to an order, as it happens.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::shop::{PATIENCE, Shop};

/// The versions that a stream has told of.
fn versions(text: &str) -> Vec<i64> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")?.parse().ok()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_to_an_order_is_streamed_until_it_ends() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_visa").await;
    shop.until(&id, "paid").await;
    let path = format!("/v1/orders/{id}/stream");
    // Somebody who follows it while it is called off: the stream ends with the order, so that its body is whole.
    let (whole, cancelled) = tokio::join!(timeout(PATIENCE, customer.get(&path)), async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        customer.post(&format!("/v1/orders/{id}:cancel"), None, Value::Null).await
    });
    let whole = whole.expect("the stream never ends");
    assert_eq!(cancelled.status, 202, "{}", cancelled.text);
    assert_eq!(whole.headers["content-type"], "text/event-stream");
    let events = customer.get(&format!("/v1/orders/{id}/events")).await.json();
    let events = events["items"].as_array().unwrap();
    let all: Vec<_> = events.iter().map(|event| event["version"].as_i64().unwrap()).collect();
    assert_eq!(versions(&whole.text), all, "{}", whole.text);
    assert!(whole.text.contains("event: paid") && whole.text.contains("event: cancelled"), "{}", whole.text);
    // Whoever was cut off goes on, and whoever has seen all is told not to come again.
    let from = async |version: i64| {
        let seen = version.to_string();
        shop.send("GET", &path, Some(&customer.token), &[("last-event-id", &seen)], "").await
    };
    let last = *all.last().unwrap();
    assert_eq!(versions(&from(last - 1).await.text), [last]);
    let end = from(last).await;
    assert_eq!((end.status, end.text.as_str()), (204, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happens_after_the_end_of_an_order_is_told_as_well() {
    let shop = Shop::start().await;
    let (customer, admin) = (shop.customer(), shop.admin());
    let id = customer.order("pm_card_visa").await;
    shop.until(&id, "paid").await;
    shop.settled().await;
    let path = format!("/v1/orders/{id}");
    admin.post(&format!("{path}:ship"), None, Value::Null).await;
    let completed = admin.post(&format!("{path}:complete"), None, Value::Null).await.json();
    let body = json!({ "amount_minor": 100, "reason": "a button is missing" });
    assert_eq!(admin.post(&format!("{path}/refunds"), Some("1"), body).await.status, 202);
    shop.settled().await;
    let seen = completed["version"].to_string();
    let stream = format!("{path}/stream");
    let rest = shop.send("GET", &stream, Some(&customer.token), &[("last-event-id", &seen)], "").await;
    assert!(rest.text.contains("event: refund_requested"), "{}", rest.text);
    assert!(rest.text.contains("event: refunded"), "{}", rest.text);
    // Customers see that an admin did it; which one is for admins.
    assert!(rest.text.contains(r#""actor":"admin""#), "{}", rest.text);
    let all = admin.get(&format!("{path}/events")).await.text;
    assert!(all.contains(r#""actor":"admin:"#), "{all}");
}
