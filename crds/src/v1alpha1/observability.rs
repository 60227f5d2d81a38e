//! What is measured and traced.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::port_reference;

/// What is measured and traced, and when somebody is called.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct Observability {
    /// Metrics in the format of Prometheus: a `ServiceMonitor`, or as the class says a `PodMonitor`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsEndpoint>,

    /// Traces: the environment variables that OpenTelemetry's libraries read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,

    /// Alerts: a `PrometheusRule`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Alerts>,
}

/// Where metrics are.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct MetricsEndpoint {
    /// Name or number of the port. Left out: the first port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "port_reference")]
    pub port: Option<IntOrString>,

    /// Left out: `/metrics`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^/"))]
    pub path: Option<String>,

    /// How often they are read. Left out: as Prometheus is configured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 32), regex(pattern = "^([0-9]{1,5}(ms|s|m|h)){1,4}$"))]
    pub interval: Option<String>,
}

/// What OpenTelemetry's libraries are told. A variable of that name in `env` wins.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Tracing {
    /// Left out: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// Where traces go, such as `http://collector.observability.svc:4317`. Left out: that of the class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512), regex(pattern = "^https?://"))]
    pub endpoint: Option<String>,

    /// The share of requests that begin a trace, from `0` to `1`. Left out: as the library does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8), regex(pattern = r"^(0(\.[0-9]+)?|1(\.0+)?)$"))]
    pub sample_ratio: Option<String>,
}

/// When somebody is called.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct Alerts {
    /// Left out: `Basic`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<AlertPreset>,
}

/// A set of alerts.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertPreset {
    /// Fewer pods than needed for five minutes, containers that restart again and again, a failed rollout. They need
    /// the metrics of kube-state-metrics.
    #[default]
    Basic,
    /// None.
    None,
}
