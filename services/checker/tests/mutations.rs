//! That the checker finds something: without a guard of the shop, something is not as it should be, and it says so.
//!
//! The guards are taken out of the databases, with the programs as they are: a trigger has the database forget what the guard
//! goes by.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{path::Path, time::Duration};

use flotilla_checker::{
    drive::Way,
    fault::{Fault, Misbehaviour},
    history::{Invariant, Violation},
    round::{Place, Round, Settings},
    shop::{BusKind, Shop, link::Link},
};

/// The program that the shop's processes are of.
const PROGRAM: &str = env!("CARGO_BIN_EXE_checker");

/// How long it may take until all is as it stays: what is broken may never end.
const PATIENCE: Duration = Duration::from_secs(15);

/// A key is forgotten as soon as it comes again, so that there is no second request, only another first one.
const NO_UNIQUE_KEY: &str = "
    create function kit.forget() returns trigger language plpgsql as $$
    begin
        delete from kit.idempotency_keys where principal = new.principal and key = new.key;
        return new;
    end $$;
    create trigger forget before insert on kit.idempotency_keys for each row execute function kit.forget();";

/// What is reserved is not counted, so that `on_hand - reserved >= quantity` says nothing.
const NO_COUNT: &str = "
    alter table product.stock drop constraint stock_is_there;
    create function product.forget() returns trigger language plpgsql as $$
    begin
        new.reserved := 0;
        return new;
    end $$;
    create trigger forget before update on product.stock for each row execute function product.forget();";

/// That an event was handled is forgotten.
const NO_INBOX: &str = "
    create function messaging.forget() returns trigger language plpgsql as $$
    begin
        delete from messaging.inbox where consumer = new.consumer and id = new.id;
        return null;
    end $$;
    create trigger forget after insert on messaging.inbox for each row execute function messaging.forget();";

/// Reservations end at once, and what has ended can be taken nevertheless.
const NO_END_OF_RESERVATIONS: &str = "
    alter table product.stock drop constraint stock_is_there;
    create function product.forget() returns trigger language plpgsql as $$
    begin
        if tg_op = 'INSERT' then
            new.expires_at := clock_timestamp() + interval '200 milliseconds';
        elsif new.state = 'expired' then
            new.state := 'active';
            new.expires_at := clock_timestamp() + interval '1 hour';
        end if;
        return new;
    end $$;
    create trigger forget before insert or update on product.reservations
        for each row execute function product.forget();";

async fn place() -> Place {
    let program = Path::new(PROGRAM);
    let shop = Shop::start(program, program, BusKind::Postgres).await.unwrap();
    Place::new(shop).await.unwrap()
}

/// A round after which this has to be violated, and was not before.
async fn violated(database: &str, sql: &str, fault: Fault, way: Option<Way>, invariant: Invariant) -> Round {
    let mut place = place().await;
    place.shop.run_sql(database, sql).unwrap();
    let settings = Settings { orders: 40, rate: 10.0, seed: 3, way, patience: PATIENCE };
    let round = place.round(fault, &settings).await.unwrap();
    let found = round.violations.iter().any(|violation| violation.invariant == invariant);
    let told: Vec<_> = round.violations.iter().map(Violation::to_string).collect();
    assert!(found, "{} is not violated, only:\n{}", invariant.code(), told.join("\n"));
    round
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_unique_key_one_key_has_several_orders() {
    let fault = Fault::Link(Link::OrdersDatabase);
    violated("orders", NO_UNIQUE_KEY, fault, Some(Way::Twice), Invariant::OneOrderPerKey).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_conditional_update_more_is_sold_than_there_is() {
    let fault = Fault::Provider(Misbehaviour::Slow);
    violated("products", NO_COUNT, fault, Some(Way::Plain), Invariant::NoOversell).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_row_of_the_inbox_nobody_knows_what_was_handled() {
    violated("notifications", NO_INBOX, Fault::None, None, Invariant::EventDelivery).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_end_of_reservations_stock_is_counted_wrongly() {
    let fault = Fault::Provider(Misbehaviour::Slow);
    violated("products", NO_END_OF_RESERVATIONS, fault, Some(Way::Bank), Invariant::NoOversell).await;
}
