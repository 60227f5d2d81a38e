//! What has to be so of all orders, when nothing is under way.

use std::time::Duration;

use flotilla_order_service::domain::order::Status;
use flotilla_paysim::ledger::Movement;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::shop::{PATIENCE, Shop};

impl Shop {
    /// Waits until all sagas are done and nothing is to be given back.
    pub(crate) async fn settled(&self) {
        let settled = async {
            loop {
                let sql = "select (select count(*) from orders.sagas where step <> 'done')
                               + (select count(*) from orders.refunds where status = 'requested')
                               + (select count(*) from orders.payments where is_stray and reference is not null)";
                let open: i64 = sqlx::query_scalar(sql).fetch_one(&self.pool).await.unwrap();
                if open == 0 {
                    return;
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        timeout(PATIENCE, settled).await.expect("something is never done");
    }

    /// The invariants of all orders (I1 to I4, I6, I9, I11), when nothing is under way.
    pub(crate) async fn audit(&self) {
        self.settled().await;
        let ledger = self.ledger();
        let rows: Vec<(Uuid, String, i64, i64)> =
            sqlx::query_as("select id, status, total_minor, refunded_minor from orders.orders")
                .fetch_all(&self.pool)
                .await
                .unwrap();
        for (id, status, total, refunded) in &rows {
            let intents: Vec<_> = ledger
                .intents
                .values()
                .filter(|intent| intent.metadata["order_id"] == id.to_string())
                .map(|intent| intent.id.clone())
                .collect();
            let sum = |movement: Movement| -> (usize, i64) {
                let of = |entry: &&flotilla_paysim::ledger::Entry| {
                    entry.movement == movement && intents.contains(&entry.payment_intent)
                };
                let amounts: Vec<_> = ledger.entries.iter().filter(of).map(|entry| entry.amount).collect();
                (amounts.len(), amounts.iter().sum())
            };
            let ((times, captured), (_, given_back)) = (sum(Movement::Capture), sum(Movement::Refund));
            assert!(times <= 1, "{id} was charged {times} times");
            assert_eq!(given_back, *refunded, "{id}: refunds");
            match status.as_str() {
                "paid" | "shipped" | "completed" => assert_eq!(captured, *total, "{id}: captured"),
                "cancelled" | "expired" | "rejected" | "payment_failed" => {
                    assert_eq!(captured, given_back, "{id} is {status} and keeps money");
                }
                other => panic!("{id} is {other}, and nothing is under way"),
            }
            if status != "payment_failed" {
                let ((_, held), (_, freed)) = (sum(Movement::Authorize), sum(Movement::Void));
                assert_eq!(held, captured + freed, "{id} holds money");
            }
            self.check_history(*id).await;
        }
        let unbalanced: i64 = sqlx::query_scalar(
            "select count(*) from (select cause from orders.ledger_entries group by cause having sum(amount_minor) <> 0) x",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        assert_eq!(unbalanced, 0);
        let books: Option<i64> = sqlx::query_scalar(
            "select sum(amount_minor)::bigint from orders.ledger_entries where account = 'assets:provider'",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap();
        let of = |movement| self.moved(movement).iter().sum::<i64>();
        assert_eq!(books.unwrap_or(0), of(Movement::Capture) - of(Movement::Refund), "the books");
        // What is kept is kept for somebody.
        let active: i64 =
            sqlx::query_scalar("select count(*) from product.reservations where state = 'active'")
                .fetch_one(&self.products)
                .await
                .unwrap();
        assert_eq!(active, 0, "stock is kept for nobody");
    }

    /// Its audit is a path of the table, and its versions have no gaps.
    async fn check_history(&self, id: Uuid) {
        let rows: Vec<(i64, Option<String>, String)> = sqlx::query_as(
            "select version, from_status, to_status from orders.order_events where order_id = $1 order by version",
        )
        .bind(id)
        .fetch_all(&self.pool)
        .await
        .unwrap();
        let mut last: Option<Status> = None;
        for (expected, (version, from, to)) in (1..).zip(&rows) {
            assert_eq!(*version, expected, "{id} has a gap");
            let to: Status = to.parse().unwrap();
            match last {
                None => assert_eq!((from, to), (&None, Status::Pending)),
                Some(last) => {
                    assert_eq!(from.as_deref(), Some(last.as_str()), "{id} version {version}");
                    assert!(last == to || last.become_(to).is_ok(), "{id}: {last} became {to}");
                }
            }
            last = Some(to);
        }
    }

    /// How often something was told of an order.
    pub(crate) async fn told(&self, id: &str, kind: &str) -> i64 {
        sqlx::query_scalar("select count(*) from messaging.outbox where key = $1 and kind = $2")
            .bind(id)
            .bind(kind)
            .fetch_one(&self.pool)
            .await
            .unwrap()
    }
}
