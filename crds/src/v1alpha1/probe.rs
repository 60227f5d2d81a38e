//! Health checks.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::port_reference;

/// Health checks of the service.
///
/// Without `readiness`, a service with ports is ready when the first of them that is not UDP accepts a
/// connection. There is no liveness check unless one is written: a wrong one restarts healthy pods.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct Probes {
    /// Whether a pod gets traffic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Probe>,

    /// Whether a container is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness: Option<Probe>,

    /// How long a container may take to start; until then the other checks wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup: Option<StartupProbe>,
}

/// A check: one of `http`, `grpc`, `tcp` and `exec`, or `disabled: true`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.http), has(self.grpc), has(self.tcp), has(self.exec), has(self.disabled) && self.disabled].filter(x, x).size() == 1").message("write exactly one of http, grpc, tcp, exec and disabled: true"))]
pub struct Probe {
    /// A GET that must answer 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,

    /// The gRPC health checking protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcProbe>,

    /// A connection that must be accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,

    /// A command in the container that must exit with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecProbe>,

    /// No such check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,

    /// Seconds after the start of the container before the first check. Left out: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub initial_delay_seconds: Option<i32>,

    /// Seconds between checks. Left out: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub period_seconds: Option<i32>,

    /// Seconds after which a check has failed. Left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3600))]
    pub timeout_seconds: Option<i32>,

    /// Failures in a row that count. Left out: 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub failure_threshold: Option<i32>,

    /// Successes in a row that count; 1 for liveness. Left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub success_threshold: Option<i32>,
}

/// How long a start may take, with the check that says that it is over.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.http), has(self.grpc), has(self.tcp), has(self.exec)].filter(x, x).size() <= 1").message("write at most one of http, grpc, tcp and exec; without one, the check is that of liveness, otherwise that of readiness"))]
pub struct StartupProbe {
    /// Seconds that a start may take before the container is restarted.
    #[schemars(range(min = 1, max = 86400))]
    pub budget_seconds: i32,

    /// A GET that must answer 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,

    /// The gRPC health checking protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc: Option<GrpcProbe>,

    /// A connection that must be accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpProbe>,

    /// A command in the container that must exit with 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecProbe>,
}

/// A GET that must answer 200 to 399.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// Path of the request. Left out: `/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = "^/"))]
    pub path: Option<String>,

    /// Name or number of the port. Left out: the first port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "port_reference")]
    pub port: Option<IntOrString>,

    /// Left out: `HTTP`. With `HTTPS` the certificate is not verified.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,

    /// Headers of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub http_headers: Vec<HttpHeader>,
}

/// The scheme of a check.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Without TLS.
    #[serde(rename = "HTTP")]
    Http,
    /// With TLS; the certificate is not verified.
    #[serde(rename = "HTTPS")]
    Https,
}

/// A header of a check.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct HttpHeader {
    /// Name of the header.
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"))]
    pub name: String,

    /// Its value.
    #[schemars(length(max = 4096))]
    pub value: String,
}

/// The gRPC health checking protocol, `grpc.health.v1.Health/Check`.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct GrpcProbe {
    /// Name or number of the port. Left out: the first port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "port_reference")]
    pub port: Option<IntOrString>,

    /// Name of the service that is asked for. Left out: the server as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub service: Option<String>,
}

/// A connection that must be accepted.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq)]
pub struct TcpProbe {
    /// Name or number of the port. Left out: the first port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "port_reference")]
    pub port: Option<IntOrString>,
}

/// A command in the container that must exit with 0; it is not run in a shell.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecProbe {
    /// The command and its arguments.
    #[schemars(length(min = 1, max = 64), inner(length(max = 4096)), extend("x-kubernetes-list-type" = "atomic"))]
    pub command: Vec<String>,
}
