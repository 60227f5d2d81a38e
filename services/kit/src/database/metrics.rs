//! What Prometheus is told of a pool, as it is when it asks.

use super::Pool;
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
};

/// The connections of a pool.
#[derive(Debug)]
pub struct PoolMetrics(pub Pool);

impl Collector for PoolMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (open, idle) = self.0.sizes();
        for (name, help, value) in [
            ("database_connections", "Connections to the database that are open", open),
            ("database_idle_connections", "Those that nobody uses", idle),
        ] {
            let gauge = ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX));
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
