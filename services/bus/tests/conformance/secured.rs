//! A broker with TLS and a password.

#![allow(dead_code, reason = "of Kafka and RabbitMQ")]

use std::{
    error::Error as _,
    fmt::Write as _,
    fs,
    process::{Command, Stdio},
};

use flotilla_testbed::Identity;
use tokio::task::spawn_blocking;

use super::{
    case::Case,
    cases::{a_poison_goes_to_the_dead_letters_and_comes_back, many_events_all_come_once},
};

/// Somebody whom no system knows, at `localhost`.
pub(crate) fn identity() -> Identity {
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    Identity { certificates: certificate.cert.pem(), key: certificate.signing_key.serialize_pem() }
}

/// Why a bus does not answer.
async fn refusal(url: &str) -> String {
    let error = flotilla_bus::connect(url).unwrap().ping().await.unwrap_err();
    let (mut refusal, mut cause) = (error.to_string(), error.source());
    while let Some(error) = cause {
        write!(refusal, ": {error}").unwrap();
        cause = error.source();
    }
    refusal
}

/// Has its authorities from the environment, which no test may change.
pub(crate) async fn secured_process() {
    let url = std::env::var("SECURED_URL").unwrap();
    let case = Case::new(url.clone(), "secured").await;
    a_poison_goes_to_the_dead_letters_and_comes_back(&case).await;
    many_events_all_come_once(&Case::new(url.clone(), "many").await).await;
    // Somebody with another password.
    let stranger = flotilla_bus::connect(&url.replace('@', "-not@")).unwrap();
    assert!(stranger.publish(&[case.event("a", 1)]).await.is_err());
    let refusal = refusal(&url.replace("localhost", "127.0.0.1")).await;
    assert!(refusal.contains("not valid for name"), "{refusal}");
}

pub(crate) async fn with_tls_and_a_password_it_is_the_same_and_without_either_there_is_nothing(
    url: String,
    identity: &Identity,
) {
    // This process does not know the authority.
    let refusal = refusal(&url).await;
    assert!(refusal.contains("UnknownIssuer"), "{refusal}");
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    fs::write(&authority, &identity.certificates).unwrap();
    let mut process = Command::new(std::env::current_exe().unwrap());
    process.args(["secured_process", "--exact", "--ignored"]).stdout(Stdio::piped());
    process.env("SSL_CERT_FILE", authority).env("SECURED_URL", url);
    let output = spawn_blocking(move || process.output().unwrap()).await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}
