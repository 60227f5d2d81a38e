//! Many who want the same things at once: nothing is sold twice, nobody waits in a circle, and nothing stays reserved.

use futures::future::join_all;
use tokio::time::{Instant, timeout};
use tonic::{Code, Status};
use uuid::Uuid;

use super::shop::{Answer, Caller, PATIENCE, Shop, reference, reserve, start, start_with};

/// Does something again while the service is too busy for it, as those do who ask it: nothing has a second effect. That others
/// were in the way (a deadlock) is something else.
async fn insist<T, F: Future<Output = Result<T, Status>>>(mut ask: impl FnMut() -> F) -> Result<T, Status> {
    let until = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Err(status) if status.code() == Code::Unavailable && Instant::now() < until => {}
            answer => return answer,
        }
    }
}

/// The same over HTTP.
async fn insist_on(ask: impl AsyncFn() -> Answer) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if answer.status != 503 || Instant::now() >= until {
            return answer;
        }
    }
}

/// Reserves, and tells whether it was done. Nothing but too little stock may be in the way.
async fn try_reserve(orders: Caller, id: Uuid, lines: &[(&str, i32)]) -> bool {
    let ask = || {
        let (mut orders, request) = (orders.clone(), reserve(id, lines, 600));
        async move { orders.reserve(request).await }
    };
    match insist(ask).await {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(status.code(), Code::FailedPrecondition, "{status}");
            false
        }
    }
}

async fn commit(orders: &Caller, id: Uuid) -> Result<(), Status> {
    let ask = || {
        let mut orders = orders.clone();
        async move { orders.commit(reference(id)).await }
    };
    insist(ask).await.map(drop)
}

async fn release(orders: &Caller, id: Uuid) -> Result<(), Status> {
    let ask = || {
        let mut orders = orders.clone();
        async move { orders.release(reference(id)).await }
    };
    insist(ask).await.map(drop)
}

async fn deadlocks(shop: &Shop) -> i64 {
    sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
        .fetch_one(&shop.pool)
        .await
        .unwrap()
}

async fn lay_out(shop: &Shop, sku: &str, buckets: i16) {
    let path = format!("/v1/variants/{sku}/stock/layout");
    let body = serde_json::json!({ "buckets": buckets });
    insist_on(async || shop.keep("PUT", &path, &[], body.clone()).await).await.is(204);
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
        let (orders, id) = (orders.clone(), Uuid::now_v7());
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
                0 => commit(&orders, id).await.unwrap(),
                1 => release(&orders, id).await.unwrap(),
                2 => {
                    commit(&orders, id).await.unwrap();
                    release(&orders, id).await.unwrap();
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
        let key = format!("count-{number}");
        insist_on(async || shop.adjust(sku, 2, &key).await).await.is(200);
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
        let orders = orders.clone();
        async move {
            if number % 2 == 0 {
                // It may have been released before.
                let _is_over = commit(&orders, id).await.is_err();
            } else {
                release(&orders, id).await.unwrap();
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
    let orders = shop.orders().await;
    let mut committed = 0;
    for number in 0..60_i32 {
        let id = Uuid::now_v7();
        assert!(try_reserve(orders.clone(), id, &[("HOT", 1)]).await);
        // The first is over before, the second is not, and the others are at about the time of the commit.
        let left = match number {
            0 => -1,
            1 => 3_600_000,
            _ => number % 12,
        };
        sqlx::query("update product.reservations set expires_at = clock_timestamp() + make_interval(secs => $2) where id = $1")
            .bind(id)
            .bind(f64::from(left) / 1_000.0)
            .execute(&shop.pool)
            .await
            .unwrap();
        let is_committed = match commit(&orders, id).await {
            Ok(()) => true,
            Err(status) => {
                assert_eq!(status.code(), Code::FailedPrecondition);
                false
            }
        };
        assert!(number > 1 || is_committed == (number == 1));
        committed += i64::from(is_committed);
    }
    shop.until("all are settled", async || shop.stock("HOT").await == (200 - committed, 0)).await;
    shop.check_stock().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_who_read_at_once_are_each_told_of_their_own_and_as_it_is_now() {
    let shop = start().await;
    let mut known = Vec::new();
    for number in 0..12 {
        let (slug, sku) = (format!("mug-{number}"), format!("MUG-{number}"));
        known.push(shop.sell(&slug, &slug, &[(&sku, 500, 3)]).await.id());
    }
    let draft =
        serde_json::json!({ "slug": "draft", "name": "Not yet sold", "status": "draft", "variants": [] });
    let draft = shop.keep("POST", "/v1/products", &[], draft).await.is(201).id();
    for version in 1..4 {
        let all = (0..200).map(|turn| {
            let (shop, known) = (&shop, &known);
            async move {
                let number = turn % 15;
                let id =
                    known.get(number).copied().unwrap_or(if number == 12 { draft } else { Uuid::now_v7() });
                let answer = shop.get(&format!("/v1/products/{id}")).await;
                if number >= 12 {
                    return answer.problem(404, "not_found");
                }
                let answer = answer.is(200);
                assert_eq!((answer.id(), &answer.body["slug"]), (id, &format!("mug-{number}").into()));
                assert_eq!(answer.header("etag"), format!("\"v{version}\""), "{}", answer.body);
                assert_eq!(answer.body["variants"][0]["sku"], format!("MUG-{number}"));
            }
        });
        join_all(all).await;
        for id in &known {
            let (path, tag) = (format!("/v1/products/{id}"), format!("\"v{version}\""));
            let name = serde_json::json!({ "name": format!("Mug of version {version}") });
            shop.keep("PATCH", &path, &[("if-match", &tag)], name).await.is(200);
        }
    }
}
