//! Webhooks as Standard Webhooks has them: an id, a time and the body, signed with a secret that both know.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use flotilla_kit::Secret;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use jiff::Timestamp;

use super::outbound::{Answer, Error, Outbound};
use crate::{
    domain::outcome::{Outcome, Report},
    keys::mac,
};

/// What a secret begins with when it is shown.
const PREFIX: &str = "whsec_";

/// A secret as whoever checks signatures has it.
pub fn show(secret: &Secret<Vec<u8>>) -> String {
    format!("{PREFIX}{}", BASE64_STANDARD.encode(secret.expose()))
}

/// The signatures of a body, one for each secret: while a secret is changed there are two.
pub fn signatures(secrets: &[Secret<Vec<u8>>], id: &str, time: i64, body: &[u8]) -> String {
    let time = time.to_string();
    let sign = |secret: &Secret<Vec<u8>>| {
        let mac = mac(secret.expose(), &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
        format!("v1,{}", BASE64_STANDARD.encode(mac))
    };
    secrets.iter().map(sign).collect::<Vec<_>>().join(" ")
}

/// Sends a body to an endpoint.
pub async fn send(
    outbound: &Outbound,
    url: &str,
    secrets: &[Secret<Vec<u8>>],
    id: &str,
    body: Bytes,
) -> Report {
    let time = Timestamp::now().as_second();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", time.to_string()),
        ("webhook-signature", signatures(secrets, id, time, &body)),
    ] {
        let Ok(value) = HeaderValue::from_str(&value) else {
            return Report::new(Outcome::Refused, "it has no id that a header can have");
        };
        headers.insert(name, value);
    }
    report(outbound.post(url, headers, body).await)
}

fn report(answer: Result<Answer, Error>) -> Report {
    let answer = match answer {
        Ok(answer) => answer,
        Err(Error::Refused(refused)) => return Report::new(Outcome::Refused, refused.to_string()),
        Err(error) => return Report::new(Outcome::Later(None), error.to_string()),
    };
    let (outcome, detail) = match answer.status {
        status if status.is_success() => (Outcome::Sent, "the endpoint took it"),
        StatusCode::GONE => (Outcome::Bounced, "the endpoint is gone"),
        status if status.is_redirection() => {
            (Outcome::Later(None), "the endpoint is elsewhere; change its address")
        }
        _ => (Outcome::Later(answer.retry_after), "the endpoint did not take it"),
    };
    Report::new(outcome, detail).with_status(answer.status.as_u16())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification of Standard Webhooks.
    #[test]
    fn the_example_of_the_specification_is_signed() {
        let secret = Secret::new(BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap());
        assert_eq!(show(&secret), "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        let body = br#"{"test": 2432232314}"#;
        let signed =
            signatures(std::slice::from_ref(&secret), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let both = signatures(&[secret, Secret::new(vec![1; 32])], "a", 0, b"");
        assert_eq!(both.split(' ').count(), 2);
    }
}
