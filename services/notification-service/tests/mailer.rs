//! Mail to servers that want TLS and a user, and to those that should have TLS and have none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::net::SocketAddr;

use clap::Parser;
use flotilla_kit::Secret;
use flotilla_notification_service::{
    config,
    domain::outcome::Outcome,
    send::mail::{Mail, Mailer},
    template::Rendered,
};
use flotilla_sink::{Channel, Detail, Effect, Failure, Journal, Running, Sink, config::tls};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
};
use uuid::Uuid;

#[derive(Parser)]
struct Arguments {
    #[command(flatten)]
    mail: config::Mail,
}

fn mailer(sink: &Running, more: &[String]) -> Mailer {
    let smtp = [
        "mail".to_owned(),
        format!("--smtp={}", sink.smtp),
        "--from=Shop <shop@shop.test>".to_owned(),
        "--smtp-seconds=5".to_owned(),
    ];
    Mailer::new(&Arguments::try_parse_from(smtp.iter().chain(more)).unwrap().mail).unwrap()
}

async fn send(mailer: &Mailer, address: &str) -> (Outcome, String) {
    let rendered = Rendered { subject: "Hi".to_owned(), text: "Hi".to_owned(), html: "<p>Hi</p>".to_owned() };
    let report = mailer
        .send(&Mail {
            address,
            name: "Ann, \"B\" <c@d>\r\nBcc: eve@shop.test",
            rendered: &rendered,
            message_id: "<a@shop.test>",
            correlation_id: Some("c-1\r\nBcc: eve@shop.test"),
            unsubscribe_url: None,
            secret: None,
        })
        .await;
    (report.outcome, report.detail)
}

async fn sink(with_tls: bool, folder: &std::path::Path) -> Running {
    let _installed = rustls::crypto::aws_lc_rs::default_provider().install_default().is_ok();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("certificate"), folder.join("key"));
    std::fs::write(&certificate, cert.pem()).unwrap();
    std::fs::write(&key, signing_key.serialize_pem()).unwrap();
    let tls = with_tls.then(|| tls(&certificate, &key).unwrap());
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    Running::start(Sink::new(Journal::new(10, None).unwrap(), None, tls), any, any).await.unwrap()
}

#[tokio::test]
async fn a_server_with_tls_gets_user_and_mail_in_secret() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(true, folder.path()).await;
    let ca = format!("--smtp-ca={}", folder.path().join("certificate").display());
    let user = ["--smtp-user=shop".to_owned(), "--smtp-password=s3cret".to_owned()];
    let good = mailer(&sink, &[&user[..], &[ca]].concat());
    // The second one goes over the connection of the first.
    for _mail in 0..2 {
        let (outcome, detail) = send(&good, "ann@shop.test").await;
        assert_eq!(outcome, Outcome::Sent, "{detail}");
    }
    let mails = sink.sink.journal.find(10, |_| true);
    let Detail::Mail(mail) = &mails[0].detail else { panic!("no mail") };
    assert_eq!((mails.len(), mail.tls, mail.user.as_deref()), (2, true, Some("shop")));
    // A name is no way to add headers or readers.
    assert_eq!((mail.recipients.as_slice(), mail.header("Bcc")), (&["ann@shop.test".to_owned()][..], None));
    assert!(mail.header("X-Correlation-ID").is_some());

    let (outcome, detail) = send(&mailer(&sink, &user), "ann@shop.test").await;
    assert_eq!(outcome, Outcome::Later(None), "{detail}");
    assert_eq!(send(&good, "no address").await.0, Outcome::Refused);
    assert_eq!(sink.sink.journal.find(10, |_| true).len(), 2);
}

#[tokio::test]
async fn a_server_that_should_have_tls_and_has_none_gets_neither() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(false, folder.path()).await;
    let user = ["--smtp-user=shop".to_owned(), "--smtp-password=s3cret".to_owned()];
    let (outcome, detail) = send(&mailer(&sink, &user), "ann@shop.test").await;
    assert!(!matches!(outcome, Outcome::Sent | Outcome::Bounced), "{detail}");
    assert_eq!(sink.sink.journal.find(10, |_| true).len(), 0);
    let off = mailer(&sink, &["--smtp-tls=off".to_owned()]);
    assert_eq!(send(&off, "ann@shop.test").await.0, Outcome::Sent);
}

