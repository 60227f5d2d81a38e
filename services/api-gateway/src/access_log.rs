//! The access log: a JSON object a line on standard output. Of most requests only a sample, of those that fail all.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use http::{StatusCode, Version};
use serde::Serialize;

use crate::{edge::Target, metrics::Metrics, record::Record};

/// Lines that may wait to be written. When there are more, they are counted and lost: a slow disk must not slow requests.
const WAITING: usize = 8_192;

/// Where lines go.
#[derive(Debug)]
pub struct AccessLog {
    /// Of 2^32 requests, how many are logged.
    sample: u64,
    lines: SyncSender<Vec<u8>>,
    metrics: Arc<Metrics>,
}

impl AccessLog {
    /// Starts writing to standard output. `sample` is the share of requests, from 0 to 1, that are logged whatever
    /// becomes of them.
    pub fn start(sample: f64, metrics: Arc<Metrics>) -> io::Result<Self> {
        let (lines, written) = sync_channel(WAITING);
        thread::Builder::new().name("access-log".to_owned()).spawn(move || write(&written))?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^32")]
        let sample = (sample.clamp(0.0, 1.0) * 4_294_967_296.0) as u64;
        Ok(Self { sample, lines, metrics })
    }

    /// Whether a request is logged.
    pub fn wants(&self, status: StatusCode, was_aborted: bool) -> bool {
        self.samples(status.is_server_error() || was_aborted)
    }

    /// Whether anything is logged that may have failed.
    pub fn samples(&self, has_failed: bool) -> bool {
        has_failed || u64::from(fastrand::u32(..)) < self.sample
    }

    /// Writes a line, soon.
    pub fn write(&self, line: &impl Serialize) {
        let written = serde_json::to_vec(line).is_ok_and(|mut line| {
            line.push(b'\n');
            self.lines.try_send(line).is_ok()
        });
        if !written {
            self.metrics.lost_lines.inc();
        }
    }
}

/// A time for a line. Microseconds are fine enough, and write short numbers.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1_000.0
}

fn write(lines: &Receiver<Vec<u8>>) {
    let mut out = io::stdout().lock();
    while let Ok(line) = lines.recv() {
        // Nobody reads: there is nobody to tell either.
        if out.write_all(&line).and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// A line. Queries are not in it: they hold what should not be kept, such as tokens.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Line<'a> {
    time: jiff::Timestamp,
    correlation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    client: std::net::IpAddr,
    method: &'a str,
    scheme: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    protocol: &'static str,
    status: u16,
    duration_ms: f64,
    bytes_sent: u64,
    #[serde(skip_serializing_if = "str::is_empty")]
    route: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_ms: Option<f64>,
    attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    aborted: bool,
}

impl<'a> Line<'a> {
    /// What is said of a request that took `time`.
    pub fn new(record: &'a Record, time: Duration) -> Self {
        Self {
            time: jiff::Timestamp::now(),
            correlation_id: record.correlation_id.to_str().ok().filter(|id| !id.is_empty()),
            trace_id: record.trace.as_ref().and_then(|trace| trace.to_str().ok()?.split('-').nth(1)),
            client: record.client.ip(),
            method: record.method.as_str(),
            scheme: if record.is_secure { "https" } else { "http" },
            host: record.target.as_ref().map(|target| target.host.as_str()),
            path: record.target.as_ref().map(Target::path),
            protocol: match record.version {
                Version::HTTP_10 => "HTTP/1.0",
                Version::HTTP_2 => "HTTP/2",
                _ => "HTTP/1.1",
            },
            status: record.status.as_u16(),
            duration_ms: milliseconds(time),
            bytes_sent: record.sent,
            route: &record.metrics.name,
            rule: record.rule.as_deref(),
            backend: record.backend.as_deref(),
            endpoint: record.endpoint.as_ref().map(ToString::to_string),
            upstream_ms: record.upstream_time.map(milliseconds),
            attempts: record.attempts,
            reason: record.reason,
            aborted: record.was_aborted(),
        }
    }
}
