//! The databases.

use std::collections::BTreeMap;

use sqlx::{Connection, PgConnection};

use crate::history::{
    Delivery, Found, Handled, Happened, LedgerEntry, Line, Movement, Order, Payment, Published, Refund,
    Reservation, Saga, Stock,
};

/// What is under way in each database.
pub(super) const UNDER_WAY: [(&str, &str); 5] = [
    (
        "orders",
        "select (select count(*) from orders.sagas where step <> 'done')
              + (select count(*) from orders.refunds where status = 'requested')
              + (select count(*) from orders.payments where is_stray and reference is not null)
              + (select count(*) from messaging.outbox where published_at is null and refusal is null)",
    ),
    ("products", "select count(*) from messaging.outbox where published_at is null and refusal is null"),
    ("users", "select count(*) from messaging.outbox where published_at is null and refusal is null"),
    (
        "notifications",
        "select (select count(*) from notification.deliveries where state in ('queued', 'sending'))
              + (select count(*) from messaging.outbox where published_at is null and refusal is null)",
    ),
    // With another bus there are none here.
    ("bus", "select count(*) from bus.deliveries"),
];

/// What waits for a later time is due now.
pub(super) const HASTEN: &str =
    "update notification.deliveries set due_at = now() where state = 'queued' and due_at > now()";

/// The same, with what nobody is at any more.
pub(super) const HASTEN_ALL: &str = "update notification.deliveries set due_at = now() where state in ('queued', 'sending') and due_at > now()";

pub(super) async fn count(url: &str, sql: &'static str) -> Result<i64, sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    let exists: bool =
        sqlx::query_scalar("select to_regclass('bus.deliveries') is not null or current_database() <> 'bus'")
            .fetch_one(&mut connection)
            .await?;
    let count = if exists { sqlx::query_scalar(sql).fetch_one(&mut connection).await? } else { 0 };
    connection.close().await?;
    Ok(count)
}

pub(super) async fn run(url: &str, sql: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::query(sql).execute(&mut connection).await?;
    connection.close().await
}

/// Lines by what they are of.
fn grouped(rows: Vec<(String, String, i64, i64)>) -> BTreeMap<String, Vec<Line>> {
    let mut lines = BTreeMap::<String, Vec<Line>>::new();
    for (of, sku, quantity, total) in rows {
        lines.entry(of).or_default().push(Line { sku, quantity, total });
    }
    lines
}

/// Id, key, status, version, total, refunded, payment.
type OrderRow = (String, Option<String>, String, i64, i64, i64, String);

/// Of which order, the version that it made, from what, to what, what the payment is, who.
type HappenedRow = (String, i64, Option<String>, String, Option<String>, String);

pub(super) async fn orders(found: &mut Found, url: &str) -> Result<(), sqlx::Error> {
    let mut db = PgConnection::connect(url).await?;
    let lines = sqlx::query_as(
        "select order_id::text, sku, quantity::bigint, total_minor from orders.order_lines order by position",
    );
    let mut lines = grouped(lines.fetch_all(&mut db).await?);
    let orders: Vec<OrderRow> = sqlx::query_as(
        "select id::text, ship_to ->> 'key', status, version, total_minor, refunded_minor, payment_id::text
         from orders.orders order by id",
    )
    .fetch_all(&mut db)
    .await?;
    found.orders = orders
        .into_iter()
        .map(|(id, key, status, version, total, refunded, payment)| {
            let lines = lines.remove(&id).unwrap_or_default();
            Order { id, key, status, version, total, refunded, payment, lines }
        })
        .collect();
    let happened: Vec<HappenedRow> = sqlx::query_as(
        "select order_id::text, version, from_status, to_status, data ->> 'payment_status', actor
         from orders.order_events order by order_id, version",
    )
    .fetch_all(&mut db)
    .await?;
    found.happened = happened
        .into_iter()
        .map(|(order, version, from, to, payment, actor)| Happened {
            order,
            version,
            from,
            to,
            payment,
            actor,
        })
        .collect();
    let payments: Vec<(String, String, Option<String>, i64, i64, bool)> = sqlx::query_as(
        "select id::text, order_id::text, reference, captured_minor, refunded_minor, is_stray from orders.payments",
    )
    .fetch_all(&mut db)
    .await?;
    found.payments = payments
        .into_iter()
        .map(|(id, order, reference, captured, refunded, is_stray)| Payment {
            id,
            order,
            reference,
            captured,
            refunded,
            is_stray,
        })
        .collect();
    let refunds: Vec<(String, String, String)> =
        sqlx::query_as("select id::text, order_id::text, status from orders.refunds")
            .fetch_all(&mut db)
            .await?;
    found.refunds = refunds.into_iter().map(|(id, order, status)| Refund { id, order, status }).collect();
    let ledger: Vec<(String, String, String, i64)> =
        sqlx::query_as("select cause, account, order_id::text, amount_minor from orders.ledger_entries")
            .fetch_all(&mut db)
            .await?;
    found.ledger = ledger
        .into_iter()
        .map(|(cause, account, order, amount)| LedgerEntry { cause, account, order, amount })
        .collect();
    let sagas: Vec<(String, String, Option<String>)> =
        sqlx::query_as("select order_id::text, step, last_error from orders.sagas where step <> 'done'")
            .fetch_all(&mut db)
            .await?;
    found.sagas = sagas.into_iter().map(|(order, step, error)| Saga { order, step, error }).collect();
    db.close().await
}