/// What servers say is kept: for whom a mail was, and what is secret in it, is not.
#[tokio::test]
async fn a_server_that_refuses_somebody_says_so_of_them_and_the_log_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let sink = sink(false, folder.path()).await;
    let mailer = mailer(&sink, &["--smtp-tls=off".to_owned()]);
    let fail = |effect| {
        let failure = Failure { id: Uuid::now_v7(), channel: Channel::Mail, target: None, times: 1, effect };
        sink.sink.failures.add(failure).unwrap();
    };
    for (effect, expected) in [
        (Effect::Reject { status: 550 }, Outcome::Bounced),
        (Effect::Reject { status: 450 }, Outcome::Later(None)),
        (Effect::Reject { status: 554 }, Outcome::Refused),
        // The message is refused, and not its recipient.
        (Effect::Status { status: 550, retry_after: None }, Outcome::Refused),
        (Effect::Status { status: 451, retry_after: None }, Outcome::Later(None)),
    ] {
        fail(effect);
        let (outcome, detail) = send(&mailer, "Ann@shop.test").await;
        assert_eq!(outcome, expected, "{detail}");
        assert!(!detail.to_lowercase().contains("ann@shop.test"), "{detail}");
    }
    assert_eq!(send(&mailer, "ann@shop.test").await.0, Outcome::Sent);
}

/// Answers to the commands of a client, one after the other.
async fn scripted(answers: &'static [&'static str]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = BufReader::new(stream);
        for answer in answers {
            stream.write_all(format!("{answer}\r\n").as_bytes()).await.unwrap();
            let mut line = String::new();
            let _read = stream.read_line(&mut line).await;
        }
    });
    address
}

#[tokio::test]
async fn a_server_that_does_not_want_the_sender_says_nothing_of_the_recipient() {
    for (answers, expected) in [
        (&["220 a", "250 a", "550 5.1.8 this sender is not known"][..], Outcome::Refused),
        (
            &[
                "220 a",
                "250 a",
                "250 a",
                "550 5.7.1 <ann@shop.test> blocked: https://shop/verify?token=s3cret",
            ],
            Outcome::Refused,
        ),
        (&["554 go away"], Outcome::Later(None)),
    ] {
        let smtp = format!("--smtp={}", scripted(answers).await);
        let flags = ["mail", &smtp, "--from=Shop <shop@shop.test>", "--smtp-tls=off", "--smtp-seconds=5"];
        let mailer = Mailer::new(&Arguments::try_parse_from(flags).unwrap().mail).unwrap();
        let rendered =
            Rendered { subject: "Hi".to_owned(), text: "Hi".to_owned(), html: "<p>Hi</p>".to_owned() };
        let secret = Secret::new("s3cret".to_owned());
        let report = mailer
            .send(&Mail {
                address: "ann@shop.test",
                name: "",
                rendered: &rendered,
                message_id: "<a@shop.test>",
                // Others wrote it.
                correlation_id: Some("c-1\r\nBcc: eve@shop.test"),
                unsubscribe_url: None,
                secret: Some(&secret),
            })
            .await;
        assert_eq!(report.outcome, expected, "{}", report.detail);
        assert!(!report.detail.contains("s3cret") && !report.detail.contains("ann@"), "{}", report.detail);
    }
}

#[test]
fn what_is_wrong_with_the_configuration_is_said() {
    for (flag, message) in [
        ("--smtp=nowhere", "SHOP_SMTP"),
        ("--smtp=host:port", "SHOP_SMTP"),
        ("--from=nobody", "SHOP_MAIL_FROM"),
        ("--smtp-ca=/no/such/file", "SHOP_SMTP_CA"),
        ("--smtp-user=shop", "SHOP_SMTP_PASSWORD"),
    ] {
        let config = Arguments::try_parse_from(["mail", flag]).unwrap().mail;
        let error = Mailer::new(&config).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
