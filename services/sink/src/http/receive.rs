//! What is sent to others over HTTP.

use std::{future::pending, sync::Arc};

use axum::{
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{Path, Problem, RawBody};
use uuid::Uuid;

use crate::{Channel, Detail, Effect, Refusal, Sink, push::Headers};

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// The refusal that was ordered, if any was.
fn refusal(effect: Option<Effect>) -> Option<Response> {
    let Some(Effect::Status { status, retry_after }) = effect else { return None };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Problem::new(status, "ordered", "as it was told to").into_response();
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Some(response)
}

fn keep(sink: &Sink, target: &str, key: Option<String>, detail: Detail) -> Result<(), Problem> {
    sink.journal.deliver(target, key, detail).map(|_id| ()).map_err(|error| Problem::internal(&error))
}

/// Takes a push (RFC 8030).
pub(super) async fn push(
    State(sink): State<Arc<Sink>>,
    Path(id): Path<Uuid>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let target = id.to_string();
    let effect = sink.failures.take(Channel::Push, &target);
    if let Some(response) = refusal(effect) {
        return Ok(response);
    }
    let sent = Headers {
        authorization: text(&headers, "authorization"),
        encoding: text(&headers, "content-encoding"),
        ttl: text(&headers, "ttl"),
        urgency: text(&headers, "urgency"),
        topic: text(&headers, "topic"),
    };
    let pushed = sink.mailboxes.take(id, sent, &body)?;
    let topic = pushed.topic.clone();
    keep(&sink, &target, topic, Detail::Push(pushed))?;
    if effect == Some(Effect::Hang) {
        pending::<()>().await;
    }
    Ok((StatusCode::CREATED, [(header::LOCATION, format!("/api/deliveries?target={id}"))]).into_response())
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, code) = match refusal {
            Refusal::Unknown => (StatusCode::NOT_FOUND, "not_found"),
            Refusal::Gone => (StatusCode::GONE, "gone"),
            Refusal::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too_large"),
            Refusal::Header(_) => (StatusCode::BAD_REQUEST, "header_missing"),
            Refusal::Sender(_) => (StatusCode::FORBIDDEN, "sender_refused"),
            Refusal::Encryption(_) => (StatusCode::BAD_REQUEST, "not_decrypted"),
        };
        Self::new(status, code, refusal.to_string())
    }
}

/// Takes a webhook.
pub(super) async fn webhook(
    State(sink): State<Arc<Sink>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    RawBody(body): RawBody,
) -> Result<Response, Problem> {
    let effect = sink.failures.take(Channel::Webhook, &name);
    if let Some(response) = refusal(effect) {
        return Ok(response);
    }
    let key = text(&headers, "webhook-id").map(str::to_owned);
    let all =
        headers.iter().filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    let body = String::from_utf8_lossy(&body).into_owned();
    keep(&sink, &name, key, Detail::Webhook { headers: all.collect(), body })?;
    if effect == Some(Effect::Hang) {
        pending::<()>().await;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}
