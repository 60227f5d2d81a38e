//! Requests that belong together go to the same endpoint.

use std::collections::BTreeSet;

use http::Request;
use http_body_util::Full;

use crate::{
    backend::Speaks,
    client::{Answer, send},
    gateway::Gateway,
    patient::Patient,
};

fn config(affinity: &str, patients: &[Patient]) -> String {
    let endpoints: Vec<_> = patients.iter().map(Patient::endpoint).collect();
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}], affinity: {affinity}}}}}
",
        endpoints.join(", ")
    )
}

async fn patients() -> Vec<Patient> {
    let mut all = Vec::new();
    for name in ["a", "b", "c", "d"] {
        all.push(Patient::start(name, Speaks::Http1).await);
    }
    all
}

/// A request with a header, on a connection of its own: any worker may get it.
async fn with(gateway: &Gateway, name: &str, value: &str) -> Answer {
    let request = Request::get("/").header("host", "a.test").header(name, value);
    send(gateway.address, request.body(Full::default()).unwrap()).await
}

fn name(answer: &Answer) -> String {
    assert_eq!(answer.status, 200);
    String::from_utf8(answer.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_cookie_leads_back_until_its_endpoint_is_gone() {
    let mut patients = patients().await;
    let affinity = "{cookie: {name: session, key: secret}}";
    let (gateway, second) = (
        Gateway::start(&config(affinity, &patients)).await,
        Gateway::start(&config(affinity, &patients)).await,
    );
    let first = with(&gateway, "x-none", "1").await;
    let given = first.header("set-cookie").to_owned();
    let (cookie, attributes) = given.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; HttpOnly; SameSite=Lax");
    assert!(cookie.starts_with("session="), "{given}");
    for _ in 0..20 {
        // Another gateway comes to the same.
        for gateway in [&gateway, &second] {
            let answer = with(gateway, "cookie", &format!("theme=dark; {cookie}")).await;
            assert_eq!((name(&answer), answer.header("set-cookie")), (name(&first), ""));
        }
    }
    let others: BTreeSet<_> = {
        let mut others = BTreeSet::new();
        for _ in 0..60 {
            others.insert(name(&with(&gateway, "cookie", "session=0123456789abcdef").await));
        }
        others
    };
    assert_eq!(others.len(), 4, "who has no cookie goes anywhere");

    let gone = name(&first);
    let place = ["a", "b", "c", "d"].iter().position(|name| *name == gone).unwrap();
    patients.remove(place);
    gateway.rewrite(&config(affinity, &patients));
    let moved = loop {
        let answer = with(&gateway, "cookie", cookie).await;
        if name(&answer) != gone {
            break answer;
        }
    };
    let (cookie, _) = moved.header("set-cookie").split_once(';').unwrap();
    for _ in 0..20 {
        assert_eq!(name(&with(&gateway, "cookie", cookie).await), name(&moved));
    }
}

#[tokio::test]
async fn a_header_leads_back_when_it_is_sent_as_it_was_got() {
    let patients = patients().await;
    let yaml = config("{sessionHeader: {name: x-session, key: secret}}", &patients);
    let (gateway, second) = (Gateway::start(&yaml).await, Gateway::start(&yaml).await);
    let first = with(&gateway, "x-none", "1").await;
    let given = first.header("x-session").to_owned();
    assert_eq!((given.len(), first.header("set-cookie")), (16, ""));
    for gateway in [&gateway, &second].repeat(10) {
        let answer = with(gateway, "x-session", &given).await;
        assert_eq!((name(&answer), answer.header("x-session")), (name(&first), ""));
    }
    let answer = with(&gateway, "x-session", "of-others").await;
    assert_eq!(answer.header("x-session").len(), 16, "it gets one of ours");
}

#[tokio::test]
async fn the_keys_of_sessions_are_not_shown() {
    for affinity in
        ["{cookie: {name: session, key: SECRET}}", "{sessionHeader: {name: session, key: SECRET}}"]
    {
        let gateway = Gateway::start(&config(affinity, &patients().await)).await;
        let request = Request::get("/config").header("host", "a.test").body(Full::default()).unwrap();
        let shown = String::from_utf8(send(gateway.admin, request).await.body.to_vec()).unwrap();
        assert!(shown.contains("\"name\":\"session\"") && !shown.contains("SECRET"), "{shown}");
    }
}

#[tokio::test]
async fn the_same_header_goes_to_the_same_endpoint() {
    let patients = patients().await;
    let yaml = config("{header: x-user}", &patients);
    let (gateway, second) = (Gateway::start(&yaml).await, Gateway::start(&yaml).await);
    let mut places = BTreeSet::new();
    for user in 0..100 {
        let user = format!("user-{user}");
        let place = name(&with(&gateway, "x-user", &user).await);
        for gateway in [&gateway, &gateway, &second] {
            let answer = with(gateway, "x-user", &user).await;
            assert_eq!((name(&answer), answer.header("set-cookie")), (place.clone(), ""));
        }
        places.insert(place);
    }
    assert_eq!(places.len(), 4);
}

#[tokio::test]
async fn the_same_client_goes_to_the_same_endpoint() {
    let patients = patients().await;
    let yaml = config("sourceIp", &patients);
    let gateway = Gateway::start(&yaml).await;
    let own = name(&with(&gateway, "x-forwarded-for", "10.0.0.1").await);
    for number in 0..30 {
        // Nobody believes what a client says of itself.
        assert_eq!(name(&with(&gateway, "x-forwarded-for", &format!("10.0.0.{number}")).await), own);
    }
    let behind = Gateway::with(&yaml, &["--trusted-proxies", "127.0.0.0/8,10.1.0.0/16"]).await;
    let mut places = BTreeSet::new();
    for number in 0..100 {
        let client = format!("10.0.0.{number}");
        let place = name(&with(&behind, "x-forwarded-for", &client).await);
        // What stands before the client is its own word; what comes after are proxies.
        let longer = format!("203.0.113.{number}, {client}, 10.1.0.7");
        assert_eq!(name(&with(&behind, "x-forwarded-for", &longer).await), place);
        places.insert(place);
    }
    assert_eq!(places.len(), 4);
}
