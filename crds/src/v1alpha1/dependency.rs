//! What a service calls: one declaration gives it the address and opens the way, on both sides.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::port_reference;

/// Something that the service calls: another `Microservice`, or a host outside the cluster.
///
/// The pods get its address as environment variables, their NetworkPolicy lets them call it, that of the other service
/// lets them in, and both objects show it in their status.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!(has(self.microservice) && has(self.external))").message("write microservice or external, not both"),
    validation = Rule::new("!has(self.external) || !has(self.gate) || self.gate == 'None'").message("only a microservice can be waited for: remove gate").field_path(".gate")
)]
pub struct Dependency {
    /// Name of the dependency; without `microservice` and `external`, also that of a Microservice of the namespace.
    #[schemars(length(min = 1, max = 52), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// The Microservice that is called. Left out: the one named like the dependency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub microservice: Option<MicroserviceDependency>,

    /// A host outside the cluster.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalDependency>,

    /// Names of the environment variables with the address. Left out: `<NAME>_URL`, `<NAME>_HOST` and `<NAME>_PORT`, in
    /// capitals and with `_` for `-`. A variable of that name in `env` wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub env: Option<DependencyEnv>,

    /// Whether the service waits until the other is ready. Left out: `None`, so that no cycle can block anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gate: Option<Gate>,
}

/// A Microservice that is called.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct MicroserviceDependency {
    /// Its name. Left out: that of the dependency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 52))]
    pub name: Option<String>,

    /// Its namespace. Left out: the same one. Another one needs the consent of the other service: its
    /// `network.allowFrom` must name this service or this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,

    /// Name or number of its port. Left out: its first port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "port_reference")]
    pub port: Option<IntOrString>,
}

/// A host outside the cluster.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalDependency {
    /// Name or address of the host. A NetworkPolicy knows addresses only, so for a name the port is open to all
    /// addresses.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[a-zA-Z0-9]([-a-zA-Z0-9.:]*[a-zA-Z0-9])?$"))]
    pub host: String,

    /// Its port.
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,
}

/// Names of environment variables.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct DependencyEnv {
    /// With the whole address: `http://payments.shop.svc:8080`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub url: Option<String>,

    /// With the name of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub host: Option<String>,

    /// With the number of the port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = "^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub port: Option<String>,
}

/// Whether a service waits for another.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Gate {
    /// It does not wait.
    #[default]
    None,
    /// It starts for the first time when the other is ready.
    FirstRollout,
    /// Each new version waits until the other is ready.
    EveryRollout,
}

/// What is known of a dependency.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct DependencyStatus {
    /// Its name in `spec.dependsOn`.
    #[schemars(length(max = 63))]
    pub name: String,

    /// Whether it can be called.
    pub state: DependencyState,

    /// Where it is called, as last known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,

    /// What to do, when something is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub message: Option<String>,
}

/// Whether a dependency can be called.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DependencyState {
    /// It is ready.
    Ready,
    /// It exists and is not ready.
    NotReady,
    /// It does not exist, or has no such port.
    Missing,
    /// It is in another namespace and does not allow it.
    NotAllowed,
    /// It is outside the cluster, and not watched.
    External,
}

/// A service that calls this one.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependent {
    /// Its namespace.
    #[schemars(length(max = 63))]
    pub namespace: String,

    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,

    /// Whether it is let in.
    pub allowed: bool,
}
