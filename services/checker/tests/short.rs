//! A short version of a few faults: with the whole of a shop, each less than a minute.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{path::Path, time::Duration};

use flotilla_checker::{
    fault::{Fault, Misbehaviour},
    history::Violation,
    round::{PATIENCE, Place, Settings},
    shop::{Kind, Shop, link::Link},
};
use flotilla_shop::name::Name;

/// The program that the shop's processes are of.
const PROGRAM: &str = env!("CARGO_BIN_EXE_checker");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nobody_charged_twice_whatever_breaks() {
    let program = Path::new(PROGRAM);
    let shop = Shop::start(program, program, Kind::PLAIN).await.unwrap();
    let mut place = Place::new(shop).await.unwrap();
    for fault in [
        Fault::None,
        Fault::Kill(Name::OrderService),
        Fault::Link(Link::OrdersDatabase),
        Fault::Provider(Misbehaviour::DropAnswer),
        Fault::Postgres,
    ] {
        let lasts = Duration::from_secs(4);
        let settings = Settings { orders: 24, rate: 6.0, seed: 7, way: None, lasts, patience: PATIENCE };
        let round = place.round(fault, &settings).await.unwrap();
        let told: Vec<_> = round.violations.iter().map(Violation::to_string).collect();
        assert!(told.is_empty(), "with {fault}:\n{}", told.join("\n"));
        assert!(round.ends.sold > 0, "with {fault} nobody has bought anything");
        assert!(fault == Fault::None || round.done.times > 0, "{fault} has not happened");
    }
}
