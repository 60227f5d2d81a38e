//! What became of orders: read from the database, as whoever places one is answered before it is paid.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use super::stage::Stage;

/// How long orders may take until they are paid, at the end of a load.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is looked.
const PAUSE: Duration = Duration::from_millis(100);

/// Orders that were paid.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Paid {
    pub(super) orders: f64,
    /// Microseconds from when the request was to be sent until half of them were paid.
    pub(super) p50: f64,
    /// The same for 99 of 100.
    pub(super) p99: f64,
}

/// Waits until nothing is on its way any more.
pub(super) fn wait(stage: &Stage) -> Result<()> {
    let begun = Instant::now();
    loop {
        let open = stage.query("orders", "select count(*) from orders.sagas where step <> 'done';")?;
        if open == 0 {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("after {} s, {open} orders are not paid", PATIENCE.as_secs());
        }
        sleep(PAUSE);
    }
}

/// When the orders of a file were paid. Their time is that of the transaction in which they were.
pub(super) fn times(stage: &Stage, made: &Path) -> Result<Paid> {
    let script = format!(
        "create temporary table made (at numeric, id uuid);\n\
         \\copy made from '{}' csv\n\
         select json_build_object('orders', count(*), 'p50', coalesce(percentile_disc(0.5) within group (order by took), 0),\n\
             'p99', coalesce(percentile_disc(0.99) within group (order by took), 0))\n\
         from (select extract(epoch from created_at) * 1000000 - at as took from made\n\
             join orders.order_events on order_id = made.id and kind = 'paid') paid;\n",
        made.display()
    );
    Ok(serde_json::from_value(stage.query("orders", &script)?)?)
}

/// What an order that is paid leaves behind: the same of everybody, or not the same was measured.
const LEFT: [(&str, &str, &str); 2] = [
    (
        "orders",
        "orders that are paid",
        "select json_build_object(
             'orders', (select count(*) from orders.orders),
             'paid', (select count(*) from orders.orders where status = 'paid' and stock = 'committed' and version = 7),
             'events / 7', (select count(*) / 7.0 from orders.order_events),
             'published / 5', (select count(*) / 5.0 from messaging.outbox),
             'captured', (select count(*) from orders.payments where status = 'captured' and captured_minor = amount_minor),
             'keys of requests / 3', (select count(*) / 3.0 from orders.payment_attempts),
             'ledger entries / 2', (select count(*) / 2.0 from orders.ledger_entries),
             'answers kept', (select count(*) from kit.idempotency_keys where status = 202));",
    ),
    (
        "products",
        "reservations that are committed",
        "select json_build_object(
             'reservations', (select count(*) from product.reservations where state = 'committed'),
             'lines / 2', (select count(*) / 2.0 from product.reservation_lines),
             'movements / 4', (select count(*) / 4.0 from product.stock_movements where reservation_id is not null),
             'published / 2', (select count(*) / 2.0 from messaging.outbox where kind like 'shop.stock.reservation.%'));",
    ),
];

/// That all orders left behind what they should.
pub(super) fn check(stage: &Stage) -> Result<()> {
    for (database, what, query) in LEFT {
        let left = stage.query(database, query)?;
        ensure!(is_same(&left), "{what} do not leave the same behind: {left}");
    }
    Ok(())
}

/// Whether all numbers of an object are one.
fn is_same(left: &Value) -> bool {
    let mut numbers = left.as_object().into_iter().flat_map(|left| left.values()).map(Value::as_f64);
    let Some(Some(first)) = numbers.next() else { return false };
    first > 0.0 && numbers.all(|number| number == Some(first))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::is_same;

    #[test]
    fn all_of_it_is_there_once_for_each_order() {
        assert!(is_same(&json!({ "orders": 3, "events / 7": 3.000 })));
        for wrong in [
            json!({ "orders": 3, "events / 7": 2.9 }),
            json!({ "orders": 0 }),
            json!({}),
            json!({ "orders": null }),
        ] {
            assert!(!is_same(&wrong), "{wrong}");
        }
    }
}
