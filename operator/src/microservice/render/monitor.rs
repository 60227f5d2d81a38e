//! What Prometheus reads and when it calls somebody: `ServiceMonitor` or `PodMonitor`, and `PrometheusRule`.

use flotilla_crds::v1alpha1::{AlertPreset, MetricsEndpoint, MonitorKind};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::{Object, Unmet, labels, metadata};
use crate::{
    cluster::kind::Kind,
    microservice::{dereference::Observed, validate::Validated},
};

const INSTALL: &str = "install the Prometheus operator";

/// Every object that can be made, and what stands in the way of the others.
pub(super) fn render(service: &Validated, observed: &Observed) -> (Vec<Object>, Vec<Unmet>) {
    let (mut objects, mut unmet) = (Vec::new(), Vec::new());
    let mut add = |kind: Kind, field: &str, spec: Value| {
        if observed.unserved.contains(&kind) {
            unmet.push(Unmet::missing_kind(service, kind, field, INSTALL));
        } else {
            objects.push(object(service, kind, &spec));
        }
    };
    if let Some(endpoint) = &service.observability.metrics {
        // A worker has no Service that could be monitored.
        if service.ports.is_empty() || service.class.monitor() == MonitorKind::PodMonitor {
            add(Kind::PodMonitor, "spec.observability.metrics", pod_monitor(service, endpoint));
        } else {
            add(Kind::ServiceMonitor, "spec.observability.metrics", service_monitor(service, endpoint));
        }
    }
    if let Some(alerts) = &service.observability.alerts
        && alerts.preset.unwrap_or_default() == AlertPreset::Basic
    {
        add(Kind::PrometheusRule, "spec.observability.alerts", basic_alerts(service));
    }
    (objects, unmet)
}

fn object(service: &Validated, kind: Kind, spec: &Value) -> Object {
    let mut metadata = metadata(service);
    let labels = service.class.spec.observability.iter().flat_map(|block| block.labels.clone());
    metadata.labels.get_or_insert_default().extend(labels);
    let manifest = json!({
        "apiVersion": kind.api_version(), "kind": kind.name(), "metadata": metadata, "spec": spec,
    });
    Object { kind, name: service.name.clone(), manifest, first_replicas: None }
}

fn service_monitor(service: &Validated, endpoint: &MetricsEndpoint) -> Value {
    json!({
        "selector": {"matchLabels": labels::selector(&service.name)},
        "endpoints": [common(service, endpoint)],
    })
}

fn pod_monitor(service: &Validated, endpoint: &MetricsEndpoint) -> Value {
    json!({
        "selector": {"matchLabels": labels::selector(&service.name)},
        "podMetricsEndpoints": [common(service, endpoint)],
    })
}

fn common(service: &Validated, endpoint: &MetricsEndpoint) -> Value {
    let mut value = json!({"path": endpoint.path.as_deref().unwrap_or("/metrics")});
    match &endpoint.port {
        Some(IntOrString::Int(number)) => {
            // Prometheus' own objects take names here, and numbers under another field.
            match service.ports.iter().find(|port| i32::from(port.port) == *number) {
                Some(port) => value["port"] = json!(port.name),
                None => value["targetPort"] = json!(number),
            }
        }
        Some(IntOrString::String(name)) => value["port"] = json!(name),
        None => value["port"] = json!(service.ports.first().map(|port| port.name.clone())),
    }
    if let Some(interval) = &endpoint.interval {
        value["interval"] = json!(interval);
    }
    value
}

/// Alerts from the metrics of kube-state-metrics, which every Prometheus of a cluster has.
fn basic_alerts(service: &Validated) -> Value {
    let (namespace, name) = (&service.namespace, &service.name);
    let alert = |alert: &str, expression: String, minutes: u8, summary: String| {
        json!({
            "alert": alert,
            "expr": expression,
            "for": format!("{minutes}m"),
            "labels": {"severity": "warning", "microservice": name},
            "annotations": {"summary": summary, "description": format!("kubectl describe msvc {name} -n {namespace} says more.")},
        })
    };
    let of_deployment = format!("{{namespace=\"{namespace}\", deployment=\"{name}\"}}");
    let of_pods = format!("{{namespace=\"{namespace}\", pod=~\"{name}-.*\", container=\"{name}\"}}");
    let rules = [
        alert(
            "MicroserviceUnavailable",
            format!(
                "kube_deployment_status_replicas_available{of_deployment} < kube_deployment_spec_replicas{of_deployment} * 0.75"
            ),
            5,
            format!("{namespace}/{name} has fewer pods than it needs"),
        ),
        alert(
            "MicroserviceRestarting",
            format!("increase(kube_pod_container_status_restarts_total{of_pods}[15m]) > 3"),
            5,
            format!("{namespace}/{name} restarts again and again"),
        ),
        alert(
            "MicroserviceRolloutFailed",
            format!(
                "kube_deployment_status_condition{{namespace=\"{namespace}\", deployment=\"{name}\", condition=\"Progressing\", status=\"false\"}} == 1"
            ),
            1,
            format!("a new version of {namespace}/{name} makes no progress"),
        ),
    ];
    json!({"groups": [{"name": format!("flotilla-{name}"), "rules": rules}]})
}
