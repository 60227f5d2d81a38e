//! Whatever the provider does wrong: nobody is charged twice, and no order is lost.

use flotilla_paysim::{
    fault::{Effect, Operation},
    ledger::Movement,
};

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
