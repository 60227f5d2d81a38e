//! The JSON API, for tests.

use std::{sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use flotilla_kit::http::{Json, Path, Problem, Query, Violations};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::MAX;
use crate::{Channel, Delivery, Detail, Failure, Sink, failure::Invalid};

/// Seconds that somebody may wait for deliveries.
const PATIENCE: u64 = 60;

/// What is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Filter {
    channel: Option<Channel>,
    target: Option<String>,
    key: Option<String>,
    limit: Option<usize>,
    /// Waits until there are so many.
    at_least: Option<usize>,
    /// But not for longer than so many seconds.
    wait: Option<u64>,
}

impl Filter {
    fn has(&self, delivery: &Delivery) -> bool {
        self.channel.is_none_or(|channel| channel == delivery.detail.channel())
            && self.target.as_ref().is_none_or(|target| target.eq_ignore_ascii_case(&delivery.target))
            && self.key.as_ref().is_none_or(|key| delivery.key.as_ref() == Some(key))
    }
}

/// The deliveries that fit, the newest first.
pub(super) async fn list(State(sink): State<Arc<Sink>>, Query(filter): Query<Filter>) -> Response {
    let mut count = sink.journal.count();
    let until = Instant::now() + Duration::from_secs(filter.wait.unwrap_or(0).min(PATIENCE));
    let wanted = filter.at_least.unwrap_or(0);
    loop {
        count.mark_unchanged();
        let limit = filter.limit.unwrap_or(100).clamp(1, MAX).max(wanted.min(MAX));
        let items = sink.journal.find(limit, |delivery| filter.has(delivery));
        // The time is over, or there are enough.
        if items.len() >= wanted || timeout_at(until, count.changed()).await.is_err() {
            return Json(json!({ "items": items })).into_response();
        }
    }
}

fn found(sink: &Sink, id: Uuid) -> Result<Delivery, Problem> {
    sink.journal.get(id).ok_or_else(|| Problem::not_found("there is no such delivery, or not any more"))
}

/// A delivery.
pub(super) async fn one(
    State(sink): State<Arc<Sink>>,
    Path(id): Path<Uuid>,
) -> Result<Json<Delivery>, Problem> {
    found(&sink, id).map(Json)
}

/// A mail as it came.
pub(super) async fn raw(State(sink): State<Arc<Sink>>, Path(id): Path<Uuid>) -> Result<Response, Problem> {
    match found(&sink, id)?.detail {
        Detail::Mail(mail) => {
            let headers =
                [(header::CONTENT_TYPE, "message/rfc822"), (header::CONTENT_DISPOSITION, "attachment")];
            Ok((headers, mail.raw).into_response())
        }
        _ => Err(Problem::not_found("only mail is kept as it came")),
    }
}

/// Forgets all.
pub(super) async fn clear(State(sink): State<Arc<Sink>>) -> StatusCode {
    sink.journal.clear();
    StatusCode::NO_CONTENT
}

/// How it will fail.
pub(super) async fn failures(State(sink): State<Arc<Sink>>) -> Response {
    Json(json!({ "items": sink.failures.all() })).into_response()
}

/// Has it fail.
pub(super) async fn fail(
    State(sink): State<Arc<Sink>>,
    Json(failure): Json<Failure>,
) -> Result<Response, Problem> {
    match sink.failures.add(failure.clone()) {
        Ok(()) => Ok((StatusCode::CREATED, Json(failure)).into_response()),
        Err(error) => {
            let pointer = match error {
                Invalid::Status => "/effect/status",
                Invalid::Kind => "/effect/kind",
                Invalid::Times => "/times",
                Invalid::TooMany => "",
            };
            let mut violations = Violations::new();
            violations.add(pointer, error.to_string());
            Err(violations.into_result().err().unwrap_or_else(|| Problem::internal(&error)))
        }
    }
}

/// Has it fail no more.
pub(super) async fn heal(State(sink): State<Arc<Sink>>) -> StatusCode {
    sink.failures.clear();
    StatusCode::NO_CONTENT
}

/// Subscribes to pushes, as a browser does.
pub(super) async fn subscribe(
    State(sink): State<Arc<Sink>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = sink.public_url.clone().or_else(|| host.map(|host| format!("http://{host}")));
    let origin = origin.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "no_host", "send Host, or set SINK_PUBLIC_URL")
    })?;
    let subscription = sink.mailboxes.subscribe(origin.trim_end_matches('/'));
    let subscription = subscription
        .ok_or_else(|| Problem::unavailable(Duration::from_secs(1), "there are too many subscriptions"))?;
    Ok((StatusCode::CREATED, Json(subscription)).into_response())
}

/// Gives a subscription up.
pub(super) async fn give_up(
    State(sink): State<Arc<Sink>>,
    Path(id): Path<Uuid>,
) -> Result<StatusCode, Problem> {
    if sink.mailboxes.give_up(id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("there is no such subscription"))
    }
}
