//! Payments that pay nothing: whatever they hold is given up, and what they took is given back.

use flotilla_paysim::{fault::Operation, ledger::Movement};
use serde_json::{Value, json};

use crate::shop::{Shop, TOTAL};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_card_that_says_yes_after_a_second_was_taken_holds_nothing_in_the_end() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_chargeDeclined").await;
    shop.until(&id, "payment_failed").await;
    let (_, first) = customer.payment(&id).await;
    let path = format!("/v1/orders/{id}/payments");
    let body = json!({ "payment_method": "pm_card_authenticationRequired" });
    assert_eq!(customer.post(&path, Some("second"), body).await.status, 202);
    let (_, second) = customer.asked(&id).await;
    assert_ne!(first, second);
    // In another window, with the provider itself.
    let reference = first.clone();
    let confirm = move |ledger: &mut flotilla_paysim::ledger::Ledger| {
        ledger.confirm(&reference, Some("pm_card_visa".to_owned()), None)
    };
    shop.at_provider(Operation::Confirm, confirm).await;
    shop.authenticate(&second).await;
    shop.until(&id, "paid").await;
    shop.audit().await;
    let ledger = shop.ledger();
    let of = |reference: &str| -> Vec<_> {
        let entries = ledger.entries.iter().filter(|entry| entry.payment_intent == reference);
        entries.map(|entry| entry.movement).collect()
    };
    assert_eq!(of(&first), [Movement::Authorize, Movement::Void]);
    assert_eq!(of(&second), [Movement::Authorize, Movement::Capture]);
    assert_eq!(shop.told(&id, "shop.payment.authorized.v1").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_is_taken_of_a_first_card_is_given_back_and_the_order_is_paid_by_the_second() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_chargeDeclined").await;
    shop.until(&id, "payment_failed").await;
    let (_, first) = customer.payment(&id).await;
    let body = json!({ "payment_method": "pm_card_visa" });
    let answer = customer.post(&format!("/v1/orders/{id}/payments"), Some("second"), body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    shop.until(&id, "paid").await;
    let reference = first.clone();
    let confirm = move |ledger: &mut flotilla_paysim::ledger::Ledger| {
        ledger.confirm(&reference, Some("pm_card_visa".to_owned()), None)?;
        ledger.capture(&reference, None, None)
    };
    shop.at_provider(Operation::Confirm, confirm).await;
    let given_back = async {
        while shop.moved(Movement::Refund).is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        shop.settled().await;
    };
    tokio::time::timeout(crate::shop::PATIENCE, given_back).await.expect("it is never given back");
    assert_eq!(shop.moved(Movement::Refund), [TOTAL]);
    // What was given back was not paid for this order.
    let order = customer.get(&format!("/v1/orders/{id}")).await.json();
    assert_eq!((&order["status"], &order["refunded_minor"]), (&json!("paid"), &json!(0)));
    assert_eq!(shop.told(&id, "shop.order.refunded.v1").await, 0);
    assert_eq!(shop.told(&id, "shop.payment.refunded.v1").await, 1);
    let books: i64 = sqlx::query_scalar(
        "select sum(amount_minor)::bigint from orders.ledger_entries where account = 'assets:provider'",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(books, TOTAL);
    // All of it can still be given back, and no more.
    let refunds = format!("/v1/orders/{id}/refunds");
    let all = shop.admin().post(&refunds, Some("all"), json!({ "reason": "all of it" })).await;
    assert_eq!((all.status, &all.json()["amount_minor"]), (202, &json!(TOTAL)));
    shop.settled().await;
    assert_eq!(shop.moved(Movement::Refund), [TOTAL, TOTAL]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_that_the_provider_does_not_know_may_be_followed_by_another() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("card_of_nobody").await;
    shop.until(&id, "payment_failed").await;
    let order = customer.get(&format!("/v1/orders/{id}")).await.json();
    assert_eq!((&order["reason"], &order["payment_status"]), (&json!("resource_missing"), &json!("failed")));
    let body = json!({ "payment_method": "pm_card_visa" });
    let answer = customer.post(&format!("/v1/orders/{id}/payments"), Some("other"), body).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    shop.until(&id, "paid").await;
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn money_that_cannot_be_given_back_is_left_to_a_person_who_may_try_again() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let id = customer.order("pm_card_visa").await;
    shop.until(&id, "paid").await;
    let fault = flotilla_paysim::fault::Fault {
        operation: Operation::Refund,
        effect: flotilla_paysim::fault::Effect::FailBefore,
        times: 100,
    };
    shop.paysim.faults().add(fault);
    let cancel = format!("/v1/orders/{id}:cancel");
    assert_eq!(customer.post(&cancel, None, Value::Null).await.status, 202);
    shop.until(&id, "needs_review").await;
    // Its stock is back nevertheless, and nobody sends it.
    assert_eq!(shop.on_hand("SHOE").await, (100_000, 0));
    let shipped = shop.admin().post(&format!("/v1/orders/{id}:ship"), None, Value::Null).await;
    assert_eq!(shipped.status, 409);
    assert!(shop.moved(Movement::Refund).is_empty());
    shop.paysim.faults().clear();
    assert_eq!(customer.post(&cancel, None, Value::Null).await.status, 202);
    shop.until(&id, "cancelled").await;
    assert_eq!(shop.moved(Movement::Refund), [TOTAL]);
    shop.audit().await;
}
