//! That the checker finds something: without a guard of the shop, something is not as it should be, and it says so.
//!
//! The guards are taken out of the databases, with the programs as they are: a trigger has the database forget what the guard
//! goes by.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{collections::BTreeSet, path::Path, time::Duration};

use flotilla_checker::{
    drive::Way,
    fault::Fault,
    history::{Invariant, Violation},
    round::{Place, Settings},
    shop::{Kind, Shop},
};

/// The program that the shop's processes are of.
const PROGRAM: &str = env!("CARGO_BIN_EXE_checker");

/// How long it may take until all is as it stays: what is broken may never end.
const PATIENCE: Duration = Duration::from_secs(8);

/// So many orders, so many of them in a second: all want the same at once.
const ORDERS: (usize, f64) = (50, 50.0);

/// A shop that has lost a guard.
struct Mutation {
    /// What is gone.
    guard: &'static str,
    /// In which database.
    database: &'static str,
    /// Takes it away.
    away: &'static str,
    /// Brings it back.
    back: &'static str,
    /// What customers do.
    way: Way,
    /// What is violated then.
    violates: Invariant,
}

const MUTATIONS: [Mutation; 4] = [
    // A key is forgotten when it comes again, so that there is no second request, only another first one.
    Mutation {
        guard: "the unique key",
        database: "orders",
        away: "
            create function kit.forget() returns trigger language plpgsql as $$
            begin
                delete from kit.idempotency_keys where principal = new.principal and key = new.key;
                return new;
            end $$;
            create trigger forget before insert on kit.idempotency_keys for each row execute function kit.forget();",
        back: "drop function kit.forget cascade",
        way: Way::Twice,
        violates: Invariant::OneOrderPerKey,
    },
    // What is reserved is not counted, so that `on_hand - reserved >= quantity` says nothing. Those who never answer their bank
    // keep what they have long enough for others to come.
    Mutation {
        guard: "the conditional update",
        database: "products",
        away: "
            alter table product.stock drop constraint stock_is_there;
            create function product.forget() returns trigger language plpgsql as $$
            begin
                new.reserved := 0;
                return new;
            end $$;
            create trigger forget before update on product.stock for each row execute function product.forget();",
        back: "drop function product.forget cascade",
        way: Way::NoAnswer,
        violates: Invariant::NoOversell,
    },
    // Reservations end at once, and what has ended can be taken nevertheless.
    Mutation {
        guard: "the guard of reservations",
        database: "products",
        away: "
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
                for each row execute function product.forget();",
        back: "drop function product.forget cascade",
        way: Way::NoAnswer,
        violates: Invariant::NoOversell,
    },
    // That an event was handled is forgotten.
    Mutation {
        guard: "the row of the inbox",
        database: "notifications",
        away: "
            create function messaging.forget() returns trigger language plpgsql as $$
            begin
                delete from messaging.inbox where consumer = new.consumer and id = new.id;
                return null;
            end $$;
            create trigger forget after insert on messaging.inbox for each row execute function messaging.forget();",
        back: "drop function messaging.forget cascade",
        way: Way::Plain,
        violates: Invariant::EventDelivery,
    },
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shop_without_one_of_its_guards_is_found_out() {
    let program = Path::new(PROGRAM);
    let shop = Shop::start(program, program, Kind::PLAIN).await.unwrap();
    let mut place = Place::new(shop).await.unwrap();
    // What one mutation has left is there with the next one as well.
    let mut known = BTreeSet::<Violation>::new();
    for mutation in MUTATIONS {
        let Mutation { guard, database, away, back, way, violates } = mutation;
        place.shop.run_sql(database, away).unwrap();
        let (orders, rate) = ORDERS;
        let lasts = Duration::from_secs(1);
        let settings = Settings { orders, rate, seed: 3, way: Some(way), lasts, patience: PATIENCE };
        let round = place.round(Fault::None, &settings).await.unwrap();
        place.shop.run_sql(database, back).unwrap();
        let new: Vec<_> = round.violations.iter().filter(|violation| !known.contains(*violation)).collect();
        let is_found = new.iter().any(|violation| violation.invariant == violates);
        let told: Vec<_> = new.iter().map(ToString::to_string).collect();
        assert!(is_found, "without {guard}, {} is not violated, but:\n{}", violates.code(), told.join("\n"));
        known.extend(round.violations);
    }
}