pub(super) async fn stock(found: &mut Found, url: &str) -> Result<(), sqlx::Error> {
    let mut db = PgConnection::connect(url).await?;
    let stock: Vec<(String, i64, i64, i64)> =
        sqlx::query_as("select sku, bucket::bigint, on_hand, reserved from product.stock")
            .fetch_all(&mut db)
            .await?;
    found.stock = stock
        .into_iter()
        .map(|(sku, bucket, on_hand, reserved)| Stock { sku, bucket, on_hand, reserved })
        .collect();
    let lines = sqlx::query_as(
        "select reservation_id::text, sku, quantity, 0::bigint from product.reservation_lines order by sku",
    );
    let mut lines = grouped(lines.fetch_all(&mut db).await?);
    let reservations: Vec<(String, String)> =
        sqlx::query_as("select id::text, state from product.reservations").fetch_all(&mut db).await?;
    found.reservations = reservations
        .into_iter()
        .map(|(id, state)| {
            let lines = lines.remove(&id).unwrap_or_default();
            Reservation { id, state, lines }
        })
        .collect();
    // Of one row of stock they are in the order of its changes: whoever writes one holds the row.
    let movements: Vec<(String, i64, String, i64, i64)> = sqlx::query_as(
        "select sku, bucket::bigint, kind, on_hand_delta, reserved_delta from product.stock_movements order by id",
    )
    .fetch_all(&mut db)
    .await?;
    found.movements = movements
        .into_iter()
        .map(|(sku, bucket, kind, on_hand, reserved)| Movement { sku, bucket, kind, on_hand, reserved })
        .collect();
    db.close().await
}

pub(super) async fn deliveries(found: &mut Found, url: &str) -> Result<(), sqlx::Error> {
    let mut db = PgConnection::connect(url).await?;
    let deliveries: Vec<(String, String, String, String)> = sqlx::query_as(
        "select delivery.id::text, state, template, subject from notification.deliveries as delivery
         join notification.notifications on notifications.id = notification_id",
    )
    .fetch_all(&mut db)
    .await?;
    found.deliveries = deliveries
        .into_iter()
        .map(|(id, state, template, subject)| Delivery { id, state, template, subject })
        .collect();
    db.close().await
}

pub(super) async fn messages(found: &mut Found, url: &str) -> Result<(), sqlx::Error> {
    let mut db = PgConnection::connect(url).await?;
    let outbox: Vec<(String, String, bool, Option<String>)> =
        sqlx::query_as("select id::text, kind, published_at is not null, refusal from messaging.outbox")
            .fetch_all(&mut db)
            .await?;
    found.outbox.extend(outbox.into_iter().map(|(id, kind, is_published, refusal)| Published {
        id,
        kind,
        is_published,
        refusal,
    }));
    let inbox: Vec<(String, String)> =
        sqlx::query_as("select consumer, id::text from messaging.inbox").fetch_all(&mut db).await?;
    found.inbox.extend(inbox.into_iter().map(|(consumer, id)| Handled { consumer, id }));
    db.close().await
}
