//! What is for everybody, and what is there for nobody.

use bytes::Bytes;
use flotilla_kit::drain::Phase;
use flotilla_proto::notification::SendRequest;
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tonic::Code;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use crate::server::{Server, log, spans, start};

async fn health(server: &Server, service: &str) -> ServingStatus {
    let request = HealthCheckRequest { service: service.to_owned() };
    let mut client = HealthClient::new(server.channel.clone());
    client.check(request).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn health_is_for_everybody_and_ends_before_the_service_does() {
    let server = start().await;
    let services = ["", "shop.notification.v1.Notifications"];
    for service in services {
        assert_eq!(health(&server, service).await, ServingStatus::Serving, "{service}");
    }
    server.announcement.enter(Phase::Leaving);
    for service in services {
        while health(&server, service).await != ServingStatus::NotServing {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn reflection_tells_everybody_of_this_service_alone() {
    let server = start().await;
    let mut client = ServerReflectionClient::new(server.channel.clone());
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut answers = client.server_reflection_info(futures::stream::iter([ask])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else { panic!("{answer:?}") };
    let mut names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    names.sort();
    assert_eq!(names, ["grpc.health.v1.Health", "shop.notification.v1.Notifications"]);
}

#[tokio::test]
async fn what_is_secret_is_in_nothing_that_a_service_writes() {
    let server = start().await;
    let (password, token, card) =
        ("correct-horse-battery", "eyJhbGciOiJFZERTQSJ9.c2VjcmV0", "4000056655665556");
    let mut identities = Vec::new();
    for template in ["welcome", "panic", "refuse"] {
        let data_json = format!(r#"{{"password":"{password}","card":"{card}"}}"#);
        let message = SendRequest { template: template.to_owned(), data_json, ..SendRequest::default() };
        let mut request = server.request(message);
        let metadata = request.metadata_mut();
        metadata.insert("authorization", format!("Bearer {token}").parse().unwrap());
        identities.push(metadata.get("x-internal-identity").unwrap().to_str().unwrap().to_owned());
        if template == "refuse" {
            metadata.remove("x-internal-identity");
        }
        let answer = server.client().send(request).await;
        assert_eq!(answer.is_ok(), template == "welcome");
    }
    server.called("Send", "UNAUTHENTICATED", 1).await;
    let written = [("logs", log()), ("spans", spans()), ("metrics", server.metrics.encode().unwrap())];
    for (name, text) in &written {
        assert!(text.contains("shop.notification.v1.Notifications/Send"), "there is nothing in the {name}");
        for secret in [password, token, card].into_iter().chain(identities.iter().map(String::as_str)) {
            assert!(!text.contains(secret), "{secret} is in the {name}");
        }
    }
}

#[tokio::test]
async fn what_is_at_no_method_is_in_no_log_and_no_label() {
    let server = start().await;
    let card = "4242424242424242";
    let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http::<Full<Bytes>>();
    for path in
        [format!("/shop.notification.v1.Notifications/{card}"), format!("/{card}"), format!("/grpc.{card}/x")]
    {
        let request = axum::http::Request::post(format!("http://{}{path}", server.address))
            .header("content-type", "application/grpc")
            .body(Full::default())
            .unwrap();
        let response = client.request(request).await.unwrap();
        let code = Code::from_bytes(response.headers()["grpc-status"].as_bytes());
        assert!(matches!(code, Code::Unauthenticated | Code::Unimplemented), "{path}: {code:?}");
    }
    server.called("unknown", "UNAUTHENTICATED", 2).await;
    server.called("unknown", "UNIMPLEMENTED", 1).await;
    assert!(!log().contains(card) && !server.metrics.encode().unwrap().contains(card));
}
