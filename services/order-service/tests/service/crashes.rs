//! Whoever works on a saga stops at each point of it, and somebody else goes on once the lease has ended: as after the end of a
//! process, what was asked of others has had its effect, and what was not committed has none.

use flotilla_paysim::ledger::Movement;
use serde_json::Value;
use tokio::time::timeout;

use crate::shop::{PATIENCE, Shop, TOTAL};

/// On the way forth.
pub(crate) const FORTH: [&str; 18] = [
    "reserve.begun",
    "reserve.called",
    "reserve.written",
    "create_intent.begun",
    "create_intent.key_written",
    "create_intent.called",
    "create_intent.written",
    "authorize.begun",
    "authorize.key_written",
    "authorize.called",
    "authorize.written",
    "commit.begun",
    "commit.called",
    "commit.written",
    "capture.begun",
    "capture.key_written",
    "capture.called",
    "capture.written",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_paid_once_wherever_its_worker_stops() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let mut ids = Vec::new();
    for point in FORTH {
        shop.failpoints.arm(point);
        let first = customer.place(point, "pm_card_visa").await;
        assert_eq!(first.status, 202, "{}", first.text);
        timeout(PATIENCE, shop.failpoints.reached())
            .await
            .unwrap_or_else(|_| panic!("{point} is never reached"));
        let id = first.json()["id"].as_str().unwrap().to_owned();
        shop.until(&id, "paid").await;
        // One order for its key, and the same answer.
        assert_eq!(customer.place(point, "pm_card_visa").await.text, first.text, "{point}");
        assert_eq!(shop.told(&id, "shop.order.paid.v1").await, 1, "{point}");
        ids.push(id);
        assert_eq!(shop.moved(Movement::Capture), vec![TOTAL; ids.len()], "{point}");
    }
    shop.audit().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_order_is_undone_wherever_its_worker_stops() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    // One whose money is held, and one whose money is taken.
    for point in ["undo.begun", "undo.key_written", "undo.called", "undo.written"] {
        let id = customer.order("pm_card_authenticationRequired").await;
        customer.payment(&id).await;
        shop.failpoints.arm(point);
        customer.post(&format!("/v1/orders/{id}:cancel"), None, Value::Null).await;
        timeout(PATIENCE, shop.failpoints.reached())
            .await
            .unwrap_or_else(|_| panic!("{point} is never reached"));
        shop.until(&id, "cancelled").await;
    }
    for point in ["undo.begun", "refund.begun", "refund.called", "undo.called", "undo.written"] {
        let id = customer.order("pm_card_visa").await;
        shop.until(&id, "paid").await;
        shop.failpoints.arm(point);
        customer.post(&format!("/v1/orders/{id}:cancel"), None, Value::Null).await;
        timeout(PATIENCE, shop.failpoints.reached())
            .await
            .unwrap_or_else(|_| panic!("{point} is never reached"));
        shop.until(&id, "cancelled").await;
    }
    shop.audit().await;
    assert_eq!(shop.moved(Movement::Refund), vec![TOTAL; 5]);
}
