//! Prometheus metrics that every service has. Labels are routes and fixed words, never anything that a client sends.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use prometheus_client::{
    collector::Collector,
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::{Family, MetricConstructor},
        gauge::Gauge,
        histogram::Histogram,
        info::Info,
    },
    registry::{Metric, Registry},
};

/// What begins the name of each.
const PREFIX: &str = "flotilla_shop";

/// Seconds, up to which requests are counted.
const BUCKETS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    code: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CallLabels {
    method: String,
    code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct MethodLabels {
    method: String,
}

#[derive(Clone, Debug)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new(BUCKETS)
    }
}

/// What a service measures.
#[derive(Debug)]
pub struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    seconds: Family<RouteLabels, Histogram, Seconds>,
    calls: Family<CallLabels, Counter>,
    call_seconds: Family<MethodLabels, Histogram, Seconds>,
    running: Gauge,
    /// Spans that a collector has taken.
    pub sent_spans: Counter,
    /// Spans that could not be sent.
    pub lost_spans: Counter,
}

impl Metrics {
    /// Of a service.
    pub fn new(service: &'static str, version: &'static str) -> Self {
        let labels = std::iter::once(("service".into(), service.into()));
        let mut registry = Registry::with_prefix_and_labels(PREFIX, labels);
        let requests = Family::<RequestLabels, Counter>::default();
        let seconds = Family::new_with_constructor(Seconds);
        let calls = Family::<CallLabels, Counter>::default();
        let call_seconds = Family::new_with_constructor(Seconds);
        let (running, sent_spans, lost_spans) = (Gauge::default(), Counter::default(), Counter::default());
        registry.register("requests", "Requests, by route and status", requests.clone());
        registry.register(
            "request_duration_seconds",
            "Time from a request's head to the head of its answer",
            seconds.clone(),
        );
        registry.register("calls", "Calls by gRPC, by method and status", calls.clone());
        registry.register(
            "call_duration_seconds",
            "Time from a call's head to the end of its answer",
            call_seconds.clone(),
        );
        registry.register("running_requests", "Requests and calls that run", running.clone());
        registry.register("sent_spans", "Spans of traces that a collector has taken", sent_spans.clone());
        registry.register(
            "lost_spans",
            "Spans of traces that could not be sent, or not in time",
            lost_spans.clone(),
        );
        registry.register("build", "The version", Info::new([("version", version)]));
        let registry = Mutex::new(registry);
        Self { registry, requests, seconds, calls, call_seconds, running, sent_spans, lost_spans }
    }

    /// Adds what only this service measures.
    pub fn register(&self, name: &str, help: &str, metric: impl Metric) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register(name, help, metric);
    }

    /// Adds what is only known when it is asked for.
    pub fn collect(&self, collector: impl Collector) {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner).register_collector(Box::new(collector));
    }

    /// All of it in the OpenMetrics text format.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }

    /// A request has been answered. `route` is its pattern, or empty when there is none.
    pub(crate) fn answered(&self, method: &'static str, route: &str, code: u16, time: Duration) {
        let route = route.to_owned();
        self.requests.get_or_create(&RequestLabels { method, route: route.clone(), code }).inc();
        self.seconds.get_or_create(&RouteLabels { method, route }).observe(time.as_secs_f64());
    }

    /// A call by gRPC has come to its end. `code` is the name of its status.
    pub(crate) fn called(&self, method: &str, code: &'static str, time: Duration) {
        let method = method.to_owned();
        self.calls.get_or_create(&CallLabels { method: method.clone(), code }).inc();
        self.call_seconds.get_or_create(&MethodLabels { method }).observe(time.as_secs_f64());
    }
}

/// A request or a call that runs, until this goes: also when nobody waits for its answer any more.
#[derive(Debug)]
pub(crate) struct Running(Arc<Metrics>);

impl Running {
    pub(crate) fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.running.inc();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_measured_is_in_the_text() {
        let metrics = Metrics::new("order-service", "1.2.3");
        metrics.answered("GET", "/v1/orders/{id}", 200, Duration::from_millis(3));
        metrics.called("/shop.order.v1.Orders/GetOrder", "NOT_FOUND", Duration::from_millis(3));
        let metrics = Arc::new(metrics);
        let _running = Running::new(&metrics);
        drop(Running::new(&metrics));
        metrics.register("refusals", "Things refused", Counter::<u64>::default());
        let text = metrics.encode().unwrap();
        for line in [
            r#"flotilla_shop_requests_total{service="order-service",method="GET",route="/v1/orders/{id}",code="200"} 1"#,
            r#"flotilla_shop_request_duration_seconds_bucket{service="order-service",le="0.005",method="GET",route="/v1/orders/{id}"} 1"#,
            r#"flotilla_shop_calls_total{service="order-service",method="/shop.order.v1.Orders/GetOrder",code="NOT_FOUND"} 1"#,
            r#"flotilla_shop_call_duration_seconds_count{service="order-service",method="/shop.order.v1.Orders/GetOrder"} 1"#,
            r#"flotilla_shop_running_requests{service="order-service"} 1"#,
            r#"flotilla_shop_build_info{service="order-service",version="1.2.3"} 1"#,
            r#"flotilla_shop_refusals_total{service="order-service"} 0"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
