//! A password, a token and the number of a card go through a service; nothing that it writes has them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{
    fmt::Write as _,
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    http::{Request, header},
    routing::post,
};
use flotilla_bus::{Event, EventType};
use flotilla_kit::{
    Secret,
    config::LogFormat,
    http::{
        Json, Problem,
        layer::{Limits, wrap},
    },
    metrics::Metrics,
    telemetry,
    trace::{Message, Traces},
};
use http_body_util::BodyExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::ServiceExt;
use tracing::instrument::WithSubscriber;
use tracing_subscriber::fmt::MakeWriter;

const PASSWORD: &str = "correct-horse-battery";
const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.c2VjcmV0";
const CARD: &str = "4242424242424242";

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

impl Written {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Payment {
    password: Secret<String>,
    card: Secret<String>,
    amount: u32,
}

/// A handler that logs more than it should.
async fn pay(Json(payment): Json<Payment>) -> Result<Json<Payment>, Problem> {
    tracing::info!(?payment, card = %payment.card, password = ?payment.password, "paying");
    let kind = EventType::try_from("shop.payment.captured.v1").unwrap();
    let event = Event::new("/test", kind, "p-1", json!({ "card": payment.card.expose() }));
    tracing::info!(?event, "publishing");
    if payment.amount == 0 {
        let text = serde_json::to_string(&payment).unwrap();
        return Err(Problem::internal(&io::Error::other(text)));
    }
    Ok(Json(payment))
}

fn request(path: &str, body: &str) -> Request<Body> {
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::AUTHORIZATION, format!("Bearer {TOKEN}"))
        .header("x-correlation-id", "c-12")
        .body(Body::from(body.to_owned()))
        .unwrap()
}

#[tokio::test]
async fn what_is_secret_is_in_nothing_that_a_service_writes() {
    let written = Written::default();
    let metrics = Arc::new(Metrics::new("test-service", "0"));
    let (traces, mut spans) = Traces::new("test-service", 1.0, Arc::clone(&metrics));
    let subscriber =
        telemetry::subscriber("trace", LogFormat::Json, Some(traces.tracer()), written.clone()).unwrap();
    let handlers = Router::new().route("/v1/payments", post(pay)).route("/v1/reset/{token}", post(pay));
    let router = wrap(handlers, Limits::default(), Arc::clone(&metrics));
    let bodies = [
        format!(r#"{{"password":"{PASSWORD}","card":"{CARD}","amount":1}}"#),
        format!(r#"{{"password":"{PASSWORD}","card":"{CARD}","amount":0}}"#),
        format!(r#"{{"password":"{PASSWORD}","card":{CARD},"amount":1}}"#),
        format!(r#"{{"password":"{PASSWORD}","card":"{CARD}","amount":"{CARD}"}}"#),
        format!(r#"{{"password":"{PASSWORD}","card":"{CARD}"#),
    ];
    let mut answers = String::new();
    async {
        for body in &bodies {
            for path in [format!("/v1/payments?token={TOKEN}"), format!("/v1/reset/{TOKEN}")] {
                let response = router.clone().oneshot(request(&path, body)).await.unwrap();
                write!(answers, "{:?}", response.headers()).unwrap();
                let body = response.into_body().collect().await.unwrap().to_bytes();
                answers.push_str(std::str::from_utf8(&body).unwrap());
            }
        }
        tracing::info!("the end");
    }
    .with_subscriber(subscriber)
    .await;
    tokio::time::sleep(Duration::from_millis(10)).await;
    let mut recorded = String::new();
    while let Ok(Message::Span(span)) = spans.try_recv() {
        writeln!(recorded, "{span:?}").unwrap();
    }
    let logs = written.text();
    let measured = metrics.encode().unwrap();

    for (name, text) in [("logs", &logs), ("answers", &answers), ("spans", &recorded), ("metrics", &measured)]
    {
        for secret in [PASSWORD, TOKEN, CARD] {
            assert!(!text.contains(secret), "{secret} is in the {name}:\n{text}");
        }
    }
    // All of them were there to be searched.
    assert!(
        logs.contains("[redacted]")
            && logs.contains("the end")
            && logs.contains(r#""correlation_id":"c-12""#),
        "{logs}"
    );
    assert!(
        answers.contains("[redacted]")
            && recorded.contains("/v1/payments")
            && measured.contains("/v1/reset/{token}")
    );
    // One object a line.
    for line in logs.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap();
    }
}
