//! A changed configuration is taken while requests run, or refused as a whole.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::{sleep, timeout};

use crate::{
    backend::{Backend, Speaks},
    client::{Answer, get, http1, send},
    gateway::{Gateway, PATIENCE, free_port},
};

fn config(backend: &Backend, path: &str, more: &str) -> String {
    format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}{more}]
routes: [{{name: r, rules: [{{matches: [{{path: {{pathPrefix: {path}}}}}], backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}]}}}}
",
        backend.endpoint()
    )
}

async fn until(address: std::net::SocketAddr, path: &str, status: u16) {
    let reached = async {
        while send(address, get(path)).await.status.as_u16() != status {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{path} is never answered with {status}"));
}

async fn metric(gateway: &Gateway, name: &str) -> u64 {
    let metrics = String::from_utf8(send(gateway.admin, get("/metrics")).await.body.to_vec()).unwrap();
    let line =
        metrics.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn routes_change_and_no_request_fails() {
    let (a, b) = (Backend::start().await, Backend::with("b", Speaks::Http1, None).await);
    let gateway = Gateway::start(&config(&a, "/", "")).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let prober = tokio::spawn({
        let (is_over, address) = (Arc::clone(&is_over), gateway.address);
        async move {
            let mut connection = http1(address).await;
            let mut backends = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                connection.ready().await.unwrap();
                let answer = Answer::of(connection.send_request(get("/x")).await.unwrap()).await;
                assert_eq!(answer.status, 200);
                backends.push(answer.json()["backend"].as_str().unwrap().to_owned());
            }
            backends.dedup();
            backends
        }
    });
    sleep(Duration::from_millis(100)).await;
    for number in 1..=4 {
        let backend = if number % 2 == 0 { &a } else { &b };
        gateway.rewrite(&config(backend, "/", ""));
        timeout(PATIENCE, async {
            while metric(&gateway, "flotilla_gateway_config_loads_total").await <= number {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    is_over.store(true, Ordering::Relaxed);
    let backends = timeout(PATIENCE, prober).await.unwrap().unwrap();
    assert_eq!(backends, ["a", "b", "a", "b", "a"]);
}

#[tokio::test]
async fn a_bad_file_changes_nothing() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend, "/a", "")).await;
    let taken = free_port();
    let _other = std::net::TcpListener::bind(("127.0.0.1", taken)).unwrap();
    let port_in_use = format!(", {{name: more, port: {taken}, protocol: HTTP}}");
    let tls = ", {name: more, port: 1, protocol: HTTPS, tls: {certificates: [c]}}";
    let bad_certificate =
        config(&backend, "/b", tls) + "certificates: {c: {chain: '-----BEGIN', key: nothing}}\n";
    for (number, bad) in [
        "listeners: [".to_owned(),
        config(&backend, "b", ""),
        config(&backend, "/b", "").replace("backend: a", "backend: z"),
        config(&backend, "/b", &port_in_use),
        bad_certificate,
    ]
    .into_iter()
    .enumerate()
    {
        gateway.rewrite(&bad);
        timeout(PATIENCE, async {
            while metric(&gateway, "flotilla_gateway_config_load_failures_total").await <= number as u64 {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap_or_else(|_| panic!("{bad} is never refused"));
        assert_eq!(send(gateway.address, get("/a")).await.status, 200, "{bad}");
        assert_eq!(send(gateway.address, get("/b")).await.status, 404, "{bad}");
    }
    gateway.rewrite(&config(&backend, "/b", ""));
    until(gateway.address, "/b", 200).await;
}

#[tokio::test]
async fn ports_come_and_go() {
    let backend = Backend::start().await;
    let gateway = Gateway::start(&config(&backend, "/", "")).await;
    let port = free_port();
    let second = std::net::SocketAddr::new(gateway.address.ip(), port);
    assert!(tokio::net::TcpStream::connect(second).await.is_err());
    gateway.rewrite(&config(&backend, "/", &format!(", {{name: more, port: {port}, protocol: HTTP}}")));
    timeout(PATIENCE, async {
        while tokio::net::TcpStream::connect(second).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(send(second, get("/")).await.status, 200);
    gateway.rewrite(&config(&backend, "/", ""));
    timeout(PATIENCE, async {
        while tokio::net::TcpStream::connect(second).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .unwrap();
    assert_eq!(send(gateway.address, get("/")).await.status, 200);
}
