//! Many who want the same things at once: nothing is sold twice, nobody waits in a circle, and nothing stays reserved.

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{sleep, timeout};
use tonic::Code;
use uuid::Uuid;

use super::shop::{Caller, PATIENCE, Shop, reference, reserve, start, start_with};

/// Reserves, and tells whether it was done. Nothing but too little stock may be in the way.
async fn try_reserve(mut orders: Caller, id: Uuid, lines: &[(&str, i32)]) -> bool {
    match orders.reserve(reserve(id, lines, 600)).await {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
            false
        }
    }
}

async fn deadlocks(shop: &Shop) -> i64 {
    sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
        .fetch_one(&shop.pool)
        .await
        .unwrap()
}

async fn lay_out(shop: &Shop, sku: &str, buckets: i16) {
    let path = format!("/v1/variants/{sku}/stock/layout");
    shop.keep("PUT", &path, &[], serde_json::json!({ "buckets": buckets })).await.is(204);
}

async fn everybody_wants_one(shop: &Shop, stock: usize, people: usize) {
    let orders = shop.orders().await;
    let all = (0..people).map(|_| {
        let orders = orders.clone();
        tokio::spawn(async move { try_reserve(orders, Uuid::now_v7(), &[("HOT", 1)]).await })
    });
    let got = join_all(all).await.into_iter().filter(|got| *got.as_ref().unwrap()).count();
    assert_eq!(got, stock, "exactly what there is was sold");
    let stock = i64::try_from(stock).unwrap();
    assert_eq!(shop.stock("HOT").await, (stock, stock));
    shop.check_stock().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_one_hot_sku_exactly_what_there_is_is_sold() {
    let shop = start().await;
    shop.sell("hot", "Hot", &[("HOT", 100, 60)]).await;
    everybody_wants_one(&shop, 60, 200).await;
    assert_eq!(deadlocks(&shop).await, 0);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_when_it_is_in_many_rows() {
    let shop = start().await;
    shop.sell("hot", "Hot", &[("HOT", 100, 60)]).await;
    lay_out(&shop, "HOT", 8).await;
    everybody_wants_one(&shop, 60, 200).await;
    assert_eq!(deadlocks(&shop).await, 0);
    shop.stop().await;
}

/// Orders of many things in every order, some of which end in each way, while stock is counted and laid out anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn orders_of_the_same_things_in_any_order_end_without_a_deadlock() {
    const SKUS: [&str; 6] = ["A", "B", "C", "D", "E", "F"];
    let shop = start_with(20).await;
    for sku in SKUS {
        shop.sell(&sku.to_lowercase(), sku, &[(sku, 100, 40)]).await;
    }
    lay_out(&shop, "B", 4).await;
    lay_out(&shop, "E", 4).await;
    let orders = shop.orders().await;
    let people = (0..160_usize).map(|person| {
        let (mut orders, id) = (orders.clone(), Uuid::now_v7());
        tokio::spawn(async move {
            let mut lines: Vec<_> = (0..4)
                .map(|line| {
                    (SKUS[(person * 5 + line * (1 + person % 5)) % 6], 1 + i32::try_from(line).unwrap() % 3)
                })
                .collect();
            if person % 2 == 0 {
                lines.reverse();
            }
            if !try_reserve(orders.clone(), id, &lines).await {
                return 0;
            }
            match person % 4 {
                0 => drop(orders.commit(reference(id)).await.unwrap()),
                1 => drop(orders.release(reference(id)).await.unwrap()),
                2 => {
                    drop(orders.commit(reference(id)).await.unwrap());
                    drop(orders.release(reference(id)).await.unwrap());
                }
                // Nobody settles it.
                _ => {}
            }
            1
        })
    });
    let people: Vec<_> = people.collect();
    for number in 0..10 {
        let sku = SKUS[number % 6];
        shop.adjust(sku, 2, &format!("count-{number}")).await.is(200);
        lay_out(&shop, "B", 1 + i16::try_from(number).unwrap() % 5).await;
    }
    let reserved: i32 =
        timeout(PATIENCE, join_all(people)).await.unwrap().into_iter().map(Result::unwrap).sum();
    assert!(reserved > 20, "{reserved}");
    shop.check_stock().await;
    assert_eq!(deadlocks(&shop).await, 0);

    // After their time nothing is reserved (I6), and what is there is what came in less what was sold.
    sqlx::query("update product.reservations set expires_at = now() where state = 'active'")
        .execute(&shop.pool)
        .await
        .unwrap();
    shop.until("nothing is reserved", async || {
        let reserved: i64 = sqlx::query_scalar("select sum(reserved)::bigint from product.stock")
            .fetch_one(&shop.pool)
            .await
            .unwrap();
        reserved == 0
    })
    .await;
    shop.check_stock().await;
    let (sold, left): (i64, i64) = sqlx::query_as(
        "select (select coalesce(sum(quantity), 0)::bigint from product.reservation_lines
                 join product.reservations on id = reservation_id where state = 'committed'),
             (select sum(on_hand)::bigint from product.stock)",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(sold + left, 6 * 40 + 10 * 2);
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_reservation_that_is_asked_for_many_times_at_once_is_made_once() {
    let shop = start().await;
    shop.sell("hot", "Hot", &[("HOT", 100, 60)]).await;
    let (orders, id) = (shop.orders().await, Uuid::now_v7());
    let all = (0..24).map(|_| try_reserve(orders.clone(), id, &[("HOT", 2)]));
    assert!(join_all(all).await.into_iter().all(|got| got));
    assert_eq!(shop.stock("HOT").await, (60, 2));
    let settled = (0..24).map(|number| {
        let mut orders = orders.clone();
        async move {
            if number % 2 == 0 {
                orders.commit(reference(id)).await.is_ok()
            } else {
                orders.release(reference(id)).await.is_ok()
            }
        }
    });
    join_all(settled).await;
    // However they came, it has been released in the end.
    assert_eq!(shop.stock("HOT").await, (60, 0));
    shop.check_stock().await;
    shop.stop().await;
}

/// Commit and expiry at the same moment: one of them wins, and both say which.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_is_committed_or_expires_and_never_both() {
    let shop = start_with(10).await;
    shop.sell("hot", "Hot", &[("HOT", 100, 200)]).await;
    let mut orders = shop.orders().await;
    let mut committed = 0;
    for number in 0..60_u64 {
        let id = Uuid::now_v7();
        assert!(try_reserve(orders.clone(), id, &[("HOT", 1)]).await);
        sqlx::query("update product.reservations set expires_at = clock_timestamp() + interval '8 milliseconds' where id = $1")
            .bind(id)
            .execute(&shop.pool)
            .await
            .unwrap();
        sleep(Duration::from_millis(number % 12)).await;
        match orders.commit(reference(id)).await {
            Ok(_) => committed += 1,
            Err(status) => assert_eq!(status.code(), Code::FailedPrecondition),
        }
    }
    shop.until("all are settled", async || shop.stock("HOT").await == (200 - committed, 0)).await;
    assert!(committed > 0 && committed < 60, "{committed}");
    shop.check_stock().await;
    shop.stop().await;
}
