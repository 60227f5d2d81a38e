//! Prometheus metrics. Series are bounded: their labels are names of the configuration and fixed words, never anything
//! that a client sends, and go with the configuration.

mod histogram;
mod policy;
mod route;
mod stream;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use flotilla_gateway_config::GatewayConfig;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, info::Info},
    registry::Registry,
};

pub use self::{
    histogram::Histogram,
    route::RouteMetrics,
    stream::{StreamFailure, StreamMetrics},
};
use self::{policy::PolicyFamilies, stream::StreamFamilies};

/// What begins the name of each.
const PREFIX: &str = "flotilla_gateway";

/// The route of requests that no route takes. No route of a configuration has an empty name.
const NO_ROUTE: &str = "";

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct CodeLabels {
    route: String,
    code: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BackendLabels {
    backend: String,
    reason: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct OutcomeLabels {
    backend: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResourceLabel {
    resource: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PortLabel {
    port: u16,
}

/// Everything that a gateway measures.
#[derive(Debug)]
pub struct Metrics {
    /// The registry that `/metrics` shows.
    pub registry: Registry,
    requests: Family<CodeLabels, Counter>,
    seconds: Family<RouteLabel, Histogram>,
    refused: Family<ReasonLabel, Counter>,
    failures: Family<BackendLabels, Counter>,
    connections: Family<PortLabel, Gauge>,
    /// Configurations that were taken.
    pub loads: Counter,
    /// Configurations that were refused.
    pub load_failures: Counter,
    /// Times that a configuration could not be had as a whole.
    pub incomplete: Counter,
    watch_failures: Family<ResourceLabel, Counter>,
    health_checks: Family<OutcomeLabels, Counter>,
    /// Whether the API server answered last, when it is asked at all.
    pub api_server_up: Gauge,
    /// Spans that a collector has taken.
    pub sent_spans: Counter,
    /// Spans that could not be sent.
    pub lost_spans: Counter,
    /// Lines that the access log had no room for.
    pub lost_lines: Counter<u64, AtomicU64>,
    of_streams: StreamFamilies,
    of_policies: PolicyFamilies,
    routes: Mutex<HashMap<Arc<str>, Arc<RouteMetrics>>>,
    streams: Mutex<HashMap<Arc<str>, Arc<StreamMetrics>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let metrics = Self {
            requests: Family::default(),
            seconds: Family::default(),
            refused: Family::default(),
            failures: Family::default(),
            connections: Family::default(),
            loads: Counter::default(),
            load_failures: Counter::default(),
            incomplete: Counter::default(),
            watch_failures: Family::default(),
            health_checks: Family::default(),
            api_server_up: Gauge::default(),
            sent_spans: Counter::default(),
            lost_spans: Counter::default(),
            lost_lines: Counter::default(),
            of_streams: StreamFamilies::default(),
            of_policies: PolicyFamilies::default(),
            routes: Mutex::default(),
            streams: Mutex::default(),
            registry: Registry::default(),
        };
        registry.register(
            "requests",
            "Requests, by the route that took them and class of the status",
            metrics.requests.clone(),
        );
        registry.register(
            "request_duration_seconds",
            "Time from a request's head to the end of its answer",
            metrics.seconds.clone(),
        );
        registry.register(
            "refused_requests",
            "Requests that were not forwarded, by reason",
            metrics.refused.clone(),
        );
        registry.register(
            "backend_failures",
            "Attempts at a backend that gave no answer, by reason",
            metrics.failures.clone(),
        );
        registry.register(
            "connections",
            "Connections of clients that are open, by port",
            metrics.connections.clone(),
        );
        metrics.of_streams.register(&mut registry);
        metrics.of_policies.register(&mut registry);
        registry.register("config_loads", "Configurations that were taken", metrics.loads.clone());
        registry.register(
            "config_load_failures",
            "Configurations that were refused",
            metrics.load_failures.clone(),
        );
        registry.register(
            "config_incomplete",
            "Times that parts of a configuration were missing or did not fit its index yet",
            metrics.incomplete.clone(),
        );
        registry.register(
            "watch_failures",
            "Watches of the cluster that broke, by resource",
            metrics.watch_failures.clone(),
        );
        registry.register(
            "health_checks",
            "Questions to endpoints whether they are well, by outcome",
            metrics.health_checks.clone(),
        );
        registry.register(
            "api_server_up",
            "Whether the API server answered the last request to it",
            metrics.api_server_up.clone(),
        );
        registry.register(
            "sent_spans",
            "Spans of traces that a collector has taken",
            metrics.sent_spans.clone(),
        );
        registry.register(
            "lost_spans",
            "Spans of traces that could not be sent, or not in time",
            metrics.lost_spans.clone(),
        );
        registry.register(
            "access_log_lost_lines",
            "Lines of the access log that could not be written in time",
            metrics.lost_lines.clone(),
        );
        registry.register("build", "The version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        Self { registry, ..metrics }
    }
}

impl Metrics {
    /// The metrics of a route, which are there until [`Metrics::keep_routes`] finds that nobody has them.
    pub fn route(&self, name: &str) -> Arc<RouteMetrics> {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = routes.get(name) {
            return Arc::clone(known);
        }
        let counters = route::CLASSES
            .map(|code| self.requests.get_or_create_owned(&CodeLabels { route: name.to_owned(), code }));
        let seconds = self.seconds.get_or_create_owned(&RouteLabel { route: name.to_owned() });
        let route = Arc::new(RouteMetrics::new(name, counters, seconds));
        routes.insert(Arc::clone(&route.name), Arc::clone(&route));
        route
    }

    /// The metrics of requests that no route takes.
    pub fn no_route(&self) -> Arc<RouteMetrics> {
        self.route(NO_ROUTE)
    }

    /// Forgets routes that are in no configuration and have no request.
    pub fn keep_routes(&self) {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        routes.retain(|_, route| {
            let is_used = Arc::strong_count(route) > 1;
            if !is_used {
                let name = route.name.to_string();
                self.seconds.remove(&RouteLabel { route: name.clone() });
                for code in route::CLASSES {
                    self.requests.remove(&CodeLabels { route: name.clone(), code });
                }
            }
            is_used
        });
    }

    /// The metrics of a stream, which are there until [`Metrics::keep_streams`] finds that nobody has them.
    pub fn stream(&self, name: &str) -> Arc<StreamMetrics> {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = streams.get(name) {
            return Arc::clone(known);
        }
        let stream = Arc::new(self.of_streams.of(name));
        streams.insert(Arc::clone(&stream.name), Arc::clone(&stream));
        stream
    }

    /// Forgets streams that are in no configuration and have no connection.
    pub fn keep_streams(&self) {
        let mut streams = self.streams.lock().unwrap_or_else(PoisonError::into_inner);
        streams.retain(|_, stream| {
            let is_used = Arc::strong_count(stream) > 1;
            if !is_used {
                self.of_streams.forget(&stream.name);
            }
            is_used
        });
    }

    /// The requests that a rate limit refuses.
    pub fn limited(&self, limit: &str) -> Counter {
        self.of_policies.limited(limit)
    }

    /// The keys of a provider have been fetched, or not.
    pub fn keys_fetched(&self, provider: &str, is_good: bool) {
        self.of_policies.fetched(provider, is_good);
    }

    /// Forgets rate limits and providers that are in no configuration.
    pub fn keep_policies(&self, config: &GatewayConfig) {
        self.of_policies.keep(
            |limit| config.rate_limits.contains_key(limit),
            |provider| config.jwt_providers.contains_key(provider),
        );
    }

    /// A request was not forwarded.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&ReasonLabel { reason }).inc();
    }

    /// A backend gave no answer.
    pub fn backend_failed(&self, backend: &str, reason: &'static str) {
        self.failures.get_or_create(&BackendLabels { backend: backend.to_owned(), reason }).inc();
    }

    /// An endpoint has been asked whether it is well.
    pub fn health_checked(&self, backend: &str, is_well: bool) {
        let outcome = if is_well { "well" } else { "failed" };
        self.health_checks.get_or_create(&OutcomeLabels { backend: backend.to_owned(), outcome }).inc();
    }

    /// A watch broke.
    pub fn watch_failed(&self, resource: &'static str) {
        self.watch_failures.get_or_create(&ResourceLabel { resource }).inc();
    }

    /// The open connections of a port.
    pub fn connections(&self, port: u16) -> Gauge {
        self.connections.get_or_create_owned(&PortLabel { port })
    }
}
