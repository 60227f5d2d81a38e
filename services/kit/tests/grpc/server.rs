//! The service behind a socket, and what it writes.

use std::{
    fmt::Write as _,
    io::{self, Write},
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use flotilla_kit::{
    Secret,
    auth::{Signer, Subject, Trust},
    config::LogFormat,
    drain::Announcement,
    grpc,
    metrics::Metrics,
    serve, telemetry,
    trace::{self, Traces},
};
use flotilla_proto::{
    DESCRIPTORS,
    notification::{
        SendRequest, notifications_client::NotificationsClient, notifications_server::NotificationsServer,
    },
};
use http_body_util::Full;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use prost::Message;
use rcgen::{KeyPair, PKCS_ED25519, PublicKeyData};
use serde_json::json;
use tokio::{
    net::TcpListener,
    sync::mpsc,
    time::{sleep, timeout},
};
use tonic::{Code, Request, transport::Channel};
use tracing_subscriber::fmt::MakeWriter;

use crate::service::{Seen, Service};

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The name of the service, for those who call it.
pub(crate) const NAME: &str = "notification-service";

/// What is written by all tests of this program.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Written {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Spans that have ended, of all tests: those that come, and those that have been looked at.
type Spans = Mutex<(mpsc::Receiver<trace::Message>, String)>;

fn written() -> &'static (Written, Spans) {
    static WRITTEN: OnceLock<(Written, Spans)> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let written = Written::default();
        let (traces, spans) = Traces::new("test-service", 1.0, Arc::new(Metrics::new("test-service", "0")));
        let subscriber =
            telemetry::subscriber("trace", LogFormat::Json, Some(traces.tracer()), written.clone()).unwrap();
        tracing::subscriber::set_global_default(subscriber).unwrap();
        (written, Mutex::new((spans, String::new())))
    })
}

/// All lines of the log.
pub(crate) fn log() -> String {
    String::from_utf8(written().0.0.lock().unwrap().clone()).unwrap()
}

/// All that has been recorded.
pub(crate) fn spans() -> String {
    let mut spans = written().1.lock().unwrap();
    let (coming, text) = &mut *spans;
    while let Ok(message) = coming.try_recv() {
        writeln!(text, "{message:?}").unwrap();
    }
    text.clone()
}

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) announcement: Announcement,
    pub(crate) seen: Arc<Seen>,
    /// Somebody that it trusts.
    pub(crate) signer: Signer,
    pub(crate) channel: Channel,
}

/// A service's key, and what others know of it.
pub(crate) fn signer(service: &str) -> (Signer, serde_json::Value) {
    let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let x = BASE64_URL_SAFE_NO_PAD.encode(pair.der_bytes());
    let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "kid": format!("{service}/1"), "x": x });
    (Signer::new(service, "1", &Secret::new(pair.serialize_pem())).unwrap(), jwk)
}

pub(crate) async fn start() -> Server {
    written();
    let (signer, jwk) = signer("order-service");
    let trust = Trust::new(NAME, &json!({ "keys": [jwk] }).to_string()).unwrap();
    let metrics = Arc::new(Metrics::new(NAME, "0"));
    let (announcement, service) = (Announcement::default(), Service::default());
    let seen = Arc::clone(&service.0);
    let router = grpc::router(
        NotificationsServer::new(service),
        DESCRIPTORS,
        trust,
        &announcement.hear(),
        Arc::clone(&metrics),
    )
    .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve::serve(listener, router, announcement.hear()));
    let channel = grpc::channel(format!("http://{address}").parse().unwrap());
    Server { address, metrics, announcement, seen, signer, channel }
}

impl Server {
    pub(crate) fn client(&self) -> NotificationsClient<Channel> {
        NotificationsClient::new(self.channel.clone())
    }

    /// A request of somebody who is trusted.
    pub(crate) fn request<T>(&self, message: T) -> Request<T> {
        let subject = Subject { user: Some("ann".to_owned()), ..Subject::default() };
        grpc::request(message, &self.signer, NAME, &subject, PATIENCE).unwrap()
    }

    /// What a method says to somebody who waits for as long as it takes, whatever is said of that.
    pub(crate) async fn raw(&self, method: &str, message: &impl Message, timeout: &str) -> Code {
        let mut body = vec![0];
        body.extend(u32::try_from(message.encoded_len()).unwrap().to_be_bytes());
        message.encode(&mut body).unwrap();
        let identity = self.signer.sign(NAME, &Subject::default()).unwrap();
        let path = format!("/shop.notification.v1.Notifications/{method}");
        let request = axum::http::Request::post(format!("http://{}{path}", self.address))
            .header("content-type", "application/grpc")
            .header("x-internal-identity", identity.expose())
            .header("grpc-timeout", timeout)
            .body(Full::new(Bytes::from(body)))
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).http2_only(true).build_http();
        let response = client.request(request).await.unwrap();
        Code::from_bytes(response.headers()["grpc-status"].as_bytes())
    }

    /// Waits until the metrics have a line.
    pub(crate) async fn measured(&self, line: &str) {
        let has = async {
            while !self.metrics.encode().unwrap().lines().any(|known| known == line) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let missing = || panic!("{line} is not in\n{}", self.metrics.encode().unwrap());
        timeout(PATIENCE, has).await.unwrap_or_else(|_late| missing());
    }

    /// Waits until so many calls of a method have ended with a status.
    pub(crate) async fn called(&self, method: &str, code: &str, times: u32) {
        let method = match method {
            "unknown" => method.to_owned(),
            method => format!("/shop.notification.v1.Notifications/{method}"),
        };
        let labels = format!(r#"service="{NAME}",method="{method}",code="{code}""#);
        self.measured(&format!("flotilla_shop_calls_total{{{labels}}} {times}")).await;
    }
}

/// Asks for what a template stands for.
pub(crate) fn send(template: &str) -> SendRequest {
    SendRequest { template: template.to_owned(), ..SendRequest::default() }
}
