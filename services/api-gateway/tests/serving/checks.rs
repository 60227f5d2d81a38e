//! Endpoints are asked whether they are well, and get no requests when they are not.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{sleep, timeout};

use crate::{
    backend::Speaks,
    client::{get, send},
    gateway::{Gateway, PATIENCE},
    patient::Patient,
};

fn config(backend: &str, endpoints: &[&Patient]) -> String {
    let endpoints: Vec<_> = endpoints.iter().map(|endpoint| endpoint.endpoint()).collect();
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}], {backend}}}}}
",
        endpoints.join(", ")
    )
}

fn check(probe: &str) -> String {
    format!(
        "healthCheck: {{probe: {probe}, intervalMs: 100, timeoutMs: 100, healthyThreshold: 2, unhealthyThreshold: 3}}"
    )
}

/// Who answers so many requests.
async fn answers(gateway: &Gateway, count: usize) -> Vec<String> {
    let mut found = Vec::new();
    for _ in 0..count {
        let answer = send(gateway.address, get("/")).await;
        found.push(format!("{} {}", answer.status.as_u16(), String::from_utf8_lossy(&answer.body)));
    }
    found.sort();
    found.dedup();
    found
}

async fn until(gateway: &Gateway, what: &[&str]) {
    let reached = async {
        while answers(gateway, 20).await != what {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{what:?} never answer"));
}

async fn metric(gateway: &Gateway, line: &str) -> u64 {
    let metrics = String::from_utf8(send(gateway.admin, get("/metrics")).await.body.to_vec()).unwrap();
    let found = metrics.lines().find_map(|found| found.strip_prefix(line));
    found.map_or(0, |rest| rest.trim().parse().unwrap())
}

#[tokio::test]
async fn who_is_not_well_gets_no_requests_until_it_is() {
    for (speaks, protocol, probe, asked) in [
        (Speaks::Http1, "", "{http: {path: /healthz, host: orders.internal}}", "orders.internal"),
        (
            Speaks::Http2,
            "protocol: HTTP2, ",
            "{http: {path: /healthz, host: orders.internal}}",
            "orders.internal",
        ),
        (Speaks::Http2, "protocol: HTTP2, ", "{grpc: {service: orders}}", "orders"),
    ] {
        let (a, b) = (Patient::start("a", speaks).await, Patient::start("b", speaks).await);
        let gateway = Gateway::start(&config(&format!("{protocol}{}", check(probe)), &[&a, &b])).await;
        assert_eq!(answers(&gateway, 40).await, ["200 a", "200 b"], "{probe}");
        b.falls_ill();
        until(&gateway, &["200 a"]).await;
        let before = b.requests();
        answers(&gateway, 20).await;
        assert_eq!(b.requests(), before, "{probe}");
        assert!(
            metric(&gateway, "flotilla_gateway_health_checks_total{backend=\"a\",outcome=\"failed\"}").await
                >= 3
        );
        let url = format!("/explain?url=http://a.test:{}/", gateway.address.port());
        let explained = send(gateway.admin, get(&url)).await.json();
        let endpoints = explained["backends"][0]["endpoints"].as_array().unwrap();
        assert_eq!((&endpoints[0]["isGood"], &endpoints[1]["isGood"]), (&true.into(), &false.into()));
        b.recovers();
        until(&gateway, &["200 a", "200 b"]).await;
        assert_eq!(*b.state.asked.lock().unwrap(), asked);
    }
}

#[tokio::test]
async fn when_nobody_is_well_all_are_asked_or_none() {
    let patient = Patient::start("a", Speaks::Http1).await;
    let probe = check("{http: {path: /healthz}}");
    let gateway = Gateway::start(&config(&format!("panicPercent: 0, {probe}"), &[&patient])).await;
    until(&gateway, &["200 a"]).await;
    patient.falls_ill();
    let reached = async {
        loop {
            let answer = send(gateway.address, get("/")).await;
            if answer.status == StatusCode::SERVICE_UNAVAILABLE {
                assert_eq!(answer.json()["detail"], "no endpoint of the backend is well");
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("it is left alone");
    assert!(metric(&gateway, "flotilla_gateway_refused_requests_total{reason=\"none-well\"}").await > 0);
    // A configuration that asks all the same.
    gateway.rewrite(&config(&probe, &[&patient]));
    until(&gateway, &["200 a"]).await;
}

#[tokio::test]
async fn what_takes_no_connection_is_not_well() {
    let (a, mut b) = (Patient::start("a", Speaks::Http1).await, Patient::start("b", Speaks::Http1).await);
    let gateway = Gateway::start(&config(&check("tcp"), &[&a, &b])).await;
    until(&gateway, &["200 a", "200 b"]).await;
    b.ends().await;
    let url = format!("/explain?url=http://a.test:{}/", gateway.address.port());
    let reached = async {
        while send(gateway.admin, get(&url)).await.json()["backends"][0]["endpoints"][1]["isGood"] != false {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("it is found out");
    assert_eq!(answers(&gateway, 20).await, ["200 a"]);
}

#[tokio::test]
async fn another_port_and_other_statuses_may_be_asked_for() {
    let (a, health) = (Patient::start("a", Speaks::Http1).await, Patient::start("h", Speaks::Http1).await);
    let only = |status: u16| {
        let probe = format!("{{http: {{path: /healthz, statuses: [{status}]}}}}");
        let check =
            check(&probe).replace("intervalMs", &format!("port: {}, intervalMs", health.address.port()));
        config(&format!("panicPercent: 0, {check}"), &[&a])
    };
    let gateway = Gateway::start(&only(204)).await;
    timeout(PATIENCE, async {
        while health.questions() < 5 {
            sleep(Duration::from_millis(20)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!((answers(&gateway, 5).await, a.questions()), (vec!["200 a".to_owned()], 0));
    gateway.rewrite(&only(200));
    let reached = async {
        while send(gateway.address, get("/")).await.status != StatusCode::SERVICE_UNAVAILABLE {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("204 is not good any more");
}

#[tokio::test]
async fn checks_end_with_their_configuration_and_their_endpoints() {
    let (a, b) = (Patient::start("a", Speaks::Http1).await, Patient::start("b", Speaks::Http1).await);
    let probe = check("{http: {path: /healthz}}");
    let gateway = Gateway::start(&config(&probe, &[&a, &b])).await;
    b.falls_ill();
    until(&gateway, &["200 a"]).await;
    // It is unwell; without checks nobody would find out that it is well again.
    gateway.rewrite(&config("panicPercent: 50", &[&a, &b]));
    until(&gateway, &["200 a", "200 b"]).await;
    sleep(Duration::from_millis(200)).await;
    let before = (a.questions(), b.questions());
    sleep(Duration::from_millis(500)).await;
    assert_eq!((a.questions(), b.questions()), before);
    gateway.rewrite(&config(&probe, &[&a]));
    until(&gateway, &["200 a"]).await;
    sleep(Duration::from_millis(500)).await;
    assert!(a.questions() >= before.0 + 3, "{} after {}", a.questions(), before.0);
    assert_eq!(b.questions(), before.1);
    // The same questions to more endpoints: nobody is asked twice as often.
    gateway.rewrite(&config(&format!("{probe}, slowStartMs: 1"), &[&a, &b]));
    until(&gateway, &["200 a"]).await;
    let before = a.questions();
    sleep(Duration::from_secs(1)).await;
    let asked = a.questions() - before;
    assert!((5..=15).contains(&asked), "{asked} questions in a second");
}

#[tokio::test]
async fn a_new_endpoint_begins_slowly() {
    let (a, b) = (Patient::start("a", Speaks::Http1).await, Patient::start("b", Speaks::Http1).await);
    let gateway = Gateway::start(&config("slowStartMs: 600000", &[&a])).await;
    answers(&gateway, 10).await;
    gateway.rewrite(&config("slowStartMs: 600000", &[&a, &b]));
    let reached = async {
        while b.requests() == 0 {
            answers(&gateway, 1).await;
        }
    };
    timeout(PATIENCE, reached).await.expect("it gets some");
    let before = b.requests();
    answers(&gateway, 400).await;
    let share = b.requests() - before;
    // A tenth of a half is 20.
    assert!((3..=60).contains(&share), "{share} of 400");
}
