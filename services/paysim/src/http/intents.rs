//! `/v1/payment_intents`.

use axum::{
    Router,
    extract::{Path, State},
    http::Uri,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use bytes::Bytes;
use flotilla_kit::http::RawBody;
use serde_json::json;

use super::{Merchant, form::Form};
use crate::{
    error::Error,
    fault::{Effect, Operation},
    ledger::NewIntent,
    provider::{Provider, Request},
};

pub(super) fn router() -> Router<Provider> {
    Router::new()
        .route("/v1/payment_intents", post(create))
        .route("/v1/payment_intents/search", get(search))
        .route("/v1/payment_intents/{id}", get(read))
        .route("/v1/payment_intents/{id}/confirm", post(confirm))
        .route("/v1/payment_intents/{id}/capture", post(capture))
        .route("/v1/payment_intents/{id}/cancel", post(cancel))
}

fn request(operation: Operation, merchant: Merchant, path: &str, body: &Bytes) -> Request {
    Request { operation, key: merchant.idempotency_key, path: path.to_owned(), body: body.clone() }
}

async fn create(
    State(provider): State<Provider>,
    uri: Uri,
    merchant: Merchant,
    RawBody(body): RawBody,
) -> Result<Response, Error> {
    let mut form = Form::parse(&body)?;
    let amount = form
        .integer("amount")?
        .ok_or_else(|| Error::parameter("parameter_missing", "amount", "is needed"))?;
    let new = NewIntent {
        amount,
        currency: form.required("currency")?,
        capture_method: form.text("capture_method").unwrap_or_else(|| "automatic".to_owned()),
        payment_method: form.text("payment_method"),
        metadata: form.metadata(),
    };
    form.end()?;
    let request = request(Operation::Create, merchant, uri.path(), &body);
    let run = provider.run(request, move |ledger, _, _| ledger.create(new));
    Ok(run.await.into_response())
}

async fn confirm(
    State(provider): State<Provider>,
    uri: Uri,
    Path(id): Path<String>,
    merchant: Merchant,
    RawBody(body): RawBody,
) -> Result<Response, Error> {
    let mut form = Form::parse(&body)?;
    let method = form.text("payment_method");
    form.end()?;
    let request = request(Operation::Confirm, merchant, uri.path(), &body);
    let run = provider.run(request, move |ledger, key, is_declined| {
        if is_declined { Err(ledger.decline(&id)?) } else { ledger.confirm(&id, method, key) }
    });
    Ok(run.await.into_response())
}

async fn capture(
    State(provider): State<Provider>,
    uri: Uri,
    Path(id): Path<String>,
    merchant: Merchant,
    RawBody(body): RawBody,
) -> Result<Response, Error> {
    let mut form = Form::parse(&body)?;
    let amount = form.integer("amount_to_capture")?;
    form.end()?;
    let request = request(Operation::Capture, merchant, uri.path(), &body);
    let run = provider.run(request, move |ledger, key, _| ledger.capture(&id, amount, key));
    Ok(run.await.into_response())
}

async fn cancel(
    State(provider): State<Provider>,
    uri: Uri,
    Path(id): Path<String>,
    merchant: Merchant,
    RawBody(body): RawBody,
) -> Result<Response, Error> {
    Form::parse(&body)?.end()?;
    let request = request(Operation::Cancel, merchant, uri.path(), &body);
    let run = provider.run(request, move |ledger, key, _| ledger.cancel(&id, key));
    Ok(run.await.into_response())
}

async fn read(
    State(provider): State<Provider>,
    Path(id): Path<String>,
    _merchant: Merchant,
) -> Result<Response, Error> {
    if fails(&provider).await {
        return Err(Error::fault());
    }
    let intent = json!(provider.ledger().intent(&id)?);
    Ok(as_json(&intent))
}

/// `?query=metadata['NAME']:'VALUE'`, the one form of Stripe's query language that is needed.
async fn search(State(provider): State<Provider>, uri: Uri, _merchant: Merchant) -> Result<Response, Error> {
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name == "query")
        .map(|(_, value)| value.to_string())
        .unwrap_or_default();
    let parts = query
        .strip_prefix("metadata['")
        .and_then(|rest| rest.strip_suffix('\''))
        .and_then(|rest| rest.split_once("']:'"));
    let Some((name, value)) = parts else {
        return Err(Error::parameter("parameter_invalid", "query", "write metadata['NAME']:'VALUE'"));
    };
    if fails(&provider).await {
        return Err(Error::fault());
    }
    let ledger = provider.ledger();
    let found: Vec<_> = ledger
        .intents
        .values()
        .filter(|intent| intent.metadata.get(name).is_some_and(|has| has == value))
        .collect();
    Ok(as_json(&json!({ "object": "search_result", "data": found, "has_more": false })))
}

/// Whether a read is to fail, after the time that it is to take.
pub(super) async fn fails(provider: &Provider) -> bool {
    let faults = provider.faults().take(Operation::Read);
    for fault in &faults {
        if let Effect::Slow { milliseconds } | Effect::SlowAnswer { milliseconds } = fault {
            tokio::time::sleep(std::time::Duration::from_millis(*milliseconds)).await;
        }
    }
    faults.iter().any(|fault| matches!(fault, Effect::FailBefore | Effect::FailAfter | Effect::DropAnswer))
}

pub(super) fn as_json(value: &serde_json::Value) -> Response {
    ([(axum::http::header::CONTENT_TYPE, "application/json")], value.to_string()).into_response()
}
