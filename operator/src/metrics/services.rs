//! What the operator measures of services: how they are, and what it has to do for them.

use std::{borrow::Borrow, time::Duration};

use flotilla_crds::v1alpha1::{Microservice, condition};
use kube::ResourceExt;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

/// Buckets of the time until a version is ready, in seconds.
const READY_SECONDS: [f64; 13] =
    [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 3600.0];

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    namespace: String,
    ready: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct NamespaceLabel {
    namespace: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct DependencyLabels {
    namespace: String,
    state: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ProblemLabels {
    namespace: String,
    severity: String,
    reason: String,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ActionLabel {
    action: &'static str,
}

/// What is measured of services. Series are per namespace, not per service, so that their number is bounded.
#[derive(Clone, Debug)]
pub struct ServiceMetrics {
    states: Family<StateLabels, Gauge>,
    suspended: Family<NamespaceLabel, Gauge>,
    dependencies: Family<DependencyLabels, Gauge>,
    problems: Family<ProblemLabels, Gauge>,
    repairs: Family<KindLabel, Counter>,
    failures: Family<ActionLabel, Counter>,
    seconds: Histogram,
}

impl ServiceMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            states: Family::default(),
            suspended: Family::default(),
            dependencies: Family::default(),
            problems: Family::default(),
            repairs: Family::default(),
            failures: Family::default(),
            seconds: Histogram::new(READY_SECONDS),
        };
        registry.register(
            "flotilla_microservices",
            "Services by the status and reason of Ready",
            metrics.states.clone(),
        );
        registry.register(
            "flotilla_microservices_suspended",
            "Services for which nothing is written",
            metrics.suspended.clone(),
        );
        registry.register(
            "flotilla_dependencies",
            "Declared dependencies by state",
            metrics.dependencies.clone(),
        );
        registry.register(
            "flotilla_problems",
            "What is wrong with services, by severity and reason",
            metrics.problems.clone(),
        );
        registry.register(
            "flotilla_drift_repairs",
            "Objects that others changed or deleted and that were set right",
            metrics.repairs.clone(),
        );
        registry.register(
            "flotilla_rollout_failures",
            "Versions that failed, by what was done",
            metrics.failures.clone(),
        );
        registry.register(
            "flotilla_time_to_ready_seconds",
            "Time from a change until it was through and the service ready",
            metrics.seconds.clone(),
        );
        metrics
    }

    /// Takes in how all services are now; done when somebody asks.
    pub fn observe(&self, services: impl Iterator<Item = impl Borrow<Microservice>>) {
        self.states.clear();
        self.suspended.clear();
        self.dependencies.clear();
        self.problems.clear();
        for service in services {
            let service = service.borrow();
            let namespace = service.namespace().unwrap_or_default();
            let conditions = service.status.iter().flat_map(|status| &status.conditions);
            let ready = conditions.into_iter().find(|found| found.type_ == condition::READY);
            let labels = StateLabels {
                namespace: namespace.clone(),
                ready: ready.map_or_else(|| "Unknown".to_owned(), |found| found.status.clone()),
                reason: ready.map(|found| found.reason.clone()).unwrap_or_default(),
            };
            self.states.get_or_create(&labels).inc();
            if service.spec.suspend.unwrap_or(false) {
                self.suspended.get_or_create(&NamespaceLabel { namespace: namespace.clone() }).inc();
            }
            for dependency in service.status.iter().flat_map(|status| &status.dependencies) {
                let state = format!("{:?}", dependency.state);
                self.dependencies
                    .get_or_create(&DependencyLabels { namespace: namespace.clone(), state })
                    .inc();
            }
            for problem in service.status.iter().flat_map(|status| &status.problems) {
                let (severity, reason) = (format!("{:?}", problem.severity), problem.reason.clone());
                let namespace = namespace.clone();
                self.problems.get_or_create(&ProblemLabels { namespace, severity, reason }).inc();
            }
        }
    }

    /// Counts an object that was set right although nothing else was wanted of it than before.
    pub fn repaired(&self, kind: &'static str) {
        self.repairs.get_or_create(&KindLabel { kind }).inc();
    }

    /// Counts a version that failed; `action` is what `onFailure` says.
    pub fn failed(&self, action: &'static str) {
        self.failures.get_or_create(&ActionLabel { action }).inc();
    }

    /// Counts a change that is through.
    pub fn ready_after(&self, time: Duration) {
        self.seconds.observe(time.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn services_are_counted_anew_each_time() {
        let mut registry = Registry::default();
        let metrics = ServiceMetrics::register(&mut registry);
        let mut service: Microservice = serde_json::from_value(json!({
            "apiVersion": "flotilla.dev/v1alpha1", "kind": "Microservice",
            "metadata": {"name": "orders", "namespace": "shop"},
            "spec": {"image": "app", "suspend": true},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "CrashLoop", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"}],
                "problems": [{"reason": "CrashLoop", "severity": "Error", "message": "", "since": "2026-01-01T00:00:00Z"}]},
        }))
        .unwrap();
        let shown = |service: &Microservice| {
            metrics.observe(std::iter::once(service));
            let mut text = String::new();
            prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
            text
        };
        let series = r#"flotilla_microservices{namespace="shop",ready="False",reason="CrashLoop"} 1"#;
        assert!(shown(&service).contains(series));
        assert!(shown(&service).contains(r#"flotilla_microservices_suspended{namespace="shop"} 1"#));
        let problem = r#"flotilla_problems{namespace="shop",severity="Error",reason="CrashLoop"} 1"#;
        assert!(shown(&service).contains(problem));
        service.status = None;
        let text = shown(&service);
        assert!(!text.contains(series) && !text.contains(problem));
        assert!(
            text.contains(r#"flotilla_microservices{namespace="shop",ready="Unknown",reason=""} 1"#),
            "{text}"
        );
    }
}
