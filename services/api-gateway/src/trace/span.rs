//! A request as OpenTelemetry has it: a span of a server, by the semantic conventions for HTTP.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{Method, StatusCode, Version};
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use super::Started;
use crate::{edge::Target, record::Record, upstream::Endpoint};

/// A request that has ended.
#[derive(Debug)]
pub struct Span {
    started: Started,
    ended: SystemTime,
    time: Duration,
    method: Method,
    is_secure: bool,
    version: Version,
    target: Option<Target>,
    client: IpAddr,
    status: StatusCode,
    route: Arc<str>,
    rule: Option<Arc<str>>,
    backend: Option<Arc<str>>,
    endpoint: Option<Arc<Endpoint>>,
    attempts: u32,
    upstream_time: Option<Duration>,
    reason: Option<&'static str>,
    was_aborted: bool,
}

impl Span {
    /// What is recorded of a request, which took so long.
    pub(crate) fn new(started: Started, record: &mut Record, time: Duration) -> Self {
        Self {
            started,
            ended: SystemTime::now(),
            time,
            method: record.method.clone(),
            is_secure: record.is_secure,
            version: record.version,
            target: record.target.take(),
            client: record.client.ip().to_canonical(),
            status: record.status,
            route: Arc::clone(&record.metrics.name),
            rule: record.rule.clone(),
            backend: record.backend.clone(),
            endpoint: record.endpoint.clone(),
            attempts: record.attempts,
            upstream_time: record.upstream_time,
            reason: record.reason,
            was_aborted: record.was_aborted(),
        }
    }

    pub(super) fn into_data(self, scope: &InstrumentationScope) -> SpanData {
        let context = |id: u64| {
            SpanContext::new(
                TraceId::from_bytes(self.started.trace.to_be_bytes()),
                SpanId::from_bytes(id.to_be_bytes()),
                TraceFlags::SAMPLED,
                false,
                TraceState::NONE,
            )
        };
        // Methods are whatever clients send, and names of spans are few.
        let method = if is_known(&self.method) { self.method.as_str() } else { "_OTHER" };
        let verb = if is_known(&self.method) { method } else { "HTTP" };
        let name = if self.route.is_empty() { verb.to_owned() } else { format!("{verb} {}", self.route) };
        // For a server, what a client does wrong is no error of its own.
        let is_error = self.status.is_server_error() || self.was_aborted;
        SpanData {
            span_context: context(self.started.id),
            parent_span_id: self
                .started
                .parent
                .map_or(SpanId::INVALID, |id| SpanId::from_bytes(id.to_be_bytes())),
            parent_span_is_remote: self.started.parent.is_some(),
            span_kind: SpanKind::Server,
            name: name.into(),
            start_time: self.ended.checked_sub(self.time).unwrap_or(self.ended),
            end_time: self.ended,
            attributes: self.attributes(method, is_error),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if is_error { Status::error("") } else { Status::Unset },
            instrumentation_scope: scope.clone(),
        }
    }

    fn attributes(&self, method: &str, is_error: bool) -> Vec<KeyValue> {
        let text = |key: &'static str, value: &str| KeyValue::new(key, value.to_owned());
        let mut all = vec![
            text("http.request.method", method),
            text("url.scheme", if self.is_secure { "https" } else { "http" }),
            text("network.protocol.version", if self.version == Version::HTTP_2 { "2" } else { "1.1" }),
            text("client.address", &self.client.to_string()),
            KeyValue::new("http.response.status_code", i64::from(self.status.as_u16())),
            KeyValue::new("flotilla.attempts", i64::from(self.attempts)),
        ];
        if let Some(target) = &self.target {
            all.push(text("server.address", &target.host));
            all.push(text("url.path", target.path()));
        }
        let endpoint = self.endpoint.as_ref().map(ToString::to_string);
        let error = match (self.reason, self.was_aborted) {
            (Some(reason), _) => Some(reason.to_owned()),
            (None, true) => Some("aborted".to_owned()),
            (None, false) => is_error.then(|| self.status.as_str().to_owned()),
        };
        for (key, value) in [
            ("flotilla.route", Some(&*self.route).filter(|route| !route.is_empty())),
            ("flotilla.rule", self.rule.as_deref()),
            ("flotilla.backend", self.backend.as_deref()),
            ("flotilla.endpoint", endpoint.as_deref()),
            ("error.type", error.as_deref()),
        ] {
            all.extend(value.map(|value| text(key, value)));
        }
        all.extend(
            self.upstream_time.map(|time| KeyValue::new("flotilla.upstream_ms", time.as_secs_f64() * 1e3)),
        );
        all
    }
}

fn is_known(method: &Method) -> bool {
    [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::DELETE,
        Method::CONNECT,
        Method::OPTIONS,
        Method::TRACE,
        Method::PATCH,
    ]
    .contains(method)
}
