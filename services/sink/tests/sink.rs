//! The sink, over real connections, with a client of SMTP that others use as well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use flotilla_sink::{Channel, Detail, Effect, Failure, Journal, Mail, Running, Sink, config};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use lettre::{
    AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::MultiPart,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use uuid::Uuid;

const LOOPBACK: &str = "127.0.0.1:0";

async fn start() -> Running {
    let sink = Sink::new(Journal::new(100, None).unwrap(), None, None);
    Running::start(sink, LOOPBACK.parse().unwrap(), LOOPBACK.parse().unwrap()).await.unwrap()
}

fn client(running: &Running) -> lettre::transport::smtp::AsyncSmtpTransportBuilder {
    AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous("127.0.0.1").port(running.smtp.port())
}

fn message(id: &str) -> Message {
    Message::builder()
        .from("Shop <shop@shop.test>".parse().unwrap())
        .to("ann@shop.test".parse().unwrap())
        .message_id(Some(id.to_owned()))
        .subject("Grüße")
        .multipart(MultiPart::alternative_plain_html("Hallo\n.\nAnn".to_owned(), "<p>Hallo</p>".to_owned()))
        .unwrap()
}

fn fail(running: &Running, channel: Channel, effect: Effect) {
    let failure = Failure { id: Uuid::now_v7(), channel, target: None, times: 1, effect };
    running.sink.failures.add(failure).unwrap();
}

fn mails(running: &Running) -> Vec<Mail> {
    let all = running.sink.journal.find(100, |_| true).into_iter();
    all.filter_map(|delivery| match delivery.detail {
        Detail::Mail(mail) => Some(mail),
        _ => None,
    })
    .collect()
}

async fn ask(running: &Running, method: &str, path: &str, body: Option<Value>) -> (u16, String) {
    let client = Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let request = http_request(running, method, path, body);
    let response = client.request(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

fn http_request(
    running: &Running,
    method: &str,
    path: &str,
    body: Option<Value>,
) -> axum::http::Request<Full<Bytes>> {
    let body = body.map(|body| body.to_string()).unwrap_or_default();
    axum::http::Request::builder()
        .method(method)
        .uri(format!("http://{}{path}", running.http))
        .header("content-type", "application/json")
        .body(Full::from(body))
        .unwrap()
}

#[tokio::test]
async fn mail_is_taken_shown_and_given_to_tests() {
    let running = start().await;
    let transport = client(&running).build();
    transport.send(message("<o-12.paid@shop>")).await.unwrap();
    let mail = mails(&running).pop().unwrap();
    assert_eq!((mail.subject.as_str(), mail.sender.as_str()), ("Grüße", "shop@shop.test"));
    assert_eq!(mail.recipients, ["ann@shop.test"]);
    assert_eq!(mail.text.unwrap().replace("\r\n", "\n").trim(), "Hallo\n.\nAnn");
    assert_eq!(mail.html.unwrap().trim(), "<p>Hallo</p>");

    let path = "/api/deliveries?channel=mail&target=Ann@shop.test&key=%3Co-12.paid@shop%3E&atLeast=1&wait=5";
    let (status, body) = ask(&running, "GET", path, None).await;
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, body["items"].as_array().unwrap().len()), (200, 1));
    let id = body["items"][0]["id"].as_str().unwrap();
    assert!(ask(&running, "GET", "/", None).await.1.contains("Grüße"));
    let (status, page) = ask(&running, "GET", &format!("/mail/{id}"), None).await;
    assert!(status == 200 && page.contains(&format!("/mail/{id}/html")), "{page}");
    assert!(ask(&running, "GET", &format!("/mail/{id}/html"), None).await.1.contains("<p>Hallo</p>"));
    assert!(ask(&running, "GET", &format!("/api/deliveries/{id}/raw"), None).await.1.contains("Message-ID"));
    assert_eq!(ask(&running, "DELETE", "/api/deliveries", None).await.0, 204);
    assert_eq!(ask(&running, "GET", &format!("/mail/{id}"), None).await.0, 404);
    assert_eq!(ask(&running, "GET", "/mail/none", None).await.0, 400);
}

