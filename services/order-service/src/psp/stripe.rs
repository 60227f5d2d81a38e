//! A provider with the interface of Stripe: Stripe itself, or `paysim`.

use std::{sync::Arc, time::Duration};

use axum::http::{HeaderMap, Method, Uri};
use bytes::Bytes;
use flotilla_kit::{
    Secret,
    correlation::{self, CorrelationId},
};
use futures::future::BoxFuture;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use tokio::time::timeout;
use uuid::Uuid;

use super::{BadSignature, Error, Heard, Intent, NewIntent, PaymentProvider, Refund, RefundState, signature};
use crate::domain::fact::State;

/// Bytes that an answer may have.
const MAX: usize = 256 * 1024;

/// The part of Stripe's interface that is used here has been like this since.
const VERSION: &str = "2024-06-20";

/// Where it is and what it is asked with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its name here, which is in the path of its webhooks.
    pub name: &'static str,
    /// Where it is, such as `https://api.stripe.com`.
    pub address: Uri,
    /// The secret key.
    pub secret_key: Secret<String>,
    /// What webhooks are signed with; several while one is changed for another.
    pub webhook_secrets: Vec<Secret<String>>,
    /// How long an answer may take.
    pub patience: Duration,
}

/// A provider with the interface of Stripe.
#[derive(Clone, Debug)]
pub struct Stripe {
    settings: Arc<Settings>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

#[derive(Deserialize)]
struct IntentObject {
    id: String,
    status: String,
    #[serde(default)]
    amount_received: i64,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    last_payment_error: Option<Failure>,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    payment_id: Option<Uuid>,
    #[serde(default)]
    refund_id: Option<Uuid>,
}

#[derive(Deserialize)]
struct RefundObject {
    id: String,
    amount: i64,
    #[serde(default)]
    status: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
}

#[derive(Deserialize)]
struct Failed {
    error: Failure,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl From<IntentObject> for Intent {
    fn from(object: IntentObject) -> Self {
        let failure = object.last_payment_error.map(|error| error.code);
        let state = match object.status.as_str() {
            "requires_action" => State::RequiresAction,
            // Under way at the bank.
            "processing" => State::Open,
            "requires_capture" => State::Authorized,
            "succeeded" => State::Captured(object.amount_received),
            "canceled" => State::Voided,
            _ if failure.is_some() => State::Failed,
            _ => State::Open,
        };
        Self { reference: object.id, state, payment_id: object.metadata.payment_id, failure }
    }
}

impl From<RefundObject> for Refund {
    fn from(object: RefundObject) -> Self {
        Self {
            reference: object.id,
            refund_id: object.metadata.refund_id,
            minor: object.amount,
            state: match object.status.as_str() {
                "succeeded" => RefundState::Done,
                "failed" | "canceled" => RefundState::Failed,
                _ => RefundState::UnderWay,
            },
        }
    }
}

impl Stripe {
    /// With these settings. Nothing is asked yet.
    pub fn new(settings: Settings) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let tls = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            // A request on a connection that has just gone is no request that was lost: it would be asked again.
            .retry_canceled_requests(false)
            .build(connector);
        Self { settings: Arc::new(settings), client }
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
        key: Option<&str>,
    ) -> Result<T, Error> {
        let lost = |reason: String| Error::Lost { reason, is_replay: false };
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let address = self.settings.address.to_string();
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", address.trim_end_matches('/')))
            .header("authorization", format!("Bearer {}", self.settings.secret_key.expose()))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("stripe-version", VERSION);
        if let Some(id) = CorrelationId::current() {
            request = request.header(correlation::HEADER, id.header());
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let request = request.body(Full::new(body.into())).map_err(|error| Error::Busy(error.to_string()))?;
        let answer = async {
            let response = self.client.request(request).await.map_err(|error| lost(error.to_string()))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX).collect().await.map_err(|error| lost(error.to_string()))?;
            Ok((head, body.to_bytes()))
        };
        let (head, body) = timeout(self.settings.patience, answer)
            .await
            .map_err(|_| lost("it took too long".to_owned()))??;
        let status = head.status.as_u16();
        if head.status.is_success() {
            return serde_json::from_slice(&body).map_err(|error| lost(format!("its answer: {error}")));
        }
        let is_replay = head.headers.get("idempotent-replayed").is_some_and(|value| value == "true");
        let Ok(Failed { error }) = serde_json::from_slice::<Failed>(&body) else {
            return Err(Error::Lost { reason: format!("status {status}"), is_replay });
        };
        Err(match status {
            // The key is in flight, or we ask too often; or the settings are wrong, which somebody will mend.
            401 | 403 | 409 | 429 => Error::Busy(format!("{status}: {}", error.code)),
            400..=499 => Error::Refused { code: error.code, message: error.message },
            _ => Error::Lost { reason: format!("status {status}: {}", error.code), is_replay },
        })
    }

