//! Calls of services.

use std::{sync::atomic::Ordering, time::Duration};

use flotilla_kit::{auth::Subject, correlation::CorrelationId};
use flotilla_proto::notification::{ExportUserDataRequest, GetStatusRequest};
use tokio::time::{sleep, timeout};
use tonic::{Code, Request, metadata::MetadataValue};

use crate::server::{NAME, PATIENCE, log, send, signer, spans, start};

fn export(what: &str) -> ExportUserDataRequest {
    ExportUserDataRequest { user_id: what.to_owned() }
}

#[tokio::test]
async fn a_call_is_known_by_who_makes_it_and_by_its_correlation_id_and_trace() {
    let server = start().await;
    let id = CorrelationId::parse("call-1").unwrap();
    let mut request = id.enter(|| server.request(send("welcome")));
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    request.metadata_mut().insert("traceparent", MetadataValue::from_static(parent));
    let response = server.client().send(request).await.unwrap();
    assert_eq!(response.metadata().get("x-correlation-id").unwrap(), "call-1");
    let said = response.into_inner();
    assert_eq!(
        (said.id.as_str(), said.template.as_str(), said.user_id.as_str()),
        ("call-1", "order-service", "ann")
    );
    assert!(said.status.contains("4bf92f3577b34da6a3ce929d0e0e4736"), "{}", said.status);

    server.called("Send", "OK", 1).await;
    server.measured(&format!(r#"flotilla_shop_running_requests{{service="{NAME}"}} 0"#)).await;
    let line =
        log().lines().find(|line| line.contains("answered") && line.contains("call-1")).unwrap().to_owned();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (line["method"].as_str(), line["status"].as_str()),
        (Some("/shop.notification.v1.Notifications/Send"), Some("OK"))
    );
    assert!(line["duration_ms"].as_f64().unwrap() < 20_000.0);
    let spans = spans();
    let span = spans.lines().find(|span| span.contains("4bf92f3577b34da6a3ce929d0e0e4736")).unwrap();
    assert!(span.contains("00f067aa0ba902b7") && span.contains("rpc.grpc.status_code"), "{span}");
}

#[tokio::test]
async fn who_does_not_say_who_it_is_comes_to_no_handler() {
    let server = start().await;
    let mut client = server.client();
    let (stranger, _) = signer("order-service");
    let forged = stranger.sign(NAME, &Subject::default()).unwrap();
    let of_another = server.signer.sign("user-service", &Subject::default()).unwrap();
    let good = server.signer.sign(NAME, &Subject::default()).unwrap();
    let tokens = [
        vec![],
        vec!["nonsense"],
        vec![forged.expose()],
        vec![of_another.expose()],
        vec![good.expose(), good.expose()],
    ];
    let count = u32::try_from(tokens.len()).unwrap();
    for tokens in tokens {
        let mut request = Request::new(send("welcome"));
        for token in &tokens {
            request.metadata_mut().append("x-internal-identity", token.parse().unwrap());
        }
        let status = client.send(request).await.unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{tokens:?}: {status:?}");
        let mut request = Request::new(export("all"));
        for token in &tokens {
            request.metadata_mut().append("x-internal-identity", token.parse().unwrap());
        }
        assert_eq!(client.export_user_data(request).await.unwrap_err().code(), Code::Unauthenticated);
    }
    assert_eq!(server.seen.begun.load(Ordering::SeqCst), 0);
    server.called("Send", "UNAUTHENTICATED", count).await;
    let log = log();
    for token in [forged, of_another, good] {
        assert!(!log.contains(token.expose()));
    }
    client.send(server.request(send("welcome"))).await.unwrap();
    let status = client.get_status(server.request(GetStatusRequest::default())).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::PermissionDenied, "this is for user-service"));
}

#[tokio::test]
async fn a_panic_is_a_status_and_the_service_goes_on() {
    let server = start().await;
    let mut client = server.client();
    let status = client.send(server.request(send("panic"))).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(!status.message().contains("it panics"), "{status:?}");
    // In the middle of an answer.
    let mut records = client.export_user_data(server.request(export("panic"))).await.unwrap().into_inner();
    records.message().await.unwrap().unwrap();
    assert_eq!(records.message().await.unwrap_err().code(), Code::Internal);
    client.send(server.request(send("welcome"))).await.unwrap();
    server.called("Send", "INTERNAL", 1).await;
    server.called("ExportUserData", "INTERNAL", 1).await;
    server.called("Send", "OK", 1).await;
}

#[tokio::test]
async fn a_stream_belongs_to_its_call_until_it_ends() {
    let server = start().await;
    let mut client = server.client();
    let id = CorrelationId::parse("stream-1").unwrap();
    let request = id.enter(|| server.request(export("refuse")));
    let mut records = client.export_user_data(request).await.unwrap().into_inner();
    assert_eq!(records.message().await.unwrap().unwrap().source, "stream-1");
    assert_eq!(records.message().await.unwrap_err().code(), Code::DataLoss);
    server.called("ExportUserData", "DATA_LOSS", 1).await;
    let mut records = client.export_user_data(server.request(export("all"))).await.unwrap().into_inner();
    while records.message().await.unwrap().is_some() {}
    server.called("ExportUserData", "OK", 1).await;
    server.measured(&format!(r#"flotilla_shop_running_requests{{service="{NAME}"}} 0"#)).await;
}

#[tokio::test]
async fn what_nobody_waits_for_is_not_gone_on_with() {
    let server = start().await;
    let mut client = server.client();
    // It goes before there is an answer, and long before the time that it has said.
    let begun = async {
        while server.seen.begun.load(Ordering::SeqCst) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        answer = client.send(server.request(send("for ever"))) => panic!("{answer:?}"),
        () = begun => {}
    }
    server.called("Send", "CANCELLED", 1).await;
    // It has said how long it waits, and stays.
    assert_eq!(server.raw("Send", &send("for ever"), "200m").await, Code::DeadlineExceeded);
    assert_eq!(server.raw("Send", &send("welcome"), "soon").await, Code::InvalidArgument);
    // It goes in the middle of an answer.
    let mut records = client.export_user_data(server.request(export("for ever"))).await.unwrap().into_inner();
    records.message().await.unwrap().unwrap();
    server.measured(&format!(r#"flotilla_shop_running_requests{{service="{NAME}"}} 1"#)).await;
    drop(records);
    server.called("ExportUserData", "CANCELLED", 1).await;
    let dropped = async {
        while server.seen.dropped.load(Ordering::SeqCst) < 3 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, dropped).await.unwrap();
    server.measured(&format!(r#"flotilla_shop_running_requests{{service="{NAME}"}} 0"#)).await;
}