#[tokio::test]
async fn mail_fails_as_it_is_told_to_and_then_not_any_more() {
    let running = start().await;
    let transport = client(&running).build();
    for (status, is_for_now) in [(451, true), (550, false)] {
        fail(&running, Channel::Mail, Effect::Status { status, retry_after: None });
        let error = transport.send(message("<a@shop>")).await.unwrap_err();
        assert_eq!((error.is_transient(), error.is_permanent()), (is_for_now, !is_for_now), "{error}");
    }
    assert_eq!(mails(&running).len(), 0);
    // Taken, but the client does not hear of it: it cannot know.
    fail(&running, Channel::Mail, Effect::Hang);
    let sending = timeout(Duration::from_secs(2), transport.send(message("<a@shop>"))).await;
    assert!(sending.is_err());
    assert_eq!(mails(&running).len(), 1);
    fail(&running, Channel::Mail, Effect::Cut);
    let error = transport.send(message("<a@shop>")).await.unwrap_err();
    assert!(!error.is_permanent(), "{error}");
    assert_eq!(mails(&running).len(), 2);
    transport.send(message("<a@shop>")).await.unwrap();
    assert_eq!(mails(&running).len(), 3);

    let rule = |effect: Value| Some(json!({ "channel": "mail", "times": 1, "effect": effect }));
    let (status, _) =
        ask(&running, "POST", "/api/failures", rule(json!({ "kind": "status", "status": 451 }))).await;
    assert_eq!(status, 201);
    let (status, problem) =
        ask(&running, "POST", "/api/failures", rule(json!({ "kind": "status", "status": 250 }))).await;
    assert!(status == 422 && problem.contains("#/effect/status"), "{problem}");
    assert_eq!(ask(&running, "POST", "/api/failures", rule(json!({ "kind": "explode" }))).await.0, 422);
    assert!(ask(&running, "GET", "/api/failures", None).await.1.contains("451"));
    assert_eq!(ask(&running, "DELETE", "/api/failures", None).await.0, 204);
    transport.send(message("<a@shop>")).await.unwrap();
}

/// Servers refuse who they do not know before there is a message, and say whom.
#[tokio::test]
async fn a_recipient_is_refused_and_others_of_the_message_are_not() {
    let running = start().await;
    fail(&running, Channel::Mail, Effect::Reject { status: 550 });
    let lines = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<ann@shop.test>\r\nRCPT TO:<ben@shop.test>\r\nDATA\r\n\
                 Subject: a\r\n\r\n.\r\nQUIT\r\n";
    let answers = converse(&running, lines.as_bytes()).await;
    assert!(answers.contains("550 5.1.1 <ann@shop.test>"), "{answers}");
    assert_eq!(mails(&running).iter().map(|mail| &mail.recipients).collect::<Vec<_>>(), [&["ben@shop.test"]]);
}

/// More than it has connections at a time.
#[tokio::test]
async fn clients_that_have_left_while_it_said_nothing_take_nobodys_place() {
    let running = start().await;
    let lines = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n\r\n.\r\n";
    for count in 1..=300 {
        fail(&running, Channel::Mail, Effect::Hang);
        let mut stream = TcpStream::connect(running.smtp).await.unwrap();
        stream.write_all(lines.as_bytes()).await.unwrap();
        let mut delivered = running.sink.journal.count();
        timeout(Duration::from_secs(10), delivered.wait_for(|delivered| *delivered >= count))
            .await
            .unwrap()
            .unwrap();
    }
    let transport = client(&running).build();
    timeout(Duration::from_secs(10), transport.send(message("<a@shop>"))).await.unwrap().unwrap();
}

#[tokio::test]
async fn mail_comes_over_tls_and_with_a_user() {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate"), folder.path().join("key"));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let tls = config::tls(&certificate, &key).unwrap();
    assert!(config::tls(&key, &certificate).is_err());
    let sink: Arc<Sink> = Sink::new(Journal::new(100, None).unwrap(), None, Some(tls));
    let running = Running::start(sink, LOOPBACK.parse().unwrap(), LOOPBACK.parse().unwrap()).await.unwrap();
    let trusted = Certificate::from_pem(cert.pem().as_bytes()).unwrap();
    let parameters =
        TlsParameters::builder("127.0.0.1".to_owned()).add_root_certificate(trusted).build_rustls().unwrap();
    let transport = client(&running)
        .tls(Tls::Required(parameters))
        .credentials(Credentials::new("shop".to_owned(), "secret".to_owned()))
        .build();
    transport.send(message("<a@shop>")).await.unwrap();
    let mail = mails(&running).pop().unwrap();
    assert_eq!((mail.tls, mail.user.as_deref()), (true, Some("shop")));
}

