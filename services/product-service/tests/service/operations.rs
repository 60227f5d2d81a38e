//! The program as it is run: migrations, start, health and a quiet end.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use axum::body::Body;
use flotilla_testbed::port;
use tokio::time::sleep;
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::shop::{ask, database_of_its_own, start};

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ended = self.0.kill().is_ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_migrates_serves_and_ends_when_it_is_told_to() {
    let database = database_of_its_own().await;
    let [http, grpc, admin] = [(); 3].map(|()| port::free().unwrap().to_string());
    let program = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_product-service"));
        command
            .env_clear()
            .env("SHOP_DATABASE_URL", database.expose())
            .env("SHOP_BUS_URL", database.expose());
        command.env("SHOP_CURSOR_KEY", "a key").env("SHOP_LEAVING_SECONDS", "0");
        command.env("SHOP_HTTP", &http).env("SHOP_GRPC", &grpc).env("SHOP_ADMIN", &admin);
        command.stderr(Stdio::null()).args(arguments);
        command
    };
    let mut serving = Program(program(&[]).spawn().unwrap());
    let ready = async || ask(&format!("http://{admin}/readyz"), Body::empty()).await;
    // Without its tables it runs and is not ready, and does not make them.
    let reached = async |wanted: &str| {
        for _ in 0..1_000 {
            if ready().await.is_some_and(|text| text.starts_with(wanted)) {
                return;
            }
            sleep(Duration::from_millis(30)).await;
        }
        panic!("it never says {wanted}: {:?}", ready().await);
    };
    reached("it has no database").await;
    for _ in 0..2 {
        assert!(program(&["migrate"]).status().unwrap().success());
    }
    reached("ok").await;
    assert!(program(&["outbox", "replay", "--since", "2026-01-01T00:00:00Z"]).status().unwrap().success());
    assert!(
        !program(&["outbox", "replay", "--since", "2026-01-01T00:00:00Z", "--type", "No Type"])
            .status()
            .unwrap()
            .success()
    );
    assert!(!program(&[]).env_remove("SHOP_CURSOR_KEY").status().unwrap().success());
    let metrics = ask(&format!("http://{admin}/metrics"), Body::empty()).await.unwrap();
    assert!(metrics.contains("flotilla_shop_build_info{service=\"product-service\""), "{metrics}");
    let id = serving.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || serving.0.wait()).await.unwrap().unwrap();
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_tells_of_its_health_and_of_what_it_has() {
    let shop = start().await;
    let mut health = HealthClient::new(shop.channel().await);
    let check = HealthCheckRequest { service: "shop.product.v1.Products".to_owned() };
    let status = health.check(check).await.unwrap().into_inner().status();
    assert_eq!(status, ServingStatus::Serving);
    let mut reflection = ServerReflectionClient::new(shop.channel().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers =
        reflection.server_reflection_info(futures::stream::iter([request])).await.unwrap().into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("no list");
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    assert!(
        names.contains(&"shop.product.v1.Products") && names.contains(&"grpc.health.v1.Health"),
        "{names:?}"
    );
    let unknown = HealthCheckRequest { service: "shop.product.v1.None".to_owned() };
    assert_eq!(health.check(unknown).await.unwrap_err().code(), Code::NotFound);
    shop.stop().await;
}
