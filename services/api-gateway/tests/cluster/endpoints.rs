//! Where requests go follows the `EndpointSlices` of the Service.

use std::time::Duration;

use flotilla_gateway_config::package::PART_LIMIT;
use http::StatusCode;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::{
    backend::{Backend, own_address6},
    client::{eventually, get},
    gateway::Gateway,
    namespace::{Endpoint, TestNamespace, in_namespace},
    prober::Prober,
};

async fn start(namespace: &TestNamespace) -> Gateway {
    let gateway = Gateway::start(namespace).await;
    namespace.configure(&namespace.config(gateway.port()), PART_LIMIT).await;
    gateway.ready().await;
    gateway
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn endpoints_come_go_and_change() {
    in_namespace(async |namespace| {
        let (a, b) = (Backend::start("a").await, Backend::start("b").await);
        let gateway = start(namespace).await;
        let (status, problem) = get(gateway.address, "/").await.unwrap();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(problem.contains("the backend has no endpoints"), "{problem}");

        namespace.slice("one", &[Endpoint::ready(&a)]).await;
        gateway.goes_to(&[a.address]).await;
        gateway.answers("/", 200, "a").await;
        namespace.slice("two", &[Endpoint::ready(&b)]).await;
        gateway.goes_to(&[a.address, b.address]).await;
        // The same endpoint in two slices is one.
        namespace.slice("three", &[Endpoint::ready(&b)]).await;
        namespace.slice("two", &[Endpoint::unready(&b)]).await;
        sleep(Duration::from_millis(200)).await;
        gateway.goes_to(&[a.address, b.address]).await;
        namespace.delete_slice("three").await;
        gateway.goes_to(&[a.address]).await;

        namespace.slice("two", &[Endpoint::ready(&b)]).await;
        namespace.slice("one", &[Endpoint::terminating(&a)]).await;
        gateway.goes_to(&[b.address]).await;
        // Nobody else is left, and it answers still.
        namespace.slice("two", &[]).await;
        gateway.goes_to(&[a.address]).await;
        gateway.answers("/", 200, "a").await;
        namespace.slice("one", &[Endpoint::unready(&a)]).await;
        gateway.goes_to(&[]).await;
        gateway.answers("/", 503, "the backend has no endpoints").await;

        // Of another Service, and of another port.
        namespace.slice_of("carts", "four", &[Endpoint::ready(&b)]).await;
        namespace.slice("one", &[Endpoint::ready(&a)]).await;
        gateway.goes_to(&[a.address]).await;
        let mut config = namespace.config(gateway.port());
        config["backends"]["orders"]["service"]["name"] = json!("carts");
        namespace.configure(&config, PART_LIMIT).await;
        gateway.goes_to(&[b.address]).await;
        config["backends"]["orders"]["service"]["portName"] = json!("grpc");
        namespace.configure(&config, PART_LIMIT).await;
        gateway.goes_to(&[]).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn endpoints_of_both_families_are_used() {
    in_namespace(async |namespace| {
        let Some(address) = own_address6() else {
            // It would have no address that the API server takes.
            return;
        };
        let (a, six) = (Backend::start("four").await, Backend::at(address, "six").await);
        let gateway = start(namespace).await;
        namespace.slice("four", &[Endpoint::ready(&a)]).await;
        namespace.slice("six", &[Endpoint::ready(&six)]).await;
        gateway.goes_to(&[a.address, six.address]).await;
        gateway.answers("/", 200, "six").await;
        gateway.answers("/", 200, "four").await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn endpoints_that_are_meant_for_the_zone_are_preferred() {
    in_namespace(async |namespace| {
        let (a, b) = (Backend::start("a").await, Backend::start("b").await);
        let secret = format!("{}/gateway", namespace.name);
        let flags = ["--config-secret", &secret, "--zone", "west"].map(str::to_owned);
        let gateway = Gateway::with(namespace, None, |_| flags.to_vec()).await;
        namespace.configure(&namespace.config(gateway.port()), PART_LIMIT).await;
        namespace.slice("one", &[Endpoint::ready(&a).for_zone("west")]).await;
        namespace.slice("two", &[Endpoint::ready(&b).for_zone("east")]).await;
        gateway.goes_to(&[a.address]).await;
        namespace.slice("one", &[Endpoint::ready(&a)]).await;
        gateway.goes_to(&[a.address, b.address]).await;
        namespace.slice("one", &[Endpoint::unready(&a).for_zone("west")]).await;
        gateway.goes_to(&[b.address]).await;
        namespace.slice("one", &[Endpoint::ready(&a).for_zone("west")]).await;
        gateway.goes_to(&[a.address]).await;
        gateway.answers("/", 200, "a").await;
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn an_endpoint_that_stays_keeps_its_connections_and_one_that_goes_finishes() {
    in_namespace(async |namespace| {
        let (a, b) = (Backend::start("a").await, Backend::start("b").await);
        namespace.slice("one", &[Endpoint::ready(&a)]).await;
        let gateway = start(namespace).await;
        // All by one connection of a client, which one worker has.
        let mut client = crate::client::Connection::open(gateway.address).await.unwrap();
        assert_eq!(client.get("/").await.unwrap().1, "a");
        namespace.slice("two", &[Endpoint::ready(&b)]).await;
        gateway.goes_to(&[a.address, b.address]).await;
        namespace.delete_slice("two").await;
        gateway.goes_to(&[a.address]).await;
        assert_eq!(client.get("/").await.unwrap().1, "a");
        assert_eq!(a.connections(), 1);

        let address = gateway.address;
        let before = a.requests();
        let slow = tokio::spawn(async move { get(address, "/delay/1500").await.unwrap() });
        eventually("the slow request is under way", async || a.requests(), |count| *count > before).await;
        namespace.slice("two", &[Endpoint::ready(&b)]).await;
        namespace.delete_slice("one").await;
        gateway.goes_to(&[b.address]).await;
        a.stop();
        assert_eq!(get(gateway.address, "/").await.unwrap().1, "b");
        assert!(!slow.is_finished(), "the endpoint has gone before its answer came");
        assert_eq!(slow.await.unwrap(), (StatusCode::OK, "a".to_owned()));
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn endpoints_are_asked_whether_they_are_well_as_long_as_they_are_there() {
    in_namespace(async |namespace| {
        let (a, b) = (Backend::start("a").await, Backend::start("b").await);
        let gateway = Gateway::start(namespace).await;
        let mut config = namespace.config(gateway.port());
        let check = json!({"probe": {"http": {"path": "/healthz"}}, "intervalMs": 100, "timeoutMs": 100});
        config["backends"]["orders"]["healthCheck"] = check;
        namespace.slice("one", &[Endpoint::ready(&a)]).await;
        namespace.configure(&config, PART_LIMIT).await;
        gateway.goes_to(&[a.address]).await;
        eventually("it is asked", async || a.requests(), |count| *count > 3).await;
        namespace.slice("two", &[Endpoint::ready(&b)]).await;
        eventually("the new one is asked", async || b.requests(), |count| *count > 3).await;
        namespace.delete_slice("one").await;
        gateway.goes_to(&[b.address]).await;
        sleep(Duration::from_millis(200)).await;
        let before = (a.requests(), b.requests());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(a.requests(), before.0);
        assert!(b.requests() > before.1 + 3);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn nothing_fails_while_endpoints_roll() {
    in_namespace(async |namespace| {
        let mut old = Vec::new();
        for number in 0..3 {
            let backend = Backend::start("old").await;
            namespace.slice(&format!("s{number}"), &[Endpoint::ready(&backend)]).await;
            old.push(backend);
        }
        let gateway = start(namespace).await;
        gateway.goes_to(&old.iter().map(|backend| backend.address).collect::<Vec<_>>()).await;
        let prober = Prober::start(gateway.address);
        let begun = Instant::now();
        // One after the other, as a Deployment does; each ends in the moment in which the API server is told.
        for round in 0..30 {
            let place = round % old.len();
            let new = Backend::start("new").await;
            namespace.slice(&format!("n{round}"), &[Endpoint::ready(&new)]).await;
            sleep(Duration::from_millis(50)).await;
            let slice =
                if round < old.len() { format!("s{place}") } else { format!("n{}", round - old.len()) };
            old[place].stop();
            namespace.slice(&slice, &[Endpoint::terminating(&old[place])]).await;
            sleep(Duration::from_millis(50)).await;
            namespace.delete_slice(&slice).await;
            old[place] = new;
        }
        let (sent, time) = (prober.good(), begun.elapsed());
        let of_new = async || old.iter().map(Backend::requests).min().unwrap_or_default();
        eventually("the new ones get requests", of_new, |least| *least > 0).await;
        let good = async || prober.good();
        eventually("there are enough to say anything", good, |good| *good > 1_000).await;
        let (_, failures) = prober.end().await;
        println!("{sent} requests in {time:?} while 30 endpoints were replaced: {} failed", failures.len());
        assert_eq!(failures, [""; 0]);
    })
    .await;
}

#[tokio::test]
#[ignore = "needs a cluster"]
async fn a_file_may_name_services_too() {
    in_namespace(async |namespace| {
        let a = Backend::start("a").await;
        namespace.slice("one", &[Endpoint::ready(&a)]).await;
        let address = crate::gateway::free_address();
        let own = json!({
            "listeners": [{"name": "web", "port": address.port(), "protocol": "HTTP"}],
            "routes": [{"name": "orders", "rules": [{"backends": [{"backend": "orders"}]}]}],
            "backends": {"orders": {"endpoints": [{"host": a.address.ip(), "port": a.address.port()}]}},
        });
        let mut gateway = Gateway::with(namespace, None, |folder| {
            let file = folder.path().join("gateway.yaml");
            std::fs::write(&file, own.to_string()).unwrap();
            vec!["--config".to_owned(), file.to_str().unwrap().to_owned()]
        })
        .await;
        gateway.address = address;
        gateway.ready().await;
        gateway.answers("/", 200, "a").await;
        assert_eq!(gateway.metric("api_server_up").await, 0, "nobody has asked it");

        let b = Backend::start("b").await;
        namespace.slice("one", &[Endpoint::ready(&b)]).await;
        std::fs::write(gateway.folder().join("new"), namespace.config(address.port()).to_string()).unwrap();
        std::fs::rename(gateway.folder().join("new"), gateway.folder().join("gateway.yaml")).unwrap();
        gateway.goes_to(&[b.address]).await;
        gateway.answers("/", 200, "b").await;
        gateway.ready().await;
    })
    .await;
}
