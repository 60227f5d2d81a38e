//! What the database and the store refuse, whoever asks for it.

use flotilla_order_service::store::{self, orders, payments, refunds, sagas};
use flotilla_paysim::ledger::Movement;
use serde_json::json;
use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::shop::{Shop, TOTAL};

async fn paid(shop: &Shop) -> Uuid {
    let id = shop.customer().order("pm_card_visa").await;
    shop.until(&id, "paid").await;
    shop.settled().await;
    id.parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_an_order_that_was_changed_in_between_is_refused() {
    let shop = Shop::start().await;
    let id = paid(&shop).await;
    let mut first = shop.pool.begin().await.unwrap();
    let mut order = orders::lock(&mut first, id).await.unwrap().unwrap();
    let mut stale = order.clone();
    // Whoever comes second waits for the row.
    let mut second = shop.pool.begin().await.unwrap();
    sqlx::raw_sql("set local lock_timeout = '100ms'").execute(&mut *second).await.unwrap();
    assert!(orders::lock(&mut second, id).await.is_err(), "an order is had by two");
    drop(second);
    orders::change(&mut first, &mut order, "looked_at", None, &json!({}), "test").await.unwrap();
    first.commit().await.unwrap();
    let mut third = shop.pool.begin().await.unwrap();
    let refused = orders::change(&mut third, &mut stale, "looked_at", None, &json!({}), "test").await;
    assert!(matches!(refused, Err(store::Error::Stale(of)) if of == id), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_a_saga_no_longer_writes_nothing_of_it() {
    let shop = Shop::without_orders().await;
    let (id, payment) = (Uuid::now_v7(), Uuid::now_v7());
    let mut transaction = shop.pool.begin().await.unwrap();
    let new = orders::NewOrder {
        id,
        user_id: Uuid::now_v7(),
        currency: "EUR",
        total_minor: TOTAL,
        payment_id: payment,
        ship_to: None,
        lines: &[],
    };
    orders::create(&mut transaction, &new).await.unwrap();
    payments::create(&mut transaction, payment, id, "paysim", "pm_card_visa", (TOTAL, "EUR")).await.unwrap();
    sagas::begin(&mut transaction, id, 60.0).await.unwrap();
    transaction.commit().await.unwrap();
    let claim = async |seconds| sagas::claim(&shop.pool, Uuid::now_v7(), seconds, 10).await.unwrap();
    let first = claim(60.0).await;
    assert_eq!(first.len(), 1);
    assert!(claim(60.0).await.is_empty(), "two have one saga");
    // Its time is over, which the test does not wait for.
    let over = "update orders.sagas set lease_until = now() - interval '1 second'";
    sqlx::query(over).execute(&shop.pool).await.unwrap();
    let second = claim(60.0).await;
    assert_eq!(second.len(), 1);
    let write = async |leased: &sagas::Leased| {
        let mut transaction = shop.pool.begin().await.unwrap();
        orders::lock(&mut transaction, id).await.unwrap();
        let written = sagas::write(&mut transaction, leased, 60.0).await.unwrap();
        transaction.commit().await.unwrap();
        written
    };
    assert!(!write(&first[0]).await);
    assert!(write(&second[0]).await);
    // Nor does it give away what is somebody else's.
    sagas::give_back(&shop.pool, &first[0], 0.0, None).await.unwrap();
    assert!(claim(60.0).await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn books_that_do_not_balance_are_not_written_and_what_is_written_stays() {
    let shop = Shop::start().await;
    let id = paid(&shop).await;
    let entry = |cause: &str, account: &str, minor: i64, currency: &str| {
        format!(
            "insert into orders.ledger_entries (cause, account, order_id, amount_minor, currency)
             values ('{cause}', '{account}', '{id}', {minor}, '{currency}');"
        )
    };
    let pair = |of: (&str, i64, &str), and: (&str, i64, &str)| {
        format!("begin; {} {} commit;", entry("test", of.0, of.1, of.2), entry("test", and.0, and.1, and.2))
    };
    let bad = [
        format!("begin; {} commit;", entry("test", "assets:provider", 5, "EUR")),
        pair(("assets:provider", 5, "EUR"), ("income:sales", -4, "EUR")),
        pair(("assets:provider", 5, "EUR"), ("income:sales", -5, "USD")),
        pair(("assets:provider", 5, "EUR"), ("assets:provider", -5, "EUR")),
        "update orders.ledger_entries set amount_minor = 1;".to_owned(),
        "delete from orders.ledger_entries;".to_owned(),
        "truncate orders.ledger_entries;".to_owned(),
        "update orders.order_events set actor = 'nobody';".to_owned(),
        "delete from orders.order_events;".to_owned(),
        "truncate orders.order_events;".to_owned(),
        format!("update orders.orders set refunded_minor = {};", TOTAL + 1),
        format!("update orders.payments set captured_minor = {};", TOTAL + 1),
        format!("update orders.payments set refunded_minor = {};", TOTAL + 1),
    ];
    for sql in bad {
        let mut connection = shop.pool.sqlx().acquire().await.unwrap().detach();
        assert!(sqlx::raw_sql(AssertSqlSafe(sql.clone())).execute(&mut connection).await.is_err(), "{sql}");
    }
    let good = pair(("assets:provider", 5, "EUR"), ("income:sales", -5, "EUR"));
    sqlx::raw_sql(AssertSqlSafe(good)).execute(&shop.pool).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refund_that_was_thought_to_have_failed_is_in_the_books_once_it_is_known() {
    let shop = Shop::start().await;
    let id = paid(&shop).await;
    let mut transaction = shop.pool.begin().await.unwrap();
    let mut order = orders::lock(&mut transaction, id).await.unwrap().unwrap();
    let refund = refunds::Refund {
        id: Uuid::now_v7(),
        order_id: id,
        payment_id: order.payment_id,
        amount_minor: 1_000,
        reason: "one was torn".to_owned(),
        status: String::new(),
        reference: None,
        attempt: 0,
    };
    refunds::request(&mut transaction, &mut order, &refund, "test").await.unwrap();
    for (outcome, refunded) in [
        (Err("provider_failed"), 0),
        (Ok("re_1"), 1_000),
        (Err("provider_failed"), 1_000),
        (Ok("re_1"), 1_000),
    ] {
        refunds::apply(&mut transaction, id, refund.id, outcome, "test").await.unwrap();
        let payment = payments::of_locked(&mut transaction, order.payment_id).await.unwrap().unwrap();
        assert_eq!(payment.known.refunded_minor, refunded, "{outcome:?}");
    }
    let entries: i64 =
        sqlx::query_scalar("select count(*) from orders.ledger_entries where cause = 'refund:' || $1::text")
            .bind(refund.id)
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
    assert_eq!(entries, 2);
    // More than was taken is refused as a whole.
    let more = refunds::Refund { id: Uuid::now_v7(), amount_minor: TOTAL, ..refund };
    let mut order = orders::lock(&mut transaction, id).await.unwrap().unwrap();
    refunds::request(&mut transaction, &mut order, &more, "test").await.unwrap();
    let refused = refunds::apply(&mut transaction, id, more.id, Ok("re_2"), "test").await;
    assert!(matches!(refused, Err(store::Error::Excess(of)) if of == more.id), "{refused:?}");
    drop(transaction);
    assert!(shop.moved(Movement::Refund).is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_needs_any_more_is_forgotten_and_nothing_else() {
    let shop = Shop::start().await;
    let customer = shop.customer();
    let mut carts = Vec::new();
    for _ in 0..2 {
        let cart = customer.post("/v1/carts", None, json!({ "currency": "EUR" })).await.json();
        carts.push(cart["id"].as_str().unwrap().to_owned());
    }
    let put = customer.put(&format!("/v1/carts/{}/items/SHOE", carts[0]), json!({ "quantity": 1 })).await;
    assert_eq!(put.status, 200, "{}", put.text);
    let id = paid(&shop).await;
    let aged = format!(
        "update orders.carts set updated_at = now() - interval '91 days' where id = '{}';
         insert into orders.psp_webhooks (provider, event_id, kind, handled_at)
         values ('paysim', 'evt_old', 'old', now() - interval '91 days'), ('paysim', 'evt_new', 'new', now());",
        carts[0]
    );
    sqlx::raw_sql(AssertSqlSafe(aged)).execute(&shop.pool).await.unwrap();
    flotilla_order_service::sweep::all(&shop.pool).await.unwrap();
    assert_eq!(customer.get(&format!("/v1/carts/{}", carts[0])).await.status, 404);
    assert_eq!(customer.get(&format!("/v1/carts/{}", carts[1])).await.status, 200);
    let left: Vec<String> = sqlx::query_scalar(
        "select event_id from orders.psp_webhooks where event_id in ('evt_old', 'evt_new')",
    )
    .fetch_all(&shop.pool)
    .await
    .unwrap();
    assert_eq!(left, ["evt_new"]);
    assert!(orders::get(&shop.pool, id).await.unwrap().is_some());
}
