//! The program itself.

use std::process::{Command, Stdio};

use axum::http::Method;
use bytes::Bytes;
use flotilla_testbed::port;
use tokio::{
    net::TcpStream,
    time::{Duration, sleep, timeout},
};

use crate::harness::{PATIENCE, database, master_key, send};

fn program(url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_user-service"));
    command.env("SHOP_DATABASE_URL", url).env("SHOP_BUS_URL", url).env("SHOP_USER_MASTER_KEY", master_key());
    command
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_migrates_serves_and_ends_quietly() {
    let url = database().await;
    let [http, grpc, admin] = [(); 3].map(|()| port::free().unwrap());
    let mut serve = program(&url);
    serve
        .env("SHOP_HTTP", http.to_string())
        .env("SHOP_GRPC", grpc.to_string())
        .env("SHOP_ADMIN", admin.to_string());
    serve.env("SHOP_LEAVING_SECONDS", "0").stderr(Stdio::null());
    let mut child = serve.spawn().unwrap();
    let until = async |status: u16| {
        let reached = async {
            while TcpStream::connect(admin).await.is_err()
                || send(admin, Method::GET, "/readyz", &[], Bytes::new()).await.status != status
            {
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("it is never {status}"));
    };
    // Without its tables it is there and not ready, and it makes none.
    until(503).await;
    let migrated = program(&url).arg("migrate").stderr(Stdio::null()).status().unwrap();
    assert!(migrated.success());
    until(200).await;
    send(http, Method::GET, "/.well-known/jwks.json", &[], Bytes::new()).await.is(200);
    let kill = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    assert!(kill.success());
    let ended =
        timeout(PATIENCE, tokio::task::spawn_blocking(move || child.wait().unwrap())).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_what_is_wrong_with_its_configuration() {
    let url = database().await;
    let output = program(&url).env("SHOP_USER_MASTER_KEY", "c2hvcnQ=").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && text.contains("SHOP_USER_MASTER_KEY is no key"), "{text}");
    let output = program(&url).env_remove("SHOP_USER_MASTER_KEY").output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("SHOP_USER_MASTER_KEY is needed"), "{text}");
    let output = program(&url).args(["grant", "--email", "a@b.co", "--role", "root"]).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("write customer, support or admin"), "{text}");
}