/// Sends lines, and gives what comes back until the connection ends.
async fn converse(running: &Running, lines: &[u8]) -> String {
    let mut stream = TcpStream::connect(running.smtp).await.unwrap();
    stream.write_all(lines).await.unwrap();
    let mut answers = Vec::new();
    let whole = timeout(Duration::from_secs(10), stream.read_to_end(&mut answers)).await;
    assert!(whole.is_ok(), "{}", String::from_utf8_lossy(&answers));
    String::from_utf8(answers).unwrap()
}

#[tokio::test]
async fn no_second_message_is_smuggled_in_and_nonsense_is_answered() {
    let running = start().await;
    let begin = b"EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\nSubject: one\r\n\r\nhello";
    for end in ["\n.\n", "\r.\r", "\n.\r\n", "\r\n.\n"] {
        let smuggled = "MAIL FROM:<x@y>\r\nRCPT TO:<z@d>\r\nDATA\r\nSubject: two\r\n";
        let sent = [begin, end.as_bytes(), smuggled.as_bytes(), b"\r\n.\r\nQUIT\r\n"].concat();
        converse(&running, &sent).await;
    }
    let all = mails(&running);
    assert_eq!(all.len(), 4);
    assert!(all.iter().all(|mail| mail.subject == "one"), "{all:?}");

    for (lines, answer) in [
        ("DATA\r\nQUIT\r\n", "503"),
        ("EHLO a\r\nRCPT TO:<a@b>\r\nQUIT\r\n", "503"),
        ("MAIL FROM:<a@b>\r\nQUIT\r\n", "503"),
        ("EHLO a\r\nMAIL FROM:<a@b> SIZE=99999999\r\nQUIT\r\n", "552"),
        ("STARTTLS\r\nQUIT\r\n", "502"),
        ("AUTH PLAIN\r\n!!!\r\nQUIT\r\n", "501"),
        ("\r\nQUIT\r\n", "500"),
        (&format!("{}\r\n", "A".repeat(5_000)), "500"),
        (&"X\r\n".repeat(200), "421"),
    ] {
        let answers = converse(&running, lines.as_bytes()).await;
        assert!(answers.contains(answer), "{lines}: {answers}");
    }
}

#[tokio::test]
async fn a_webhook_is_kept_and_refused_on_command() {
    let running = start().await;
    let body = || Some(json!({ "a": 1 }));
    assert_eq!(ask(&running, "POST", "/webhooks/orders", body()).await.0, 204);
    fail(&running, Channel::Webhook, Effect::Status { status: 429, retry_after: Some(7) });
    assert_eq!(ask(&running, "POST", "/webhooks/orders", body()).await.0, 429);
    let kept = running.sink.journal.find(10, |_| true);
    assert_eq!((kept.len(), kept[0].target.as_str()), (1, "orders"));
    assert!(ask(&running, "GET", "/", None).await.1.contains("&quot;a&quot;:1"));
}

#[tokio::test]
async fn a_push_that_no_browser_would_take_is_refused() {
    let running = start().await;
    let (status, subscription) = ask(&running, "POST", "/api/push-subscriptions", None).await;
    let subscription: Value = serde_json::from_str(&subscription).unwrap();
    let id = subscription["id"].as_str().unwrap();
    assert_eq!(status, 201);
    assert_eq!(subscription["endpoint"], format!("http://{}/push/{id}", running.http));
    assert_eq!(ask(&running, "POST", &format!("/push/{id}"), None).await.0, 400);
    assert_eq!(ask(&running, "POST", &format!("/push/{}", Uuid::now_v7()), None).await.0, 404);
    assert_eq!(ask(&running, "DELETE", &format!("/api/push-subscriptions/{id}"), None).await.0, 204);
    assert_eq!(ask(&running, "POST", &format!("/push/{id}"), None).await.0, 410);
    assert_eq!(running.sink.journal.find(10, |_| true).len(), 0);
}
