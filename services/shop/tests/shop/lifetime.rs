//! How shops live beside each other, and how they end.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::PermissionsExt,
    process::Command,
    time::Duration,
};

use flotilla_kit::correlation::CorrelationId;
use flotilla_shop::{
    fill::{ADMIN, CUSTOMER},
    walk::{Client, Step, Version, account, client::Ask},
};
use http::Method;
use serde_json::Value;

use crate::{
    ordering::walk_as,
    running::{PROGRAM, Running, eventually, is_alive, processes_in},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_shops_run_beside_each_other() {
    let (one, other) = (Running::begin(&[]), Running::begin(&[]));
    let (one, other) = (one.ready(), other.ready());
    let (one_options, other_options) = (one.options(Version::Http1), other.options(Version::Http2));
    let (walked, beside) = tokio::join!(walk_as(&one_options), walk_as(&other_options));
    assert_ne!(walked.order.id, beside.order.id);
    let id = walked.correlation_id(Step::Order).unwrap();
    assert!(one.log("order-service").contains(id) && !other.log("order-service").contains(id));
    // Where one is, there is no other.
    let port = one.url.rsplit(':').next().unwrap();
    let output = Command::new(PROGRAM).args(["dev", "--port", port]).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{told}");
    assert!(told.contains(&format!("the port {port} is taken")) && told.contains("--port"), "{told}");
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = Command::new(PROGRAM).args(["dev", "--port=0", "--inbox-port", &port]).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("--inbox-port"));
}

#[test]
fn one_that_is_killed_leaves_nothing_behind() {
    let mut shop = Running::start(&[]);
    let folder = shop.folder.clone();
    let programs = processes_in(&folder);
    assert!(!programs.is_empty());
    let services = shop.children();
    assert_eq!(services.len(), 7, "{services:?}");
    shop.kill();
    let gone = || !folder.exists() && processes_in(&folder).is_empty();
    eventually("Postgres or its data outlive the shop", gone);
    let have_gone = || services.iter().all(|id| !is_alive(*id));
    eventually("services outlive the shop", have_gone);
}

#[test]
fn one_that_is_ended_while_it_starts_leaves_nothing_behind() {
    for moment in [0, 50, 800, 2_500] {
        let id = Running::begin(&[]).interrupt_after(Duration::from_millis(moment));
        let prefix = format!("flotilla-testbed-{id}-");
        let left: Vec<_> = fs::read_dir(std::env::temp_dir())
            .unwrap()
            .flatten()
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&prefix))
            .collect();
        assert!(left.is_empty(), "after {moment} ms: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_kept_is_there_again_also_after_a_kill() {
    let parent = tempfile::tempdir().unwrap();
    // Postgres may run as somebody else, who has to get there.
    fs::set_permissions(parent.path(), fs::Permissions::from_mode(0o711)).unwrap();
    let data = parent.path().join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    let mut first = Running::start(&arguments);
    let walked = walk_as(&first.options(Version::Http1)).await;
    let output =
        Command::new(PROGRAM).args(["dev", "--port=0", "--inbox-port=0"]).args(arguments).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && told.contains("is in use"), "{told}");
    first.kill();

    let second = Running::start(&arguments);
    let client = Client::new(&second.url.parse().unwrap(), Version::Http1, None).unwrap();
    let id = CorrelationId::new();
    // The customer and the admin are who they were, and the order is what it was.
    account::log_in(&client, &id, &CUSTOMER.person()).await.unwrap();
    let admin = account::log_in(&client, &id, &ADMIN.person()).await.unwrap();
    let get = async |path: &str| -> Value {
        let ask = Ask::new(Method::GET, path, &id).token(&admin.token);
        client.ask(ask).await.unwrap().json().unwrap()
    };
    let order = get(&format!("/v1/orders/{}", walked.order.id)).await;
    assert_eq!(order["total_minor"], walked.order.total_minor);
    assert_eq!(get("/v1/products?limit=100").await["items"].as_array().unwrap().len(), 10);
    assert_eq!(get("/v1/categories").await["items"].as_array().unwrap().len(), 3);
    walk_as(&second.options(Version::Http1)).await;
    second.interrupt();
    assert!(data.join("data").exists() && processes_in(&data).is_empty());
}

#[test]
fn a_service_that_ends_ends_the_shop_with_its_name() {
    let mut shop = Running::start(&[]);
    let service = shop.child("order-service");
    let killed = Command::new("kill").args(["-KILL", &service.to_string()]).status().unwrap();
    assert!(killed.success());
    let status = shop.wait(Duration::from_secs(20));
    assert!(!status.success());
    // What it wrote last may be read after its end.
    eventually("it says why", || shop.errors().contains("order-service ended unexpectedly"));
    assert!(!shop.folder.exists());
}

#[test]
fn a_service_is_its_own_program() {
    let help = Command::new(PROGRAM).args(["service", "user-service", "--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("SHOP_USER_MASTER_KEY"), "{text}");
    let without = Command::new(PROGRAM).args(["service", "order-service"]).env_clear().output().unwrap();
    let text = String::from_utf8(without.stderr).unwrap();
    assert!(!without.status.success() && text.contains("SHOP_DATABASE_URL is needed"), "{text}");
}
