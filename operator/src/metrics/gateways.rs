//! What is measured of gateways.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Buckets of compile times, in seconds: from a route among few to everything among thousands.
const COMPILE_SECONDS: [f64; 12] =
    [0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// Gateways and their routes, under names of our own.
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    compile: Histogram,
    gateways: Gauge,
    routes: Family<KindLabel, Gauge>,
}

impl GatewayMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            compile: Histogram::new(COMPILE_SECONDS),
            gateways: Gauge::default(),
            routes: Family::default(),
        };
        registry.register(
            "flotilla_gateway_compile_seconds",
            "Time to compile what all gateways do",
            metrics.compile.clone(),
        );
        registry.register("flotilla_gateways", "Gateways of ours", metrics.gateways.clone());
        registry.register(
            "flotilla_gateway_routes",
            "Routes that name a gateway of ours, by kind",
            metrics.routes.clone(),
        );
        metrics
    }

    /// Observes a compile, with how many gateways and routes of each kind there were.
    pub fn compiled(
        &self,
        time: Duration,
        gateways: usize,
        routes: impl Iterator<Item = (&'static str, usize)>,
    ) {
        self.compile.observe(time.as_secs_f64());
        self.gateways.set(i64::try_from(gateways).unwrap_or(i64::MAX));
        for (kind, count) in routes {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.routes.get_or_create(&KindLabel { kind }).set(count);
        }
    }
}
