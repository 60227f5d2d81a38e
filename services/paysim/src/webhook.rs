//! Webhooks: signed, sent to the merchant, and sent again until they are taken. What a test wants to go wrong with them does.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use flotilla_kit::Secret;

use crate::{fault::Effect, ledger::Notice};

/// How long the merchant may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long webhooks wait for others that they are to change places with.
const REORDER: Duration = Duration::from_secs(5);

/// Webhooks, and attempts to send them, that are remembered: the last ones.
const KEPT: usize = 10_000;

/// Where webhooks go.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The merchant's address.
    pub url: http::Uri,
    /// What they are signed with.
    pub secret: Secret<String>,
    /// How long to wait before each next attempt. After the last one it is given up.
    pub delays: Vec<Duration>,
}

/// An attempt to send one.
#[derive(Clone, Debug, Serialize)]
pub struct Attempt {
    /// Of which event.
    pub event: String,
    /// Its type.
    pub kind: String,
    /// When.
    pub time: Timestamp,
    /// What the merchant answered. Nothing: there was no answer.
    pub status: Option<u16>,
}

/// A webhook.
#[derive(Clone, Debug)]
struct Sent {
    id: String,
    kind: String,
    body: Bytes,
}

#[derive(Debug, Default)]
struct Held {
    left: usize,
    bodies: VecDeque<Sent>,
}

/// Sends webhooks.
#[derive(Clone, Debug)]
pub struct Webhooks {
    endpoint: Option<Endpoint>,
    client: Client<HttpConnector, Full<Bytes>>,
    log: Arc<Mutex<VecDeque<Attempt>>>,
    sent: Arc<Mutex<VecDeque<Sent>>>,
    held: Arc<Mutex<Held>>,
}

/// `Stripe-Signature`: `t=` seconds, `v1=` HMAC-SHA256 of `seconds.body`, in hex.
pub fn sign(secret: &Secret<String>, body: &[u8], seconds: i64) -> String {
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(secret.expose().as_bytes())
        .unwrap_or_else(|_| <Hmac<Sha256> as KeyInit>::new(&[0; 64].into()));
    mac.update(format!("{seconds}.").as_bytes());
    mac.update(body);
    let mut header = format!("t={seconds},v1=");
    for byte in mac.finalize().into_bytes() {
        header.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
    }
    header
}

impl Webhooks {
    /// To an endpoint, or to nobody.
    pub fn new(endpoint: Option<Endpoint>) -> Self {
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self { endpoint, client, log: Arc::default(), sent: Arc::default(), held: Arc::default() }
    }

    /// The last attempts, the oldest first.
    pub fn log(&self) -> Vec<Attempt> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Sends notices, as the faults say. When they are to be early it returns once they have been tried once.
    pub async fn send(&self, notices: Vec<Notice>, faults: &[Effect]) {
        if self.endpoint.is_none() || faults.contains(&Effect::LoseWebhook) {
            return;
        }
        let late = faults.iter().find_map(|fault| match fault {
            Effect::LateWebhook { milliseconds } => Some(Duration::from_millis(*milliseconds)),
            _ => None,
        });
        let reorder = faults.iter().find_map(|fault| match fault {
            Effect::ReorderWebhooks { count } => Some(*count),
            _ => None,
        });
        for notice in notices {
            let id = format!("evt_{}", Uuid::now_v7().simple());
            let body = event(&id, &notice);
            let one = Sent { id, kind: notice.kind.to_owned(), body };
            keep(&self.sent, one.clone());
            if let Some(ready) = self.hold(one.clone(), reorder) {
                self.later(ready, late);
                continue;
            }
            if faults.contains(&Effect::EarlyWebhook) && self.attempt(&one).await {
                continue;
            }
            if faults.contains(&Effect::DuplicateWebhook) {
                self.later(vec![one.clone()], late);
            }
            self.later(vec![one], late);
        }
    }

    /// Sends what was sent last once more, and says how much.
    pub fn send_again(&self) -> usize {
        let sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = sent.len();
        self.later(sent.into(), None);
        count
    }

    /// Keeps one back while they are to change places; what may go now comes out, the last one first.
    fn hold(&self, one: Sent, reorder: Option<usize>) -> Option<Vec<Sent>> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = reorder.filter(|_| held.left == 0) {
            held.left = count;
            let this = self.clone();
            tokio::spawn(async move {
                sleep(REORDER).await;
                this.later(this.release(), None);
            });
        }
        if held.left == 0 {
            return None;
        }
        held.bodies.push_front(one);
        held.left -= 1;
        Some(if held.left == 0 { held.bodies.drain(..).collect() } else { Vec::new() })
    }

    fn release(&self) -> Vec<Sent> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.left = 0;
        held.bodies.drain(..).collect()
    }

    /// Sends some one after the other, beside what runs.
    fn later(&self, some: Vec<Sent>, delay: Option<Duration>) {
        let this = self.clone();
        tokio::spawn(async move {
            if let Some(delay) = delay {
                sleep(delay).await;
            }
            for one in some {
                this.insist(&one).await;
            }
        });
    }

    /// Sends one until it is taken.
    async fn insist(&self, one: &Sent) {
        let delays = self.endpoint.as_ref().map(|endpoint| endpoint.delays.clone()).unwrap_or_default();
        for delay in std::iter::once(None).chain(delays.into_iter().map(Some)) {
            if let Some(delay) = delay {
                sleep(delay).await;
            }
            if self.attempt(one).await {
                return;
            }
        }
        tracing::warn!(event = one.id, kind = one.kind, "a webhook is given up");
    }

    /// Whether the merchant has taken it.
    async fn attempt(&self, Sent { id, kind, body }: &Sent) -> bool {
        let Some(endpoint) = &self.endpoint else { return true };
        let signature = sign(&endpoint.secret, body, Timestamp::now().as_second());
        let request = http::Request::post(endpoint.url.clone())
            .header("content-type", "application/json; charset=utf-8")
            .header("stripe-signature", signature)
            .body(Full::new(body.clone()));
        let Ok(request) = request else { return true };
        let status = match timeout(PATIENCE, self.client.request(request)).await {
            Ok(Ok(response)) => Some(response.status()),
            Ok(Err(_)) | Err(_) => None,
        };
        let attempt = Attempt {
            event: id.clone(),
            kind: kind.clone(),
            time: Timestamp::now(),
            status: status.map(|status| status.as_u16()),
        };
        keep(&self.log, attempt);
        status.is_some_and(|status| status.is_success())
    }
}

/// Keeps the last ones of some.
fn keep<T>(all: &Mutex<VecDeque<T>>, one: T) {
    let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
    if all.len() == KEPT {
        all.pop_front();
    }
    all.push_back(one);
}

fn event(id: &str, notice: &Notice) -> Bytes {
    let event: Value = json!({
        "id": id,
        "object": "event",
        "type": notice.kind,
        "created": Timestamp::now().as_second(),
        "livemode": false,
        "data": { "object": notice.object },
    });
    event.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_as_stripe_has_it() {
        // echo -n '1492774577.{"id":1}' | openssl dgst -sha256 -hmac whsec_test
        let signature = sign(&Secret::new("whsec_test".to_owned()), br#"{"id":1}"#, 1_492_774_577);
        assert_eq!(
            signature,
            "t=1492774577,v1=b164f0bdace395b683022343e6a251eaf36f4381d672f92874dcc6cb562c96ad"
        );
    }
}
