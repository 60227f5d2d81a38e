//! What Prometheus is told of a pool, as it is when it asks.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::gauge::ConstGauge,
};
use sqlx::PgPool;

/// The connections of a pool.
#[derive(Debug)]
pub struct PoolMetrics(pub PgPool);

impl Collector for PoolMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (open, idle) = (i64::from(self.0.size()), i64::try_from(self.0.num_idle()).unwrap_or(i64::MAX));
        for (name, help, value) in [
            ("database_connections", "Connections to the database that are open", open),
            ("database_idle_connections", "Those that nobody uses", idle),
        ] {
            let gauge = ConstGauge::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        Ok(())
    }
}
