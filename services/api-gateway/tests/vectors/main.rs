//! Raw bytes against the gateway, by the sections of the RFCs, with a backend that keeps what it got: what was forwarded
//! counts, not only what the client was told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, missing_docs, reason = "tests")]

mod capture;
mod connections;
mod fields;
mod framing;
mod hosts;
mod lines;
mod paths;

use std::{fmt::Write as _, time::Duration};

use clap::Parser;
use flotilla_api_gateway::{app::Gateway, config::Config};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::oneshot,
    time::timeout,
};

use self::capture::Capture;

/// A name, what is sent, the statuses of all answers, and the whole requests that the backend gets: `METHOD target|header: value|...|body`.
type Vector = (&'static str, &'static [u8], &'static [u16], &'static [&'static str]);

/// As many as were promised, or more.
const LEAST: usize = 140;

/// How long an answer is waited for. The gateway itself waits for one second.
const PATIENCE: Duration = Duration::from_secs(10);

fn all() -> Vec<(&'static str, &'static [Vector])> {
    let parts = [lines::ALL, hosts::ALL, fields::ALL, framing::ALL, connections::ALL, paths::ALL];
    parts.concat()
}

async fn gateway(backend: &Capture) -> (TempDir, std::net::SocketAddr, oneshot::Sender<()>) {
    let folder = TempDir::new().unwrap();
    let port = flotilla_testbed::port::free().unwrap().port();
    let file = folder.path().join("gateway.yaml");
    let yaml = format!(
        "
listeners: [{{name: web, port: {port}, protocol: HTTP}}]
routes: [{{name: r, rules: [{{backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{{host: 127.0.0.1, port: {}}}]}}}}
",
        backend.port
    );
    std::fs::write(&file, yaml).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let arguments = [
        "api-gateway",
        "--config",
        &file,
        "--bind",
        "127.0.0.1",
        "--admin",
        "127.0.0.1:0",
        "--workers",
        "1",
        "--head-seconds",
        "1",
        "--body-seconds",
        "1",
        "--idle-seconds",
        "1",
        "--access-log",
        "0",
        "--leaving-seconds",
        "0",
        "--max-body-bytes",
        "100000",
    ];
    let gateway = Gateway::start(&Config::parse_from(arguments)).await.unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(gateway.run_until(async {
        let _dropped = stopped.await.is_err();
    }));
    (folder, ([127, 0, 0, 1], port).into(), stop)
}

/// Sends bytes and then waits; returns the statuses of all answers.
async fn exchange(address: std::net::SocketAddr, bytes: &[u8]) -> Vec<u16> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Whoever is refused early may not take the rest.
    let _refused = stream.write_all(bytes).await.is_err();
    let mut all = Vec::new();
    let is_endless = timeout(PATIENCE, stream.read_to_end(&mut all)).await.is_err();
    let text = String::from_utf8_lossy(&all);
    text.match_indices("HTTP/1.")
        .filter(|(at, _)| {
            *at == 0 || text.get(..*at).is_some_and(|before| before.ends_with('\n') || before.ends_with('}'))
        })
        .map(|(at, found)| {
            text.get(at + found.len() + 2..).and_then(|rest| rest.get(..3)?.parse().ok()).unwrap()
        })
        .filter(|status| *status != 100)
        // What should end and does not has another one.
        .chain(is_endless.then_some(0))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_vector_is_answered_and_forwarded_as_it_should_be() {
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    let mut running = tokio::task::JoinSet::new();
    let mut count = 0;
    for (section, vectors) in all() {
        for (name, bytes, statuses, forwarded) in vectors {
            count += 1;
            running.spawn(async move {
                let backend = Capture::start().await;
                let (_folder, address, stop) = gateway(&backend).await;
                let found = exchange(address, bytes).await;
                drop(stop);
                let got = backend.seen().await;
                let mut wrong = String::new();
                if found != *statuses || got != *forwarded {
                    write!(
                        wrong,
                        "\n{section}: {name}\n  sent      {:?}\n  answered  {found:?}\n  expected  {statuses:?}\n  forwarded {got:?}\n  expected  {forwarded:?}",
                        String::from_utf8_lossy(&bytes[..bytes.len().min(200)])
                    )
                    .unwrap();
                }
                wrong
            });
            // Not all at once: each has a gateway of its own.
            while running.len() >= 16 {
                collect(&mut running).await;
            }
        }
    }
    while !running.is_empty() {
        collect(&mut running).await;
    }
    let wrong = WRONG.lock().unwrap().join("\n");
    assert!(wrong.is_empty(), "{wrong}");
    assert!(count >= LEAST, "{count}");
}

static WRONG: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

async fn collect(running: &mut tokio::task::JoinSet<String>) {
    let wrong = running.join_next().await.unwrap().unwrap();
    if !wrong.is_empty() {
        WRONG.lock().unwrap().push(wrong);
    }
}
