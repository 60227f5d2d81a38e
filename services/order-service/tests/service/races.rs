//! The customer who comes back from their bank, and the webhook that says the same: a hundred times each way, and together.

use flotilla_paysim::{
    fault::{Effect, Operation},
    ledger::Movement,
};
use serde_json::{Value, json};

use crate::{
    person::Person,
    shop::{Shop, TOTAL},
};

/// Of each order.
const TIMES: usize = 100;

async fn complete(customer: &Person<'_>, order: &str, payment: &str) {
    let path = format!("/v1/orders/{order}/payments/{payment}:complete");
    let answer = customer.insist(&path, None, Value::Null).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

async fn check(shop: &Shop, ids: &[String]) {
    for id in ids {
        shop.until(id, "paid").await;
        assert_eq!(shop.told(id, "shop.order.paid.v1").await, 1, "{id}");
        assert_eq!(shop.told(id, "shop.payment.authorized.v1").await, 1, "{id}");
        assert_eq!(shop.told(id, "shop.payment.captured.v1").await, 1, "{id}");
    }
    shop.audit().await;
    assert_eq!(shop.moved(Movement::Capture), vec![TOTAL; ids.len()]);
    assert_eq!(shop.moved(Movement::Authorize), vec![TOTAL; ids.len()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_webhook_first_and_then_the_customer() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let mut ids = Vec::new();
    for _ in 0..TIMES {
        let id = customer.order("pm_card_authenticationRequired").await;
        let (payment, reference) = customer.asked(&id).await;
        // Taken by us before the bank's page is back.
        shop.fault(Operation::Authenticate, Effect::EarlyWebhook);
        shop.authenticate(&reference).await;
        complete(&customer, &id, &payment).await;
        ids.push(id);
    }
    check(&shop, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_customer_first_and_then_the_webhook() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let mut ids = Vec::new();
    for _ in 0..TIMES {
        let id = customer.order("pm_card_authenticationRequired").await;
        let (payment, reference) = customer.asked(&id).await;
        shop.fault(Operation::Authenticate, Effect::LateWebhook { milliseconds: 150 });
        shop.authenticate(&reference).await;
        complete(&customer, &id, &payment).await;
        ids.push(id);
    }
    check(&shop, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_at_once_and_twice() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let mut ids = Vec::new();
    for _ in 0..TIMES {
        let id = customer.order("pm_card_authenticationRequired").await;
        let (payment, reference) = customer.asked(&id).await;
        shop.fault(Operation::Authenticate, Effect::DuplicateWebhook);
        shop.authenticate(&reference).await;
        tokio::join!(complete(&customer, &id, &payment), complete(&customer, &id, &payment));
        ids.push(id);
    }
    check(&shop, &ids).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_who_calls_off_while_the_bank_says_yes_pays_nothing_in_the_end() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    for _ in 0..20 {
        let id = customer.order("pm_card_authenticationRequired").await;
        let (payment, reference) = customer.asked(&id).await;
        shop.authenticate(&reference).await;
        let path = format!("/v1/orders/{id}:cancel");
        let ((), answer) =
            tokio::join!(complete(&customer, &id, &payment), customer.post(&path, None, json!(null)));
        assert_eq!(answer.status, 202, "{}", answer.text);
        shop.until(&id, "cancelled").await;
    }
    shop.audit().await;
}
