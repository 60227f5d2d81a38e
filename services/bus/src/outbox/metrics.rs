//! What Prometheus is told of an outbox: an event that waits for long has a bus that is not there, and one that is refused waits
//! for somebody to look at it.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
};
use tokio::sync::watch;

use super::Backlog;

/// What waits in an outbox, as its relay has counted it last.
#[derive(Debug)]
pub struct BacklogMetrics(pub(super) watch::Receiver<Backlog>);

impl Collector for BacklogMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Backlog { waiting, oldest_seconds, refused } = *self.0.borrow();
        for (name, help, value) in [
            ("outbox_waiting_events", "Events that the bus has not taken yet", count(waiting)),
            ("outbox_refused_events", "Events that the bus will not take", count(refused)),
        ] {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let (name, help) = ("outbox_oldest_seconds", "How long the oldest event has waited for the bus");
        let gauge = ConstGauge::new(oldest_seconds);
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)
    }
}

fn count(events: u64) -> i64 {
    i64::try_from(events).unwrap_or(i64::MAX)
}
