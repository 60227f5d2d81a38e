//! What is kept of a request until its answer has been sent, and then counted and logged.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderValue, Method, StatusCode, Version};

use crate::{
    access_log::{AccessLog, Line},
    connection::Activity,
    edge::Target,
    metrics::RouteMetrics,
    trace::{Span, Started},
};

/// A request and its answer. It is counted and logged when it goes.
#[derive(Debug)]
pub struct Record {
    /// When its head was there.
    pub begun: Instant,
    /// Where it came from.
    pub client: SocketAddr,
    /// Whether it came in TLS.
    pub is_secure: bool,
    /// Its method.
    pub method: Method,
    /// Its version.
    pub version: Version,
    /// What it asks for; `None` when that cannot be said.
    pub target: Option<Target>,
    /// Its correlation id.
    pub correlation_id: HeaderValue,
    /// Its `traceparent`, when there is a good one.
    pub trace: Option<HeaderValue>,
    /// Its span, when it is recorded.
    pub recorded: Option<Started>,
    /// The metrics of its route.
    pub metrics: Arc<RouteMetrics>,
    /// The name of the rule that took it.
    pub rule: Option<Arc<str>>,
    /// The backend that was asked last.
    pub backend: Option<Arc<str>>,
    /// Where that was.
    pub endpoint: Option<Arc<crate::upstream::Endpoint>>,
    /// How often backends were asked.
    pub attempts: u32,
    /// How long the last took for the head of its answer.
    pub upstream_time: Option<Duration>,
    /// Why the gateway answered itself.
    pub reason: Option<&'static str>,
    /// The status of the answer.
    pub status: StatusCode,
    /// Bytes of the answer's body.
    pub sent: u64,
    was_aborted: bool,
    is_answered: bool,
    ended: Option<Instant>,
    log: Arc<AccessLog>,
    activity: Arc<Activity>,
}

impl Record {
    /// Begins with the head of a request.
    pub fn new(
        request: &http::request::Parts,
        client: SocketAddr,
        is_secure: bool,
        metrics: Arc<RouteMetrics>,
        log: &Arc<AccessLog>,
        activity: &Arc<Activity>,
    ) -> Self {
        activity.begin();
        Self {
            begun: Instant::now(),
            client,
            is_secure,
            method: request.method.clone(),
            version: request.version,
            target: None,
            correlation_id: HeaderValue::from_static(""),
            trace: None,
            recorded: None,
            metrics,
            rule: None,
            backend: None,
            endpoint: None,
            attempts: 0,
            upstream_time: None,
            reason: None,
            status: unanswered(),
            sent: 0,
            was_aborted: false,
            is_answered: false,
            ended: None,
            log: Arc::clone(log),
            activity: Arc::clone(activity),
        }
    }

    /// The head of the answer is on its way.
    pub fn answered(&mut self, status: StatusCode) {
        self.status = status;
        self.is_answered = true;
    }

    /// Some of the answer's body is on its way.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The backend broke off.
    pub(crate) fn broken(&mut self) {
        self.was_aborted = true;
    }

    /// It ends now.
    pub(crate) fn ended(&mut self, now: Instant) {
        self.ended = Some(now);
    }

    /// Whether somebody went before the end.
    pub fn was_aborted(&self) -> bool {
        self.was_aborted || !self.is_answered
    }
}

/// What stands in the log for a client that went before there was an answer, as it does with others.
fn unanswered() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

impl Drop for Record {
    fn drop(&mut self) {
        let ended = self.ended.unwrap_or_else(Instant::now);
        let time = ended.saturating_duration_since(self.begun);
        self.metrics.ended(self.status, self.was_aborted(), time);
        if self.log.wants(self.status, self.was_aborted()) {
            self.log.write(&Line::new(self, time));
        }
        if let Some(recorded) = self.recorded.take() {
            recorded.end(|recorded| Span::new(recorded, self, time));
        }
        self.activity.end(ended);
    }
}
