//! Prometheus metrics, under the names of controller-runtime so that existing dashboards and alerts work.

mod gateways;
mod services;

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

pub use self::{gateways::GatewayMetrics, services::ServiceMetrics};

/// The `controller` label of the `Microservice` controller.
const MICROSERVICE: &str = "microservice";

/// That of the control plane of gateways.
const GATEWAY: &str = "gateway";

/// Buckets of controller-runtime's reconcile times, in seconds.
const RECONCILE_SECONDS: [f64; 16] =
    [0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 0.75, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Everything that the operator measures.
#[derive(Debug)]
pub struct Metrics {
    /// The registry that `/metrics` shows.
    pub registry: Registry,
    /// Reconciles of services.
    pub reconcile: ReconcileMetrics,
    /// Reconciles of gateways, which are one for all.
    pub gateway_reconcile: ReconcileMetrics,
    /// Gateways.
    pub gateways: GatewayMetrics,
    /// Requests to the API server.
    pub api: ApiMetrics,
    /// Writes to the API server.
    pub writes: WriteMetrics,
    /// Leadership.
    pub leader: LeaderMetrics,
    /// Services.
    pub services: ServiceMetrics,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::default();
        let reconcile = ReconcileMetrics::register(&mut registry);
        Self {
            gateway_reconcile: reconcile.of(GATEWAY),
            reconcile,
            gateways: GatewayMetrics::register(&mut registry),
            api: ApiMetrics::register(&mut registry),
            writes: WriteMetrics::register(&mut registry),
            leader: LeaderMetrics::register(&mut registry),
            services: ServiceMetrics::register(&mut registry),
            registry,
        }
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ControllerLabel {
    controller: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabels {
    controller: &'static str,
    result: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    controller: &'static str,
    reason: &'static str,
}

/// What controller-runtime measures of a controller.
#[derive(Clone, Debug)]
pub struct ReconcileMetrics {
    label: ControllerLabel,
    total: Family<ResultLabels, Counter>,
    errors: Family<ControllerLabel, Counter>,
    failures: Family<ReasonLabels, Counter>,
    seconds: Family<ControllerLabel, Histogram, fn() -> Histogram>,
    active: Family<ControllerLabel, Gauge>,
    max: Family<ControllerLabel, Gauge>,
}

impl ReconcileMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            label: ControllerLabel { controller: MICROSERVICE },
            total: Family::default(),
            errors: Family::default(),
            failures: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(RECONCILE_SECONDS)),
            active: Family::default(),
            max: Family::default(),
        };
        registry.register("controller_runtime_reconcile", "Reconciles by result", metrics.total.clone());
        registry.register("controller_runtime_reconcile_errors", "Failed reconciles", metrics.errors.clone());
        registry.register(
            "flotilla_reconcile_failures",
            "Failed reconciles by reason",
            metrics.failures.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "Duration of a reconcile",
            metrics.seconds.clone(),
        );
        registry.register(
            "controller_runtime_active_workers",
            "Reconciles that run now",
            metrics.active.clone(),
        );
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Reconciles that may run at once",
            metrics.max.clone(),
        );
        metrics
    }

    /// The same of another controller.
    fn of(&self, controller: &'static str) -> Self {
        Self { label: ControllerLabel { controller }, ..self.clone() }
    }

    /// Says how many reconciles may run at once.
    pub fn concurrency(&self, concurrency: u16) {
        self.max.get_or_create(&self.label).set(concurrency.into());
    }

    /// Counts a reconcile as running until the returned value is dropped.
    pub fn start(&self) -> Running {
        let active = self.active.get_or_create_owned(&self.label);
        active.inc();
        Running { active }
    }

    /// Counts a reconcile that is over; `failure` is the reason of its failure, from a fixed list.
    pub fn finish(&self, duration: Duration, failure: Option<&'static str>) {
        match failure {
            None => self.count("success"),
            Some(reason) => self.fail(reason),
        }
        self.seconds.get_or_create(&self.label).observe(duration.as_secs_f64());
    }

    /// Counts a failure, for a reason from a fixed list, of what a reconcile has left to others.
    pub fn fail(&self, reason: &'static str) {
        self.count("error");
        let controller = self.label.controller;
        self.errors.get_or_create(&self.label).inc();
        self.failures.get_or_create(&ReasonLabels { controller, reason }).inc();
    }

    fn count(&self, result: &'static str) {
        self.total.get_or_create(&ResultLabels { controller: self.label.controller, result }).inc();
    }
}

/// A reconcile that runs.
#[derive(Debug)]
pub struct Running {
    active: Gauge,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.active.dec();
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    code: String,
    host: String,
    method: String,
}

/// Requests to the API server.
#[derive(Clone, Debug)]
pub struct ApiMetrics {
    requests: Family<RequestLabels, Counter>,
}

impl ApiMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self { requests: Family::default() };
        registry.register("rest_client_requests", "Requests to the API server", metrics.requests.clone());
        metrics
    }

    /// Counts a request.
    pub fn request(&self, method: String, host: String, code: String) {
        self.requests.get_or_create(&RequestLabels { code, host, method }).inc();
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WriteLabels {
    kind: &'static str,
    verb: &'static str,
    result: &'static str,
}

/// Writes to the API server. In a converged cluster the counter stands still.
#[derive(Clone, Debug)]
pub struct WriteMetrics {
    writes: Family<WriteLabels, Counter>,
}

impl WriteMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self { writes: Family::default() };
        registry.register("flotilla_api_writes", "Writes by kind and verb", metrics.writes.clone());
        metrics
    }

    /// Counts a write.
    pub fn wrote(&self, kind: &'static str, verb: &'static str, succeeded: bool) {
        let result = if succeeded { "success" } else { "error" };
        self.writes.get_or_create(&WriteLabels { kind, verb, result }).inc();
    }
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct LeaseLabel {
    name: String,
}

/// Leadership, under the name of client-go.
#[derive(Clone, Debug)]
pub struct LeaderMetrics {
    status: Family<LeaseLabel, Gauge>,
}

impl LeaderMetrics {
    fn register(registry: &mut Registry) -> Self {
        let metrics = Self { status: Family::default() };
        registry.register("leader_election_master_status", "1 on the leader", metrics.status.clone());
        metrics
    }

    /// Says whether this replica leads.
    pub fn leads(&self, lease: &str, leads: bool) {
        self.status.get_or_create(&LeaseLabel { name: lease.to_owned() }).set(leads.into());
    }
}
