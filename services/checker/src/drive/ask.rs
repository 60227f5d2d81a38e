//! One request, and what its answer means.

use std::time::Duration;

use flotilla_kit::correlation::CorrelationId;
use flotilla_shop::walk::{Client, Failure, client};
use http::StatusCode;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::time::timeout;

use super::record::Record;
use crate::history::{Answer, Asked, Outcome};

/// How long a customer waits for an answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Characters of a digest that are kept.
const DIGEST: usize = 16;

/// The code of an answer that says that the same request is still at work.
const IN_FLIGHT: &str = "idempotency_key_in_flight";

/// An answer, as far as it says something.
#[derive(Debug)]
pub(super) enum Said {
    /// It was done, and this is what was answered.
    Done(Value),
    /// It was not done.
    Refused,
    /// Nobody knows, or the same may be asked again.
    Again,
    /// Whoever asks has no good token.
    Stranger,
}

/// Asks once, writes down what came of it, and says what it means.
pub(super) async fn ask(
    client: &Client,
    record: &Record,
    customer: &str,
    asked: Asked,
    request: client::Ask<'_>,
) -> Said {
    let begin = record.now();
    let answered = timeout(PATIENCE, client.ask(request)).await;
    let (outcome, said) = match answered {
        Ok(Ok(answer)) => done(&answer),
        Ok(Err(Failure::Refused { status, code, .. })) => refused(status, code),
        Ok(Err(failure)) => (Outcome::Info { why: failure.to_string() }, Said::Again),
        Err(_) => (Outcome::Info { why: "no answer in time".to_owned() }, Said::Again),
    };
    record.write(customer, begin, asked, outcome);
    said
}

/// The same, of what no history is kept of: a cart, or a question to the payment provider. Nothing: it is to be asked again.
pub(super) async fn quietly(client: &Client, request: client::Ask<'_>) -> Option<Value> {
    let answer = timeout(PATIENCE, client.ask(request)).await.ok()?.ok()?;
    Some(serde_json::from_slice(&answer.body).unwrap_or(Value::Null))
}

fn done(answer: &client::Answer) -> (Outcome, Said) {
    let Ok(value) = serde_json::from_slice::<Value>(&answer.body) else {
        return (Outcome::Info { why: "the answer is no JSON".to_owned() }, Said::Again);
    };
    let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
    let kept = Answer {
        id: text("id"),
        version: value.get("version").and_then(Value::as_i64),
        status: text("status"),
        digest: digest(&answer.body),
        token: text("refresh_token").map(|token| digest(token.as_bytes())),
    };
    (Outcome::Ok(kept), Said::Done(value))
}

fn refused(status: StatusCode, code: Option<String>) -> (Outcome, Said) {
    let is_unknown = status.is_server_error() || code.as_deref() == Some(IN_FLIGHT);
    if is_unknown {
        return (Outcome::Info { why: format!("{status} {}", code.unwrap_or_default()) }, Said::Again);
    }
    let outcome = Outcome::Fail { status: status.as_u16(), code };
    let said = match status {
        StatusCode::UNAUTHORIZED => Said::Stranger,
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => Said::Again,
        _ => Said::Refused,
    };
    (outcome, said)
}

/// What tells one from another and is no secret.
pub(super) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().flat_map(|byte| [byte >> 4, byte & 15]).take(DIGEST).map(hex).collect()
}

fn hex(digit: u8) -> char {
    char::from_digit(digit.into(), 16).unwrap_or('0')
}

/// What its requests have in all logs.
pub(super) fn correlation() -> CorrelationId {
    CorrelationId::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_sure_is_taken_for_a_refusal() {
        let of = |status: u16, code: Option<&str>| {
            refused(StatusCode::from_u16(status).unwrap(), code.map(str::to_owned))
        };
        assert!(matches!(of(503, None), (Outcome::Info { .. }, Said::Again)));
        assert!(matches!(of(500, None), (Outcome::Info { .. }, Said::Again)));
        assert!(matches!(of(409, Some(IN_FLIGHT)), (Outcome::Info { .. }, Said::Again)));
        assert!(matches!(of(409, Some("order_state")), (Outcome::Fail { status: 409, .. }, Said::Refused)));
        assert!(matches!(of(401, None), (Outcome::Fail { status: 401, .. }, Said::Stranger)));
        assert!(matches!(of(429, None), (Outcome::Fail { status: 429, .. }, Said::Again)));
    }

    #[test]
    fn a_digest_tells_bytes_apart() {
        assert_eq!(digest(b"a"), digest(b"a"));
        assert_ne!(digest(b"a"), digest(b"b"));
        assert_eq!(digest(b"a").len(), DIGEST);
    }
}
