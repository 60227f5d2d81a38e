//! The way of an order to its payment, and what else may become of it.

use std::time::Duration;

use flotilla_order_service::store::ledger::{self, Difference};
use flotilla_paysim::{
    fault::{Effect, Operation},
    ledger::Movement,
};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::shop::{Shop, TOTAL};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_paid_shipped_and_completed() {
    let shop = Shop::start().await;
    let (customer, admin) = (shop.customer(), shop.admin());
    let placed = customer.place("first", "pm_card_visa").await;
    assert_eq!(placed.status, 202, "{}", placed.text);
    let order = placed.json();
    let id = order["id"].as_str().unwrap();
    assert_eq!(placed.headers["location"], format!("/v1/orders/{id}"));
    assert_eq!((&order["status"], &order["total_minor"]), (&json!("pending"), &json!(TOTAL)));
    shop.until(id, "paid").await;
    assert_eq!(shop.moved(Movement::Capture), [TOTAL]);
    assert_eq!(shop.on_hand("SHOE").await, (99_998, 0));

    let read = customer.get(&format!("/v1/orders/{id}")).await;
    let order = read.json();
    assert_eq!(
        (&order["status"], &order["payment_status"], &order["stock"]),
        (&json!("paid"), &json!("captured"), &json!("committed"))
    );
    let tag = read.headers["etag"].to_str().unwrap().to_owned();
    let path = format!("/v1/orders/{id}");
    let again = shop.send("GET", &path, Some(&customer.token), &[("if-none-match", &tag)], "").await;
    assert_eq!((again.status, again.text.as_str()), (304, ""));

    // A customer ships nothing, and nobody else sees it.
    assert_eq!(customer.post(&format!("{path}:ship"), None, Value::Null).await.status, 403);
    for stranger in [shop.customer()] {
        for hidden in
            [path.clone(), format!("{path}/events"), format!("{path}/payments"), format!("{path}/stream")]
        {
            assert_eq!(stranger.get(&hidden).await.status, 404, "{hidden}");
        }
        assert_eq!(stranger.post(&format!("{path}:cancel"), None, Value::Null).await.status, 404);
    }
    assert_eq!(admin.post(&format!("{path}:complete"), None, Value::Null).await.status, 409);
    for _ in 0..2 {
        let shipped = admin.post(&format!("{path}:ship"), None, json!({ "tracking": "T-1" })).await;
        assert_eq!((shipped.status, &shipped.json()["status"]), (200, &json!("shipped")), "{}", shipped.text);
    }
    assert_eq!(customer.post(&format!("{path}:cancel"), None, Value::Null).await.status, 409);
    for _ in 0..2 {
        let completed = admin.post(&format!("{path}:complete"), None, Value::Null).await;
        assert_eq!((completed.status, &completed.json()["status"]), (200, &json!("completed")));
    }
    for kind in ["created", "reserved", "paid", "shipped", "completed"] {
        assert_eq!(shop.told(id, &format!("shop.order.{kind}.v1")).await, 1, "{kind}");
    }
    for kind in ["authorized", "captured"] {
        assert_eq!(shop.told(id, &format!("shop.payment.{kind}.v1")).await, 1, "{kind}");
    }
    shop.audit().await;

    // Whoever changes a payment by hand is found out by the books.
    assert_eq!(ledger::differences(&shop.pool, 10).await.unwrap(), []);
    sqlx::query("update orders.payments set captured_minor = captured_minor - 1")
        .execute(&shop.pool)
        .await
        .unwrap();
    let difference = Difference { order: id.parse().unwrap(), booked_minor: TOTAL, moved_minor: TOTAL - 1 };
    assert_eq!(ledger::differences(&shop.pool, 10).await.unwrap(), [difference]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_repeated_has_one_order_and_one_answer() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let answers = futures::future::join_all((0..12).map(|_| customer.place("same", "pm_card_visa"))).await;
    let good: Vec<_> = answers.iter().filter(|answer| answer.status == 202).collect();
    assert!(!good.is_empty());
    for answer in &answers {
        assert!(matches!(answer.status, 202 | 409), "{} {}", answer.status, answer.text);
    }
    for answer in &good {
        assert_eq!(answer.text, good[0].text);
        assert_eq!(answer.headers["location"], good[0].headers["location"]);
    }
    let other = customer.place("same", "pm_card_other").await;
    assert_eq!((other.status, &other.json()["code"]), (422, &json!("idempotency_key_reused")));
    // Somebody else's key is another.
    assert_ne!(shop.customer().place("same", "pm_card_visa").await.text, good[0].text);
    let count: i64 =
        sqlx::query_scalar("select count(*) from orders.orders").fetch_one(&shop.pool).await.unwrap();
    assert_eq!(count, 2);
    shop.audit().await;
    assert_eq!(shop.moved(Movement::Capture), [TOTAL, TOTAL]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn too_little_stock_rejects_and_nobody_is_asked_for_money() {
    let shop = Shop::start().await;
    shop.stock("RARE", 100, 1).await;
    let customer = shop.customer();
    let body = |quantity: i32| json!({ "currency": "EUR", "lines": [{ "sku": "RARE", "quantity": quantity }], "payment_method": "pm_card_visa" });
    let first = customer.post("/v1/orders", Some("1"), body(2)).await;
    assert_eq!(first.status, 202, "{}", first.text);
    let id = first.json()["id"].as_str().unwrap().to_owned();
    shop.until(&id, "rejected").await;
    let order = customer.get(&format!("/v1/orders/{id}")).await.json();
    assert_eq!(order["reason"], "out_of_stock");
    assert!(shop.ledger().intents.is_empty());
    let missing = json!({ "currency": "EUR", "lines": [{ "sku": "NOTHING", "quantity": 1 }], "payment_method": "pm_card_visa" });
    let missing = customer.post("/v1/orders", Some("2"), missing).await;
    assert_eq!((missing.status, &missing.json()["code"]), (422, &json!("not_sold")), "{}", missing.text);

    // Many who want the last one: one has it.
    let bodies = (0..10).map(|number| {
        let customer = shop.customer();
        let body = body(1);
        async move { customer.post("/v1/orders", Some(&format!("last-{number}")), body).await.json() }
    });
    let placed = futures::future::join_all(bodies).await;
    shop.settled().await;
    let mut paid = 0;
    for order in &placed {
        paid += usize::from(shop.status(order["id"].as_str().unwrap()).await == "paid");
    }
    assert_eq!(paid, 1);
    assert_eq!(shop.on_hand("RARE").await, (0, 0));
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_card_may_pay_what_the_first_did_not() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_chargeDeclined").await;
    shop.until(&id, "payment_failed").await;
    let path = format!("/v1/orders/{id}/payments");
    let body = json!({ "payment_method": "pm_card_visa" });
    let another = customer.post(&path, Some("again"), body.clone()).await;
    assert_eq!(another.status, 202, "{}", another.text);
    assert_eq!(customer.post(&path, Some("again"), body.clone()).await.text, another.text);
    shop.until(&id, "paid").await;
    assert_eq!(customer.post(&path, Some("more"), body).await.status, 409);
    assert_eq!(customer.get(&path).await.json()["items"].as_array().unwrap().len(), 2);
    assert_eq!(shop.moved(Movement::Capture), [TOTAL]);
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_that_is_not_paid_in_time_expires_and_its_stock_is_back() {
    let mut shop = Shop::without_orders().await;
    shop.flags.push("--deadline-seconds=8".to_owned());
    shop.orders().await;
    let customer = shop.customer();
    let declined = customer.order("pm_card_chargeDeclined").await;
    let waiting = customer.order("pm_card_authenticationRequired").await;
    shop.until(&declined, "payment_failed").await;
    // The bank asks when the stock is kept.
    customer.asked(&waiting).await;
    assert_eq!(shop.on_hand("SHOE").await, (100_000, 4));
    shop.until(&declined, "expired").await;
    shop.until(&waiting, "expired").await;
    assert_eq!(shop.on_hand("SHOE").await, (100_000, 0));
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_called_off_wherever_it_is() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    // Paid: all of it is given back.
    let paid = customer.order("pm_card_visa").await;
    shop.until(&paid, "paid").await;
    let answer = customer.post(&format!("/v1/orders/{paid}:cancel"), None, Value::Null).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    shop.until(&paid, "cancelled").await;
    assert_eq!(shop.moved(Movement::Refund), [TOTAL]);
    assert_eq!(shop.told(&paid, "shop.order.cancelled.v1").await, 1);
    let again = customer.post(&format!("/v1/orders/{paid}:cancel"), None, Value::Null).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!("cancelled")));
    // While its money is on the way back nobody sends it, or gives back more.
    let slow = customer.order("pm_card_visa").await;
    shop.until(&slow, "paid").await;
    shop.settled().await;
    shop.fault(Operation::Refund, Effect::Slow { milliseconds: 800 });
    customer.post(&format!("/v1/orders/{slow}:cancel"), None, Value::Null).await;
    assert_eq!(shop.status(&slow).await, "paid");
    let admin = shop.admin();
    assert_eq!(admin.post(&format!("/v1/orders/{slow}:ship"), None, Value::Null).await.status, 409);
    let refund = json!({ "amount_minor": 1, "reason": "a cent" });
    let refund = admin.post(&format!("/v1/orders/{slow}/refunds"), Some("cent"), refund).await;
    assert_eq!(refund.status, 409, "{}", refund.text);
    shop.until(&slow, "cancelled").await;
    // Waiting for the customer: nothing was taken.
    let waiting = customer.order("pm_card_authenticationRequired").await;
    customer.payment(&waiting).await;
    customer.post(&format!("/v1/orders/{waiting}:cancel"), None, Value::Null).await;
    shop.until(&waiting, "cancelled").await;
    // At any moment on its way.
    let mut ids = Vec::new();
    for delay in 0..20_u64 {
        let id = customer.order("pm_card_visa").await;
        sleep(Duration::from_millis(delay * 4)).await;
        let answer = customer.post(&format!("/v1/orders/{id}:cancel"), None, Value::Null).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        ids.push(id);
    }
    for id in ids {
        shop.until(&id, "cancelled").await;
    }
    assert_eq!(shop.on_hand("SHOE").await, (100_000, 0));
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_are_listed_page_by_page() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let mut placed = Vec::new();
    for _ in 0..5 {
        placed.push(customer.order("pm_card_visa").await);
    }
    shop.customer().order("pm_card_visa").await;
    let (mut seen, mut path) = (Vec::new(), "/v1/orders?limit=2".to_owned());
    loop {
        let page = customer.get(&path).await;
        let json = page.json();
        seen.extend(
            json["items"].as_array().unwrap().iter().map(|order| order["id"].as_str().unwrap().to_owned()),
        );
        let Some(link) = page.headers.get("link") else { break };
        path = link.to_str().unwrap().trim_start_matches('<').split('>').next().unwrap().to_owned();
    }
    placed.reverse();
    assert_eq!(seen, placed);
    // A cursor is of its list and of its owner.
    let cursor = customer.get("/v1/orders?limit=2").await.json()["next_cursor"].as_str().unwrap().to_owned();
    let stolen = shop.customer().get(&format!("/v1/orders?cursor={cursor}")).await;
    assert_eq!((stolen.status, &stolen.json()["code"]), (400, &json!("invalid_cursor")));
}
