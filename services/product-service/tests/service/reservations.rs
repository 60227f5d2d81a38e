//! Reservations by gRPC.

use std::time::Duration;

use flotilla_proto::product::{
    GetVariantsRequest, Line, QuoteRequest, ReservationState, WatchStockRequest,
    products_client::ProductsClient,
};
use tokio::time::timeout;
use tonic::{Code, Request};
use tonic_types::StatusExt;
use uuid::Uuid;

use super::shop::{PATIENCE, Shop, reference, reserve, start, start_with};

async fn filled() -> Shop {
    let shop = start().await;
    shop.sell("mug", "Mug", &[("MUG", 900, 5)]).await;
    shop.sell("cup", "Cup", &[("CUP", 700, 5), ("CUP-XL", 1_000, 1)]).await;
    shop
}

fn state(reservation: &flotilla_proto::product::Reservation) -> ReservationState {
    reservation.state()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stock_is_kept_then_taken_and_each_step_is_done_once() {
    let shop = filled().await;
    let mut orders = shop.orders().await;
    let id = Uuid::now_v7();
    let wanted = reserve(id, &[("MUG", 2), ("CUP", 1), ("MUG", 1)], 60);
    let first = orders.reserve(wanted.clone()).await.unwrap().into_inner();
    assert_eq!(state(&first), ReservationState::Active);
    let line = |sku: &str, quantity| Line { sku: sku.to_owned(), quantity };
    assert_eq!(first.lines, [line("CUP", 1), line("MUG", 3)]);
    assert_eq!((shop.stock("MUG").await, shop.stock("CUP").await), ((5, 3), (5, 1)));
    assert_eq!(orders.reserve(wanted).await.unwrap().into_inner(), first);
    assert_eq!(shop.stock("MUG").await, (5, 3));
    let other = orders.reserve(reserve(id, &[("MUG", 1)], 60)).await.unwrap_err();
    assert_eq!(other.code(), Code::AlreadyExists);
    for _ in 0..2 {
        let committed = orders.commit(reference(id)).await.unwrap().into_inner();
        assert_eq!(state(&committed), ReservationState::Committed);
        assert_eq!((shop.stock("MUG").await, shop.stock("CUP").await), ((2, 0), (4, 0)));
    }
    // Of a committed one it is a return.
    for _ in 0..2 {
        let released = orders.release(reference(id)).await.unwrap().into_inner();
        assert_eq!(state(&released), ReservationState::Released);
        assert_eq!((shop.stock("MUG").await, shop.stock("CUP").await), ((5, 0), (5, 0)));
    }
    let error = orders.commit(reference(id)).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(error.get_details_precondition_failure().unwrap().violations[0].r#type, "RELEASED");
    shop.check_stock().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_lines_are_kept_or_none_and_what_is_short_is_named() {
    let shop = filled().await;
    let mut orders = shop.orders().await;
    let wanted = [("CUP", 6), ("MUG", 1), ("NONE", 1), ("CUP-XL", 2)];
    let error = orders.reserve(reserve(Uuid::now_v7(), &wanted, 60)).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    let short: Vec<_> = error
        .get_details_precondition_failure()
        .unwrap()
        .violations
        .into_iter()
        .map(|violation| (violation.r#type, violation.subject))
        .collect();
    let named = |kind: &str, sku: &str| (kind.to_owned(), sku.to_owned());
    assert_eq!(short, [named("STOCK", "CUP"), named("STOCK", "CUP-XL"), named("NOT_SOLD", "NONE")]);
    assert_eq!((shop.stock("MUG").await, shop.stock("CUP").await), ((5, 0), (5, 0)));
    shop.check_stock().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reservation_is_there_for_its_owner_only() {
    let shop = filled().await;
    let (mut orders, mut carts) = (shop.orders().await, shop.carts().await);
    let id = Uuid::now_v7();
    orders.reserve(reserve(id, &[("MUG", 1)], 60)).await.unwrap();
    assert_eq!(carts.commit(reference(id)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(carts.release(reference(id)).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(carts.reserve(reserve(id, &[("MUG", 1)], 60)).await.unwrap_err().code(), Code::AlreadyExists);
    assert_eq!(orders.commit(reference(Uuid::now_v7())).await.unwrap_err().code(), Code::NotFound);
    let mut nobody = ProductsClient::new(shop.channel().await);
    assert_eq!(nobody.commit(reference(id)).await.unwrap_err().code(), Code::Unauthenticated);
    let mut forged = Request::new(reference(id));
    forged.metadata_mut().insert("x-internal-identity", "a.b.c".parse().unwrap());
    assert_eq!(nobody.commit(forged).await.unwrap_err().code(), Code::Unauthenticated);
    assert_eq!(shop.stock("MUG").await, (5, 1));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_releases_before_the_reservation_is_there_is_sure_that_nothing_is_kept() {
    let shop = filled().await;
    let mut orders = shop.orders().await;
    let id = Uuid::now_v7();
    orders.release(reference(id)).await.unwrap();
    let error = orders.reserve(reserve(id, &[("MUG", 1)], 60)).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(shop.stock("MUG").await, (5, 0));
    // Both at once, many times: in the end nothing is kept.
    for _ in 0..30 {
        let id = Uuid::now_v7();
        let (mut one, mut other) = (orders.clone(), orders.clone());
        let (_reserved, released) =
            tokio::join!(one.reserve(reserve(id, &[("MUG", 1)], 60)), other.release(reference(id)));
        released.unwrap();
        assert_eq!(shop.stock("MUG").await, (5, 0));
    }
    shop.check_stock().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_committed_in_time_comes_back() {
    let shop = start_with(50).await;
    shop.sell("mug", "Mug", &[("MUG", 900, 120)]).await;
    shop.sell("cup", "Cup", &[("CUP", 900, 120)]).await;
    let mut orders = shop.orders().await;
    let ids: Vec<_> = (0..120).map(|_| Uuid::now_v7()).collect();
    for id in &ids {
        orders.reserve(reserve(*id, &[("MUG", 1), ("CUP", 1)], 600)).await.unwrap();
    }
    assert_eq!(shop.stock("MUG").await, (120, 120));
    // Their time is over, all at once: the tests do not wait for ten minutes.
    sqlx::query("update product.reservations set expires_at = now()").execute(&shop.pool).await.unwrap();
    let error = orders.commit(reference(ids[7])).await.unwrap_err();
    assert_eq!(error.code(), Code::FailedPrecondition);
    assert_eq!(error.get_details_precondition_failure().unwrap().violations[0].r#type, "EXPIRED");
    shop.until("all have expired", async || shop.stock("MUG").await == (120, 0)).await;
    assert_eq!(shop.stock("CUP").await, (120, 0));
    let released = orders.release(reference(ids[7])).await.unwrap().into_inner();
    assert_eq!(state(&released), ReservationState::Expired);
    let told: i64 = sqlx::query_scalar(
        "select count(*) from messaging.outbox where kind = 'shop.stock.reservation.expired.v1'",
    )
    .fetch_one(&shop.pool)
    .await
    .unwrap();
    assert_eq!(told, 120);
    shop.check_stock().await;
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn variants_are_shown_and_priced() {
    let shop = filled().await;
    let mut orders = shop.orders().await;
    let skus = ["CUP-XL", "NONE", "MUG"].map(str::to_owned).to_vec();
    let variants = orders.get_variants(GetVariantsRequest { skus }).await.unwrap().into_inner().variants;
    assert_eq!(variants.iter().map(|variant| variant.sku.as_str()).collect::<Vec<_>>(), ["CUP-XL", "MUG"]);
    assert_eq!(
        (variants[1].available, variants[1].prices[0].minor, variants[1].name.as_str()),
        (5, 900, "Mug, MUG")
    );
    let quote = |currency: &str, lines: &[(&str, i32)]| QuoteRequest {
        currency: currency.to_owned(),
        lines: reserve(Uuid::nil(), lines, 10).lines,
    };
    let quoted = orders.quote(quote("EUR", &[("MUG", 2), ("CUP", 3)])).await.unwrap().into_inner();
    assert_eq!((quoted.total_minor, quoted.lines.len()), (2 * 900 + 3 * 700, 2));
    let error = orders.quote(quote("USD", &[("MUG", 2)])).await.unwrap_err();
    assert_eq!(
        (error.code(), error.get_details_resource_info().unwrap().resource_name),
        (Code::NotFound, "MUG".to_owned())
    );
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_not_as_it_should_be_names_its_field() {
    let shop = filled().await;
    let mut orders = shop.orders().await;
    let id = Uuid::now_v7();
    let many: Vec<_> = (0..101).map(|_| ("MUG", 1)).collect();
    for (request, field) in [
        (reserve(id, &[], 60), "lines"),
        (reserve(id, &many, 60), "lines"),
        (reserve(id, &[("MUG", 0)], 60), "lines[0].quantity"),
        (reserve(id, &[("CUP", 1), ("MUG", -1)], 60), "lines[1].quantity"),
        (reserve(id, &[("mug", 1)], 60), "lines[0].sku"),
        (reserve(id, &[("MUG", i32::MAX)], 60), "lines[0].quantity"),
        (reserve(id, &[("MUG", 1)], 9), "ttl_seconds"),
        (reserve(id, &[("MUG", 1)], i32::MAX), "ttl_seconds"),
    ] {
        let error = orders.reserve(request).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        assert_eq!(error.get_details_bad_request().unwrap().field_violations[0].field, field);
    }
    let bad = flotilla_proto::product::ReservationRef { reservation_id: "7".to_owned() };
    assert_eq!(orders.commit(bad).await.unwrap_err().code(), Code::InvalidArgument);
    let none = GetVariantsRequest { skus: Vec::new() };
    assert_eq!(orders.get_variants(none).await.unwrap_err().code(), Code::InvalidArgument);
    let currency = QuoteRequest { currency: "XXX".to_owned(), lines: reserve(id, &[("MUG", 1)], 60).lines };
    assert_eq!(orders.quote(currency).await.unwrap_err().code(), Code::InvalidArgument);
    assert_eq!(shop.stock("MUG").await, (5, 0));
    shop.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_watches_stock_sees_it_now_and_whenever_it_changes() {
    let shop = filled().await;
    let mut orders = shop.orders().await;
    let skus = ["MUG", "CUP"].map(str::to_owned).to_vec();
    let mut stream = orders.watch_stock(WatchStockRequest { skus }).await.unwrap().into_inner();
    let mut next = async || {
        let stock = timeout(PATIENCE, stream.message()).await.unwrap().unwrap();
        stock.map(|stock| (stock.sku, stock.on_hand, stock.reserved))
    };
    let seen = |sku: &str, on_hand, reserved| Some((sku.to_owned(), on_hand, reserved));
    assert_eq!(next().await, seen("CUP", 5, 0));
    assert_eq!(next().await, seen("MUG", 5, 0));
    let id = Uuid::now_v7();
    orders.reserve(reserve(id, &[("MUG", 2)], 60)).await.unwrap();
    assert_eq!(next().await, seen("MUG", 5, 2));
    orders.commit(reference(id)).await.unwrap();
    assert_eq!(next().await, seen("MUG", 3, 0));
    // What another replica does is seen as well.
    sqlx::query("update product.stock set on_hand = 9 where sku = 'CUP'").execute(&shop.pool).await.unwrap();
    assert_eq!(timeout(Duration::from_secs(5), next()).await.unwrap(), seen("CUP", 9, 0));
    // The stream ends with the service, and does not hold it up.
    shop.stop().await;
    assert_eq!(next().await, None);
}
