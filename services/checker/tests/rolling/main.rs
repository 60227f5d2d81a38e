//! A shop on a real cluster, whose services are updated and whose pods are killed while customers order:
//! `cargo xtask test shop-cluster`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod cluster;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use flotilla_checker::{
    drive::{Crowd, Goods, Plan, Record, Stage, drive},
    history::{self, History, Violation},
    read::Places,
};
use flotilla_kit::correlation::CorrelationId;
use flotilla_shop::{
    fill,
    walk::{Client, Version, inbox::Inbox},
};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, sleep, timeout},
};

use self::cluster::{GATEWAY, Ways, kill, kubectl, update, update_gateway};

/// More than there is time for.
const ORDERS: usize = 1_000;

/// Orders in a second.
const RATE: f64 = 3.0;

/// How long customers have after the last that was done, and everything after them.
const PATIENCE: Duration = Duration::from_secs(150);

const SERVICES: [&str; 4] = ["user-service", "product-service", "order-service", "notification-service"];

/// Whose pods are killed. What takes mail is how it is known which came, and stays.
const KILLED: [&str; 8] = [
    "user-service",
    "product-service",
    "order-service",
    "notification-service",
    GATEWAY,
    "paysim",
    "postgres",
    "rabbitmq",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster with the shop: cargo xtask test shop-cluster"]
async fn nothing_is_lost_while_services_are_updated_and_pods_are_killed() {
    let ways = Ways::open();
    let doors = ways.doors();
    have_an_admin(&ways).await;
    let crowd = Arc::new(Crowd::new(&doors).await.unwrap());
    let (record, goods) = (Arc::new(Record::default()), Goods::new());
    crowd.stock(&goods, ORDERS).await.unwrap();
    let stage = watch::Sender::new(Stage::Placing);
    let plan = Plan { orders: ORDERS, rate: RATE, seed: 6, goods, way: None };
    let driving = tokio::spawn(drive(Arc::clone(&crowd), Arc::clone(&record), plan, stage.clone()));

    let disturbances = spawn_blocking(disturb).await.unwrap();
    assert_eq!(*stage.borrow(), Stage::Placing, "customers had ordered all before it was over");
    stage.send_replace(Stage::Over(Instant::now() + PATIENCE));
    driving.await.unwrap();
    // The first ones may lead to pods that are gone.
    drop(ways);
    let ways = Ways::open();
    let places = ways.places();
    settle(&places).await;

    let found = places.read(&client(ways.doors().provider)).await.unwrap();
    let grace = doors.grace.as_micros().try_into().unwrap();
    let history = History { operations: record.operations(), found, grace, disturbances };
    let sold = history.found.orders.iter().filter(|order| order.is_sold()).count();
    println!(
        "{} orders, {sold} of them sold; {} requests, of {} of which nobody knows what came; {} mails came twice",
        history.found.orders.len(),
        record.count().0,
        record.count().1,
        history::duplicates(&history)
    );
    let told: Vec<_> = history.check().iter().map(Violation::to_string).collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert!(sold > 30, "only {sold} orders were sold");
}

/// Updates each service and kills a pod of each, one after the other. Returns how often that was.
fn disturb() -> usize {
    for service in SERVICES {
        println!("{service} is updated");
        update(service);
    }
    println!("the gateway is updated");
    update_gateway();
    for service in KILLED {
        println!("a pod of {service} is killed");
        kill(service);
    }
    SERVICES.len() + 1 + KILLED.len()
}

/// Waits until nothing is under way. What that is not by then the check tells.
async fn settle(places: &Places) {
    let quiet = async {
        loop {
            // A pod that was killed is at nothing any more.
            places.hasten(true).await.unwrap();
            sleep(Duration::from_secs(2)).await;
            if places.is_quiet().await.unwrap() {
                return;
            }
        }
    };
    let _is_quiet = timeout(PATIENCE, quiet).await.is_ok();
}

fn client(address: SocketAddr) -> Client {
    Client::new(&format!("http://{address}").parse().unwrap(), Version::Http1, None).unwrap()
}

/// Somebody has to put things on the shelves.
async fn have_an_admin(ways: &Ways) {
    let (shop, inbox) = (client(ways.doors().front), Inbox::new(client(ways.doors().inbox)));
    fill::people(&shop, &inbox, &CorrelationId::new(), Duration::from_secs(60)).await.unwrap();
    let grant = ["--email", "admin@shop.example", "--role", "admin"];
    kubectl(&[&["exec", "deployment/user-service", "--", "/user-service", "grant"], &grant[..]].concat());
}