    /// Asks for something of which the answer may be that the bank said no.
    async fn ask_bank(&self, path: &str, form: &[(&str, &str)], key: &str) -> Result<Intent, Error> {
        let asked: Result<IntentObject, Error> = self.ask(Method::POST, path, form, Some(key)).await;
        asked.map(Intent::from)
    }
}

impl PaymentProvider for Stripe {
    fn name(&self) -> &'static str {
        self.settings.name
    }

    fn create<'a>(&'a self, new: NewIntent<'a>, key: &'a str) -> BoxFuture<'a, Result<Intent, Error>> {
        Box::pin(async move {
            let form = [
                ("amount", new.minor.to_string()),
                ("currency", new.currency.to_ascii_lowercase()),
                ("capture_method", "manual".to_owned()),
                ("metadata[payment_id]", new.payment_id.to_string()),
                ("metadata[order_id]", new.order_id.to_string()),
            ];
            let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
            self.ask_bank("/v1/payment_intents", &form, key).await
        })
    }

    fn authorize<'a>(
        &'a self,
        reference: &'a str,
        method: &'a str,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Intent, Error>> {
        Box::pin(async move {
            let path = format!("/v1/payment_intents/{reference}/confirm");
            match self.ask_bank(&path, &[("payment_method", method)], key).await {
                // The bank said no: the payment says so itself.
                Err(Error::Refused { code, .. }) if code == "card_declined" => {
                    let intent = self.get(reference).await?;
                    Ok(Intent { failure: intent.failure.or(Some(code)), ..intent })
                }
                answer => answer,
            }
        })
    }

    fn capture<'a>(&'a self, reference: &'a str, key: &'a str) -> BoxFuture<'a, Result<Intent, Error>> {
        Box::pin(
            async move { self.ask_bank(&format!("/v1/payment_intents/{reference}/capture"), &[], key).await },
        )
    }

    fn void<'a>(&'a self, reference: &'a str, key: &'a str) -> BoxFuture<'a, Result<Intent, Error>> {
        Box::pin(
            async move { self.ask_bank(&format!("/v1/payment_intents/{reference}/cancel"), &[], key).await },
        )
    }

    fn refund<'a>(
        &'a self,
        reference: &'a str,
        refund_id: Uuid,
        minor: i64,
        key: &'a str,
    ) -> BoxFuture<'a, Result<Refund, Error>> {
        Box::pin(async move {
            let (amount, id) = (minor.to_string(), refund_id.to_string());
            let form =
                [("payment_intent", reference), ("amount", &amount), ("metadata[refund_id]", id.as_str())];
            let object: RefundObject = self.ask(Method::POST, "/v1/refunds", &form, Some(key)).await?;
            Ok(object.into())
        })
    }

    fn get<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Intent, Error>> {
        Box::pin(async move {
            let path = format!("/v1/payment_intents/{reference}");
            let object: IntentObject = self.ask(Method::GET, &path, &[], None).await?;
            Ok(object.into())
        })
    }

    fn find(&self, payment_id: Uuid) -> BoxFuture<'_, Result<Option<Intent>, Error>> {
        Box::pin(async move {
            let query = format!("metadata['payment_id']:'{payment_id}'");
            let query = form_urlencoded::Serializer::new(String::new()).append_pair("query", &query).finish();
            let path = format!("/v1/payment_intents/search?{query}");
            let list: List<IntentObject> = self.ask(Method::GET, &path, &[], None).await?;
            Ok(list.data.into_iter().next().map(Intent::from))
        })
    }

    fn refunds<'a>(&'a self, reference: &'a str) -> BoxFuture<'a, Result<Vec<Refund>, Error>> {
        Box::pin(async move {
            let path = format!("/v1/refunds?payment_intent={reference}&limit=100");
            let list: List<RefundObject> = self.ask(Method::GET, &path, &[], None).await?;
            Ok(list.data.into_iter().map(Refund::from).collect())
        })
    }

    fn hear(&self, headers: &HeaderMap, body: &[u8], now: jiff::Timestamp) -> Result<Heard, BadSignature> {
        #[derive(Deserialize)]
        struct Event {
            id: String,
            #[serde(rename = "type")]
            kind: String,
            data: Data,
        }
        #[derive(Deserialize)]
        struct Data {
            object: About,
        }
        #[derive(Deserialize)]
        struct About {
            #[serde(default)]
            id: String,
            #[serde(rename = "object", default)]
            kind: String,
            #[serde(default)]
            payment_intent: Option<String>,
        }
        let header = headers.get("stripe-signature").and_then(|value| value.to_str().ok());
        signature::check(&self.settings.webhook_secrets, header, body, now)?;
        let event: Event = serde_json::from_slice(body).map_err(|_| BadSignature::Body)?;
        let object = event.data.object;
        let reference = if object.kind == "payment_intent" { Some(object.id) } else { object.payment_intent };
        Ok(Heard { id: event.id, kind: event.kind, reference })
    }
}
