//! What is measured of one route. Looked up once, when the configuration is read, never for a request.

use std::{sync::Arc, time::Duration};

use http::StatusCode;
use prometheus_client::metrics::counter::Counter;

use super::Histogram;

/// Classes of statuses; the last is for requests whose client or backend went before the end.
pub(super) const CLASSES: [&str; 6] = ["1xx", "2xx", "3xx", "4xx", "5xx", "aborted"];

/// What is measured of one route.
#[derive(Debug)]
pub struct RouteMetrics {
    /// The name of the route.
    pub name: Arc<str>,
    counters: [Counter; CLASSES.len()],
    seconds: Histogram,
}

impl RouteMetrics {
    pub(super) fn new(name: &str, counters: [Counter; CLASSES.len()], seconds: Histogram) -> Self {
        Self { name: name.into(), counters, seconds }
    }

    /// Counts a request that has ended.
    pub fn ended(&self, status: StatusCode, was_aborted: bool, time: Duration) {
        let class = if was_aborted { CLASSES.len() - 1 } else { usize::from(status.as_u16() / 100) - 1 };
        if let Some(counter) = self.counters.get(class) {
            counter.inc();
        }
        self.seconds.observe(time);
    }
}
