//! `/v1/refunds`.

use axum::{
    Router,
    extract::{Path, State},
    http::Uri,
    response::{IntoResponse, Response},
    routing::get,
};
use flotilla_kit::http::RawBody;
use serde_json::json;

use super::{
    Merchant,
    form::Form,
    intents::{as_json, fails},
};
use crate::{
    error::Error,
    fault::Operation,
    provider::{Provider, Request},
};

pub(super) fn router() -> Router<Provider> {
    Router::new().route("/v1/refunds", get(list).post(create)).route("/v1/refunds/{id}", get(read))
}

async fn create(
    State(provider): State<Provider>,
    uri: Uri,
    merchant: Merchant,
    RawBody(body): RawBody,
) -> Result<Response, Error> {
    let mut form = Form::parse(&body)?;
    let (id, amount) = (form.required("payment_intent")?, form.integer("amount")?);
    let metadata = form.metadata();
    form.end()?;
    let request = Request {
        operation: Operation::Refund,
        key: merchant.idempotency_key,
        path: uri.path().to_owned(),
        body,
    };
    let run = provider.run(request, move |ledger, key, _| ledger.refund(&id, amount, metadata, key));
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
    let ledger = provider.ledger();
    let refund = ledger.refunds.get(&id).ok_or_else(|| Error::missing(&id))?;
    Ok(as_json(&json!(refund)))
}

/// Those of a payment: `?payment_intent=`.
async fn list(State(provider): State<Provider>, uri: Uri, _merchant: Merchant) -> Result<Response, Error> {
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let of = query.into_iter().find(|(name, _)| name == "payment_intent").map(|(_, value)| value.to_string());
    if fails(&provider).await {
        return Err(Error::fault());
    }
    let ledger = provider.ledger();
    let found: Vec<_> = ledger
        .refunds
        .values()
        .filter(|refund| of.as_ref().is_none_or(|of| *of == refund.payment_intent))
        .collect();
    Ok(as_json(&json!({ "object": "list", "data": found, "has_more": false })))
}
