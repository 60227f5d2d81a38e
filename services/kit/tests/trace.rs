//! What a collector gets of a request.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{Request, StatusCode},
    routing::{get, post},
};
use flotilla_kit::{
    config::LogFormat,
    http::layer::{Limits, wrap},
    metrics::Metrics,
    telemetry,
    trace::{Exporter, Traces, traceparent},
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest, common::v1::any_value::Value, trace::v1::span::SpanKind,
};
use prost::Message;
use tokio::net::TcpListener;
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;

const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_request_is_a_span_in_the_trace_that_it_came_with() {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
    let taken = Arc::new(Mutex::new(Vec::new()));
    let is_up = Arc::new(AtomicBool::new(true));
    let collector = Router::new().route(
        "/v1/traces",
        post({
            let (taken, is_up) = (Arc::clone(&taken), Arc::clone(&is_up));
            move |body: Bytes| async move {
                if !is_up.load(Ordering::SeqCst) {
                    return StatusCode::BAD_REQUEST;
                }
                taken.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
                StatusCode::OK
            }
        }),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move { axum::serve(listener, collector).await });

    let metrics = Arc::new(Metrics::new("test-service", "0"));
    let (traces, ended) = Traces::new("test-service", 0.0, Arc::clone(&metrics));
    let exporter = Exporter::new(&endpoint, "test-service", "1.2.3", Arc::clone(&metrics)).unwrap();
    tokio::spawn(exporter.run(ended));
    let subscriber =
        telemetry::subscriber("info", LogFormat::Json, Some(traces.tracer()), std::io::sink).unwrap();
    let handlers = Router::new().route("/v1/orders/{id}", get(|| async { traceparent().unwrap() }));
    let router = wrap(handlers, Limits::default(), Arc::clone(&metrics));
    let ask = || {
        let request = Request::get("/v1/orders/12")
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            .body(Body::empty())
            .unwrap();
        router.clone().oneshot(request)
    };
    async {
        ask().await.unwrap();
        traces.flush(PATIENCE).await;
        is_up.store(false, Ordering::SeqCst);
        ask().await.unwrap();
        traces.flush(PATIENCE).await;
    }
    .with_subscriber(subscriber)
    .await;

    assert_eq!((metrics.sent_spans.get(), metrics.lost_spans.get()), (1, 1));
    let taken = taken.lock().unwrap();
    let resource = &taken[0].resource_spans[0];
    let text = |value: &Option<opentelemetry_proto::tonic::common::v1::AnyValue>| match value
        .as_ref()
        .unwrap()
        .value
        .as_ref()
        .unwrap()
    {
        Value::StringValue(text) => text.clone(),
        other => format!("{other:?}"),
    };
    let of = |attributes: &[opentelemetry_proto::tonic::common::v1::KeyValue]| -> BTreeMap<String, String> {
        attributes.iter().map(|pair| (pair.key.clone(), text(&pair.value))).collect()
    };
    let service = of(&resource.resource.as_ref().unwrap().attributes);
    assert_eq!(
        (service["service.name"].as_str(), service["service.version"].as_str()),
        ("test-service", "1.2.3")
    );
    let span = &resource.scope_spans[0].spans[0];
    assert_eq!((span.name.as_str(), span.kind()), ("GET /v1/orders/{id}", SpanKind::Server));
    assert_eq!(span.trace_id[..2], [0x4b, 0xf9]);
    assert_eq!(span.parent_span_id[..4], [0x00, 0xf0, 0x67, 0xaa]);
    assert_eq!(of(&span.attributes)["http.route"], "/v1/orders/{id}");
}
