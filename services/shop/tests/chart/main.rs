//! The shop on a real cluster, as its chart installs it: `cargo xtask test shop-cluster`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use flotilla_kit::{
    Secret,
    auth::{Signer, Subject},
    correlation::CorrelationId,
    grpc,
};
use flotilla_proto::product::{GetVariantsRequest, products_client::ProductsClient};
use flotilla_shop::{
    fill,
    walk::{Client, Options, Step, Version, inbox::Inbox, walk},
};
use flotilla_testbed::{Forward, Kubectl};
use http::Uri;
use tokio::sync::OnceCell;
use tonic::Code;

/// What runs the gateway of the shop.
const GATEWAY: &str = "shop-flotilla";

/// Where the shop is.
const SHOP: Kubectl = Kubectl::new("shop");

/// The services that an order goes through, each of which tells of it.
const ON_THE_WAY: [&str; 6] =
    [GATEWAY, "order-service", "product-service", "paysim", "notification-service", "sink"];

/// What kubectl prints in the namespace of the shop.
fn kubectl(arguments: &[&str]) -> String {
    SHOP.output(arguments).unwrap_or_else(|error| panic!("{error}"))
}

fn forward(service: &str, port: u16) -> Forward {
    Forward::to(|| SHOP.command(), service, port).unwrap()
}

fn url(forward: &Forward) -> Uri {
    format!("http://{}", forward.address()).parse().unwrap()
}

fn options(shop: &Forward, inbox: &Forward, version: Version) -> Options {
    Options {
        shop: url(shop),
        inbox: url(inbox),
        connect_to: None,
        version,
        payment_method: "pm_card_visa".to_owned(),
        patience: Duration::from_secs(60),
    }
}

/// People and a catalogue, as every test here takes them for granted, whichever comes first.
async fn filled() {
    static FILLED: OnceCell<()> = OnceCell::const_new();
    let fill = async || {
        let (shop, inbox) = (forward(GATEWAY, 80), forward("sink", 8080));
        let (id, client) = (CorrelationId::new(), Client::new(&url(&shop), Version::Http1, None).unwrap());
        let mail = Inbox::new(Client::new(&url(&inbox), Version::Http1, None).unwrap());
        fill::people(&client, &mail, &id, Duration::from_secs(60)).await.unwrap();
        let program = ["exec", "deployment/user-service", "--", "/user-service"];
        kubectl(&[&program[..], &["grant", "--email", "admin@shop.example", "--role", "admin"]].concat());
        fill::catalogue(&client, &id).await.unwrap();
    };
    FILLED.get_or_init(fill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster with the shop: cargo xtask test shop-cluster"]
async fn somebody_orders_through_the_gateway_and_is_found_in_all_logs() {
    filled().await;
    let (shop, inbox) = (forward(GATEWAY, 80), forward("sink", 8080));
    for version in [Version::Http1, Version::Http2] {
        let walked = walk(&options(&shop, &inbox, version), |told| println!("{told}")).await.unwrap();
        assert_eq!(walked.payment.captured_minor, walked.order.total_minor);
        let id = walked.correlation_id(Step::Order).unwrap();
        assert_eq!(walked.mail.correlation_id.as_deref(), Some(id));
        for service in ON_THE_WAY {
            let selector = format!("--selector=app.kubernetes.io/name={service}");
            let log = kubectl(&["logs", &selector, "--tail=-1", "--max-log-requests=20"]);
            assert!(log.contains(id), "{service} does not log {id}");
        }
    }
}

/// By gRPC the gateway carries what services ask each other, and services believe nobody without a key.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a cluster with the shop: cargo xtask test shop-cluster"]
async fn services_are_asked_by_grpc_through_the_gateway() {
    filled().await;
    let gateway = forward(GATEWAY, 9000);
    let key = kubectl(&["get", "secret", "order-service", "--output=jsonpath={.data.SHOP_SERVICE_KEY}"]);
    let key = String::from_utf8(BASE64_STANDARD.decode(key).unwrap()).unwrap();
    let signer = Signer::new("order-service", "1", &Secret::new(key)).unwrap();
    let mut products = ProductsClient::new(grpc::channel(url(&gateway)));
    let wanted = GetVariantsRequest { skus: vec!["BEANS-250".to_owned(), "NOT-THERE".to_owned()] };
    let patience = Duration::from_secs(10);
    let request =
        grpc::request(wanted.clone(), &signer, "product-service", &Subject::default(), patience).unwrap();
    let variants = products.get_variants(request).await.unwrap().into_inner().variants;
    assert_eq!(variants.iter().map(|variant| variant.sku.as_str()).collect::<Vec<_>>(), ["BEANS-250"]);
    let refused = products.get_variants(wanted).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated, "{refused}");
}

/// The network lets through what is declared, and nothing else.
#[test]
#[ignore = "needs a cluster with the shop: cargo xtask test shop-cluster"]
fn a_call_that_is_not_declared_is_refused_by_the_network() {
    // It says what it hears of a server that is none of its own; of one that it does not reach, that it waited.
    let said = |host: &str, port: u16| {
        let server =
            format!("host={host} port={port} user=postgres password=none connect_timeout=3 sslmode=disable");
        kubectl(&["exec", "postgres-0", "--", "sh", "-c", &format!("psql '{server}' 2>&1; true")])
    };
    // The database calls nobody; to itself it may speak.
    let itself = said("127.0.0.1", 5432);
    assert!(itself.contains("password authentication failed"), "{itself}");
    for (host, port) in
        [("product-service", 8080), ("product-service", 9000), ("user-service", 9090), ("rabbitmq", 5672)]
    {
        let said = said(host, port);
        assert!(said.contains("timeout expired"), "{host}:{port}: {said}");
    }
}

/// Pools grow under load, and stay so for a while: whoever comes last must find a place nevertheless.
#[test]
#[ignore = "needs a cluster with the shop: cargo xtask test shop-cluster"]
fn the_database_has_room_for_every_pod_and_for_those_that_take_over() {
    let asked =
        ["psql", "--username=postgres", "--no-align", "--tuples-only", "--command=show max_connections"];
    let room = kubectl(&[&["exec", "postgres-0", "--"], &asked[..]].concat());
    let wanted = |service: &str| -> u32 {
        let connections =
            r#"{.spec.template.spec.containers[0].env[?(@.name=="SHOP_DATABASE_CONNECTIONS")].value}"#;
        let both = format!("--output=jsonpath={{.spec.replicas}} {connections}");
        let both = kubectl(&["get", "deployment", service, &both]);
        both.split_whitespace().map(|number| number.parse::<u32>().unwrap()).product()
    };
    let services = ["user-service", "product-service", "order-service", "notification-service"];
    let wanted: u32 = services.into_iter().map(wanted).sum();
    assert!(wanted > 0 && room.trim().parse::<u32>().unwrap() >= 2 * wanted, "{wanted} for {room}");
}
