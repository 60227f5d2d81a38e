//! Mail to servers that want TLS and a user, and to those that should have TLS and have none.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs, reason = "tests")]

use std::net::SocketAddr;

use clap::Parser;
use flotilla_notification_service::{
    config,
    domain::outcome::Outcome,
    send::mail::{Mail, Mailer},
    template::Rendered,
};
use flotilla_sink::{Detail, Journal, Running, Sink, config::tls};
use rcgen::{CertifiedKey, generate_simple_self_signed};

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
            correlation_id: Some("c-1"),
            unsubscribe_url: None,
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
    assert_eq!(mail.header("X-Correlation-ID"), Some("c-1"));

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
