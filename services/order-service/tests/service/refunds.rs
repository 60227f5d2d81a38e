//! Money that is given back: a part, another part, and not more than there is.

use std::collections::BTreeMap;

use flotilla_paysim::{
    fault::Operation,
    ledger::{Ledger, Movement},
};
use serde_json::json;

use crate::shop::{Shop, TOTAL};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn parts_are_given_back_until_nothing_is_left() {
    let shop = Shop::start().await;
    let (customer, admin) = (shop.customer(), shop.admin());
    let id = customer.order("pm_card_visa").await;
    let path = format!("/v1/orders/{id}/refunds");
    shop.until(&id, "paid").await;
    let body = json!({ "amount_minor": 500, "reason": "the sock was torn" });
    assert_eq!(customer.post(&path, Some("1"), body.clone()).await.status, 403);
    assert_eq!(shop.customer().post(&path, Some("1"), body.clone()).await.status, 404);
    let first = admin.post(&path, Some("1"), body.clone()).await;
    assert_eq!(first.status, 202, "{}", first.text);
    assert_eq!(admin.post(&path, Some("1"), body).await.text, first.text);
    shop.settled().await;
    let order = customer.get(&format!("/v1/orders/{id}")).await.json();
    assert_eq!(
        (&order["status"], &order["payment_status"], &order["refunded_minor"]),
        (&json!("paid"), &json!("partially_refunded"), &json!(500))
    );
    let much = json!({ "amount_minor": TOTAL, "reason": "all of it" });
    let much = admin.post(&path, Some("2"), much).await;
    assert_eq!((much.status, &much.json()["code"]), (409, &json!("refund_too_large")));
    // Many at once: together they are not more than there is.
    let some = (0..6).map(|number| {
        let (admin, path) = (shop.admin(), path.clone());
        async move {
            let body = json!({ "amount_minor": 1_000, "reason": "a part" });
            admin.post(&path, Some(&format!("part-{number}")), body).await.status
        }
    });
    let statuses = futures::future::join_all(some).await;
    assert_eq!(statuses.iter().filter(|status| **status == 202).count(), 3, "{statuses:?}");
    shop.settled().await;
    let rest = admin.post(&path, Some("3"), json!({ "reason": "the rest" })).await;
    assert_eq!((rest.status, &rest.json()["amount_minor"]), (202, &json!(TOTAL - 3_500)));
    shop.settled().await;
    let order = customer.get(&format!("/v1/orders/{id}")).await.json();
    assert_eq!((&order["payment_status"], &order["refunded_minor"]), (&json!("refunded"), &json!(TOTAL)));
    assert_eq!(shop.moved(Movement::Refund).iter().sum::<i64>(), TOTAL);
    assert_eq!(shop.told(&id, "shop.order.refunded.v1").await, 5);
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_was_made_with_the_provider_is_in_our_books_as_well() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_visa").await;
    shop.until(&id, "paid").await;
    let (_, reference) = customer.payment(&id).await;
    let refund = move |ledger: &mut Ledger| ledger.refund(&reference, Some(700), BTreeMap::new(), None);
    shop.at_provider(Operation::Refund, refund).await;
    loop {
        let order = customer.get(&format!("/v1/orders/{id}")).await.json();
        if order["refunded_minor"] == 700 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_with_a_part_given_back_is_called_off_for_the_rest() {
    let shop = Shop::start().await;
    let (customer, admin) = (shop.customer(), shop.admin());
    let id = customer.order("pm_card_visa").await;
    shop.until(&id, "paid").await;
    let body = json!({ "amount_minor": 480, "reason": "a part" });
    admin.post(&format!("/v1/orders/{id}/refunds"), Some("1"), body).await;
    customer.post(&format!("/v1/orders/{id}:cancel"), None, json!(null)).await;
    shop.until(&id, "cancelled").await;
    assert_eq!(shop.moved(Movement::Refund).iter().sum::<i64>(), TOTAL);
    shop.audit().await;
}
