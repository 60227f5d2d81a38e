//! `/paysim`: what is to go wrong, what the customer answers their bank, and what the provider knows. For tests; a shop that
//! takes real money has another provider.

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use bytes::Bytes;
use flotilla_kit::http::Json;
use serde::Deserialize;
use serde_json::json;

use super::intents::as_json;
use crate::{
    fault::{Fault, Operation},
    provider::{Provider, Request},
};

pub(super) fn router() -> Router<Provider> {
    Router::new()
        .route("/paysim/faults", post(add).delete(clear))
        .route("/paysim/keys", delete(forget))
        .route("/paysim/ledger", get(ledger))
        .route("/paysim/webhooks", get(webhooks))
        .route("/paysim/webhooks/again", post(again))
        .route("/paysim/payment_intents/{id}/authenticate", post(authenticate))
}

async fn add(State(provider): State<Provider>, Json(fault): Json<Fault>) -> StatusCode {
    provider.faults().add(fault);
    StatusCode::NO_CONTENT
}

async fn clear(State(provider): State<Provider>) -> StatusCode {
    provider.faults().clear();
    StatusCode::NO_CONTENT
}

async fn forget(State(provider): State<Provider>) -> StatusCode {
    provider.forget_keys();
    StatusCode::NO_CONTENT
}

async fn ledger(State(provider): State<Provider>) -> Response {
    as_json(&json!(&*provider.ledger()))
}

async fn webhooks(State(provider): State<Provider>) -> Response {
    as_json(&json!(provider.webhooks.log()))
}

async fn again(State(provider): State<Provider>) -> Response {
    as_json(&json!({ "sent": provider.webhooks.send_again() }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Authentication {
    is_them: bool,
}

async fn authenticate(
    State(provider): State<Provider>,
    uri: Uri,
    Path(id): Path<String>,
    Json(answer): Json<Authentication>,
) -> Response {
    let request = Request {
        operation: Operation::Authenticate,
        key: None,
        path: uri.path().to_owned(),
        body: Bytes::new(),
    };
    provider.run(request, move |ledger, _, _| ledger.authenticate(&id, answer.is_them)).await.into_response()
}
