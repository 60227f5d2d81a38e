//! A service from its start to a quiet end by SIGTERM.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{
    net::SocketAddr,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{Router, http::StatusCode, routing::get};
use bytes::Bytes;
use clap::Parser;
use flotilla_kit::{
    config,
    drain::{self, Announcement, Phase},
    health::Health,
    http::layer::{Limits, wrap},
    metrics::Metrics,
    serve::{Error, Service},
};
use flotilla_testbed::port;
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    listen: config::Listen,
}

async fn ask(address: SocketAddr, path: &str, is_http2: bool) -> (StatusCode, String) {
    let client = Client::builder(TokioExecutor::new()).http2_only(is_http2).build_http::<Empty<Bytes>>();
    let response = client.get(format!("http://{address}{path}").parse().unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

async fn eventually(address: SocketAddr, path: &str, status: StatusCode) {
    let reached = async {
        while TcpStream::connect(address).await.is_err() || ask(address, path, false).await.0 != status {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{path} is never {status}"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_not_ready_first_and_then_finishes_what_runs() {
    let [http, grpc, admin] = [(); 3].map(|()| port::free().unwrap());
    let flags = [
        "service",
        "--http",
        &http.to_string(),
        "--grpc",
        &grpc.to_string(),
        "--admin",
        &admin.to_string(),
        "--leaving-seconds",
        "3",
        "--ending-seconds",
        "10",
    ];
    let listen = Arguments::try_parse_from(flags).unwrap().listen;
    let announcement = Announcement::default();
    let metrics = Arc::new(Metrics::new("test-service", "0"));
    let handlers = Router::new().route("/quick", get(|| async { "quick" })).route(
        "/slow",
        get(|| async {
            // Longer than it leaves.
            sleep(Duration::from_secs(5)).await;
            "slow"
        }),
    );
    let (ending, has_worked) = (announcement.hear(), Arc::new(AtomicBool::new(false)));
    let worked = Arc::clone(&has_worked);
    let service = Service {
        http: wrap(handlers, Limits::default(), Arc::clone(&metrics)),
        grpc: Some(Router::new().route("/shop.test.v1.Test/Get", get(|| async { "grpc" }))),
        health: Arc::new(Health::new(announcement.hear())),
        metrics,
        announcement,
        background: vec![(
            "a worker",
            Box::pin(async move {
                ending.at_least(Phase::Ending).await;
                worked.store(true, Ordering::SeqCst);
            }),
        )],
    };
    let running =
        tokio::spawn(async move { service.run(&listen, async { drain::stop().await.unwrap() }).await });
    eventually(admin, "/readyz", StatusCode::OK).await;
    assert_eq!(ask(http, "/quick", false).await, (StatusCode::OK, "quick".to_owned()));
    assert_eq!(ask(http, "/quick", true).await.1, "quick");
    assert_eq!(ask(grpc, "/shop.test.v1.Test/Get", true).await.1, "grpc");

    let slow = tokio::spawn(async move { ask(http, "/slow", true).await });
    sleep(Duration::from_millis(300)).await;
    let kill = Command::new("kill").arg("-TERM").arg(std::process::id().to_string()).status().unwrap();
    assert!(kill.success());
    eventually(admin, "/readyz", StatusCode::SERVICE_UNAVAILABLE).await;
    // Others do not know yet that it leaves.
    assert_eq!(ask(http, "/quick", false).await.1, "quick");
    assert!(!has_worked.load(Ordering::SeqCst));
    assert_eq!(timeout(PATIENCE, slow).await.unwrap().unwrap().1, "slow");
    timeout(PATIENCE, running).await.unwrap().unwrap().unwrap();
    assert!(has_worked.load(Ordering::SeqCst));
    assert!(TcpStream::connect(http).await.is_err());
}

#[tokio::test]
async fn it_says_where_it_cannot_listen_and_what_ended() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = |background| {
        let announcement = Announcement::default();
        Service {
            http: Router::new(),
            grpc: None,
            health: Arc::new(Health::new(announcement.hear())),
            metrics: Arc::new(Metrics::new("test-service", "0")),
            announcement,
            background,
        }
    };
    let listen = |http: SocketAddr| {
        let flags = ["service".to_owned(), format!("--http={http}"), "--admin=127.0.0.1:0".to_owned()];
        Arguments::try_parse_from(flags).unwrap().listen
    };
    let error = service(Vec::new())
        .run(&listen(taken.local_addr().unwrap()), std::future::pending())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("SHOP_HTTP"), "{error}");
    let free = listen(port::free().unwrap());
    let ended = service(vec![("the relay", Box::pin(async {}))]).run(&free, std::future::pending()).await;
    assert!(matches!(ended, Err(Error::Ended("the relay"))), "{ended:?}");
}
