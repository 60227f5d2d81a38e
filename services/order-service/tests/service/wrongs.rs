//! Whatever the provider does wrong: nobody is charged twice, and no order is lost.

use flotilla_kit::Secret;
use flotilla_paysim::{
    fault::{Effect, Fault, Operation},
    ledger::Movement,
    webhook::sign,
};
use jiff::Timestamp;
use serde_json::json;

use crate::shop::{Shop, TOTAL};

const OPERATIONS: [Operation; 3] = [Operation::Create, Operation::Confirm, Operation::Capture];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_paid_once_whatever_goes_wrong_on_the_way() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let effects = [
        Effect::FailBefore,
        Effect::FailAfter,
        Effect::DropAnswer,
        // Longer than this service waits.
        Effect::Slow { milliseconds: 1_300 },
        Effect::SlowAnswer { milliseconds: 1_300 },
        Effect::EarlyWebhook,
        Effect::DuplicateWebhook,
        Effect::LateWebhook { milliseconds: 500 },
        Effect::ReorderWebhooks { count: 2 },
        Effect::LoseWebhook,
    ];
    let mut orders = 0;
    for operation in OPERATIONS {
        for effect in effects {
            shop.fault(operation, effect);
            let id = customer.order("pm_card_visa").await;
            shop.until(&id, "paid").await;
            assert_eq!(shop.told(&id, "shop.order.paid.v1").await, 1, "{operation:?} {effect:?}");
            orders += 1;
            assert_eq!(shop.moved(Movement::Capture).len(), orders, "{operation:?} {effect:?}");
            shop.paysim.faults().clear();
        }
    }
    shop.audit().await;
    assert_eq!(shop.moved(Movement::Capture), vec![TOTAL; orders]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_is_made_once_whatever_goes_wrong() {
    let shop = Shop::start().await;
    let (customer, admin) = (shop.customer(), shop.admin());
    let mut refunds = 0;
    for effect in [
        Effect::FailAfter,
        Effect::DropAnswer,
        Effect::Slow { milliseconds: 1_300 },
        Effect::SlowAnswer { milliseconds: 1_300 },
        Effect::EarlyWebhook,
        Effect::DuplicateWebhook,
    ] {
        let id = customer.order("pm_card_visa").await;
        shop.until(&id, "paid").await;
        shop.fault(Operation::Refund, effect);
        let body = serde_json::json!({ "amount_minor": 1_000, "reason": "one was torn" });
        let answer = admin.post(&format!("/v1/orders/{id}/refunds"), Some(&id), body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        shop.settled().await;
        refunds += 1;
        assert_eq!(shop.moved(Movement::Refund), vec![1_000; refunds], "{effect:?}");
        shop.paysim.faults().clear();
    }
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_customer_told_their_bank_is_found_when_nobody_says_so() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_authenticationRequired").await;
    let (_, reference) = customer.asked(&id).await;
    shop.fault(Operation::Authenticate, Effect::LoseWebhook);
    shop.authenticate(&reference).await;
    shop.until(&id, "paid").await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_had_its_effect_is_not_looked_into_again() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_visa").await;
    shop.until(&id, "paid").await;
    shop.settled().await;
    let (_, reference) = customer.payment(&id).await;
    let secret = Secret::new("whsec_test".to_owned());
    let send = async |event: &str| {
        let object = json!({ "id": reference, "object": "payment_intent" });
        let body = json!({ "id": event, "type": "payment_intent.succeeded", "data": { "object": object } });
        let (body, now) = (body.to_string(), Timestamp::now().as_second());
        let signature = sign(&secret, body.as_bytes(), now);
        let headers = [("stripe-signature", signature.as_str())];
        shop.send("POST", "/v1/webhooks/psp/paysim", None, &headers, body).await.status
    };
    assert_eq!(send("evt_first").await, 204);
    // The provider cannot be asked: what is new has to come again, and what is not need not.
    let fault = Fault { operation: Operation::Read, effect: Effect::FailBefore, times: 100 };
    shop.paysim.faults().add(fault);
    assert_eq!(send("evt_first").await, 204);
    assert_eq!(send("evt_second").await, 503);
    shop.paysim.faults().clear();
    assert_eq!(send("evt_second").await, 204);
    let sql = "select count(*) from orders.psp_webhooks where event_id in ('evt_first', 'evt_second')";
    let noted: i64 = sqlx::query_scalar(sql).fetch_one(&shop.pool).await.unwrap();
    assert_eq!(noted, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn webhooks_that_come_again_and_again_change_nothing() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_visa").await;
    shop.until(&id, "paid").await;
    shop.settled().await;
    let version = customer.get(&format!("/v1/orders/{id}")).await.json()["version"].clone();
    for _ in 0..5 {
        assert!(shop.paysim.webhooks.send_again() >= 3);
    }
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(customer.get(&format!("/v1/orders/{id}")).await.json()["version"], version);
    shop.audit().await;
}
