//! Traces: what a collector gets, and what backends are told.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind, status::StatusCode as SpanStatus},
};
use prost::Message;
use tokio::{
    net::TcpListener,
    time::{sleep, timeout},
};

use crate::{
    backend::Backend,
    client::{get, got, send},
    gateway::{Gateway, PATIENCE, free_port},
};

/// Takes traces as a collector does, and decodes them.
struct Collector {
    address: SocketAddr,
    taken: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    is_down: Arc<AtomicBool>,
}

impl Collector {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let collector =
            Self { address: listener.local_addr().unwrap(), taken: Arc::default(), is_down: Arc::default() };
        let (taken, is_down) = (Arc::clone(&collector.taken), Arc::clone(&collector.is_down));
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (taken, is_down) = (Arc::clone(&taken), Arc::clone(&is_down));
                let service = service_fn(move |request| {
                    let (taken, is_down) = (Arc::clone(&taken), Arc::clone(&is_down));
                    async move { Ok::<_, Infallible>(take(request, &taken, &is_down).await) }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        collector
    }

    fn flag(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    fn spans(&self) -> Vec<Span> {
        let taken = self.taken.lock().unwrap();
        let scopes =
            taken.iter().flat_map(|taken| &taken.resource_spans).flat_map(|spans| &spans.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    async fn gets(&self, count: usize) -> Vec<Span> {
        let reached = async {
            while self.spans().len() < count {
                sleep(Duration::from_millis(20)).await;
            }
            self.spans()
        };
        timeout(PATIENCE, reached).await.unwrap_or_else(|_| panic!("{} of {count} spans", self.spans().len()))
    }
}

async fn take(
    request: Request<Incoming>,
    taken: &Mutex<Vec<ExportTraceServiceRequest>>,
    is_down: &AtomicBool,
) -> Response<Full<Bytes>> {
    assert_eq!(request.uri().path(), "/v1/traces");
    assert_eq!(request.headers()[header::CONTENT_TYPE], "application/x-protobuf");
    let body = request.into_body().collect().await.unwrap().to_bytes();
    let mut response = Response::new(Full::default());
    if is_down.load(Ordering::Relaxed) {
        *response.status_mut() = StatusCode::BAD_REQUEST;
    } else {
        taken.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
    }
    response
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<&str, String> {
    let text = |pair: &KeyValue| match pair.value.as_ref().unwrap().value.as_ref().unwrap() {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::DoubleValue(number) => format!("{}", *number > 0.0),
        other => panic!("{other:?}"),
    };
    attributes.iter().map(|pair| (pair.key.as_str(), text(pair))).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"))
}

fn with_parent(flags: &str) -> Request<Full<Bytes>> {
    let mut request = get("/orders?secret=1");
    let parent = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
    request.headers_mut().insert("traceparent", parent.parse().unwrap());
    request.headers_mut().insert("tracestate", "vendor=1".parse().unwrap());
    request
}

async fn before(backend: &Backend, collector: &Collector, share: &str) -> Gateway {
    Gateway::before(backend, &["--otlp-endpoint", &collector.flag(), "--traces", share]).await
}

#[tokio::test]
async fn a_trace_goes_on_through_the_gateway() {
    let (backend, collector) = (Backend::start().await, Collector::start().await);
    let gateway = before(&backend, &collector, "0").await;
    let answer = send(gateway.address, with_parent("01")).await;
    let spans = collector.gets(1).await;
    let span = &spans[0];
    assert_eq!(hex(&span.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex(&span.parent_span_id), "00f067aa0ba902b7");
    assert_eq!((span.name.as_str(), span.kind), ("GET r", SpanKind::Server as i32));
    // Who comes next has the gateway as its parent.
    let told = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-{}-01", hex(&span.span_id));
    assert_eq!(
        (answer.got("traceparent"), answer.got("tracestate")),
        (vec![told], vec!["vendor=1".to_owned()])
    );
    assert!(span.start_time_unix_nano > 0 && span.end_time_unix_nano >= span.start_time_unix_nano);
    assert!(span.end_time_unix_nano - span.start_time_unix_nano < 10_000_000_000);
    let attributes = texts(&span.attributes);
    let endpoint = backend.address.to_string();
    for (key, value) in [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("url.scheme", "http"),
        ("url.path", "/orders"),
        ("server.address", "a.test"),
        ("network.protocol.version", "1.1"),
        ("client.address", "127.0.0.1"),
        ("flotilla.route", "r"),
        ("flotilla.backend", "a"),
        ("flotilla.endpoint", endpoint.as_str()),
        ("flotilla.attempts", "1"),
        ("flotilla.upstream_ms", "true"),
    ] {
        assert_eq!(attributes.get(key).map(String::as_str), Some(value), "{key}");
    }
    assert!(
        !attributes.contains_key("error.type") && span.status.as_ref().is_none_or(|status| status.code == 0)
    );
    {
        let taken = collector.taken.lock().unwrap();
        let resource = taken[0].resource_spans[0].resource.as_ref().unwrap();
        assert_eq!(texts(&resource.attributes)["service.name"], "api-gateway");
    }

    // What others do not record, and what is in no trace.
    let answer = send(gateway.address, with_parent("00")).await;
    let untouched = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    assert_eq!(answer.got("traceparent"), [untouched]);
    let answer = send(gateway.address, get("/")).await;
    assert_eq!(answer.got("traceparent"), [""; 0]);
    gateway.ended().await;
    assert_eq!(collector.spans().len(), 1);
}

#[tokio::test]
async fn traces_begin_here_and_errors_are_in_them() {
    let (backend, collector) = (Backend::start().await, Collector::start().await);
    let yaml = format!(
        "
listeners: [{{name: web, port: PORT, protocol: HTTP}}]
routes: [{{name: r, rules: [
  {{matches: [{{path: {{pathPrefix: /gone}}}}], backends: [{{backend: gone}}]}},
  {{matches: [{{path: {{pathPrefix: /good}}}}], backends: [{{backend: a}}]}}]}}]
backends: {{a: {{endpoints: [{}]}}, gone: {{endpoints: [{{host: 127.0.0.1, port: {}}}]}}}}
",
        backend.endpoint(),
        free_port()
    );
    let gateway = Gateway::with(&yaml, &["--otlp-endpoint", &collector.flag(), "--traces", "1"]).await;
    assert_eq!(send(gateway.address, get("/good")).await.status, StatusCode::OK);
    let told = got(&backend.last.lock().unwrap(), "traceparent");
    assert_eq!(send(gateway.address, get("/gone")).await.status, StatusCode::BAD_GATEWAY);
    assert_eq!(send(gateway.address, get("/nowhere")).await.status, StatusCode::NOT_FOUND);
    // What has just ended is sent before the gateway ends.
    gateway.ended().await;
    let spans = collector.spans();
    assert_eq!(spans.len(), 3);
    let of = |status: &str| {
        let is_it = |span: &&Span| texts(&span.attributes)["http.response.status_code"] == status;
        let span = spans.iter().find(is_it).unwrap();
        assert!(span.parent_span_id.is_empty(), "it has a parent");
        let code = span.status.as_ref().map_or(0, |status| status.code);
        let error = texts(&span.attributes).get("error.type").cloned().unwrap_or_default();
        (span.clone(), code, error)
    };
    let (good, code, error) = of("200");
    assert_eq!((code, error.as_str()), (SpanStatus::Unset as i32, ""));
    assert_eq!(told, [format!("00-{}-{}-01", hex(&good.trace_id), hex(&good.span_id))]);
    let (gone, code, error) = of("502");
    assert_eq!((code, error.as_str()), (SpanStatus::Error as i32, "unreachable"));
    assert_ne!(gone.trace_id, good.trace_id);
    let (nowhere, code, error) = of("404");
    assert_eq!((nowhere.name.as_str(), code, error.as_str()), ("GET", SpanStatus::Unset as i32, "no-route"));
}

#[tokio::test]
async fn a_collector_that_is_down_slows_nobody() {
    let (backend, collector) = (Backend::start().await, Collector::start().await);
    collector.is_down.store(true, Ordering::Relaxed);
    let gateway = before(&backend, &collector, "1").await;
    for _ in 0..20 {
        assert_eq!(send(gateway.address, get("/")).await.status, StatusCode::OK);
    }
    let metric = async |name: &str| {
        let metrics = String::from_utf8(send(gateway.admin, get("/metrics")).await.body.to_vec()).unwrap();
        let line = metrics.lines().find_map(|line| line.strip_prefix(name).map(str::to_owned)).unwrap();
        line.trim().parse::<u64>().unwrap()
    };
    let lost = async {
        while metric("flotilla_gateway_lost_spans_total").await < 20 {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, lost).await.expect("they are counted");
    collector.is_down.store(false, Ordering::Relaxed);
    assert_eq!(send(gateway.address, get("/")).await.status, StatusCode::OK);
    collector.gets(1).await;
    assert_eq!(metric("flotilla_gateway_lost_spans_total").await, 20);
}

#[tokio::test]
async fn nothing_is_recorded_unless_somebody_wants_it() {
    let backend = Backend::start().await;
    let gateway = Gateway::before(&backend, &["--traces", "1"]).await;
    let answer = send(gateway.address, with_parent("01")).await;
    assert_eq!(answer.got("traceparent"), ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]);
    assert_eq!(send(gateway.address, get("/")).await.got("traceparent"), [""; 0]);
}
