//! Credentials of what the service uses.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalObjectReference;

/// The credentials of something that the service uses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.secretRef) != has(self.serviceRef)").message("write exactly one of secretRef and serviceRef"),
    validation = Rule::new("!has(self.prefix) || self.?as.orValue('Env') == 'Env'").message("prefix is for environment variables: remove it, or write as: Env").field_path(".prefix")
)]
pub struct Binding {
    /// Its name; with `as: Files` also that of its folder.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// The Secret that has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,

    /// What says in its `status.binding.name` which Secret has them (servicebinding.io, Provisioned Service).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_ref: Option<ServiceReference>,

    /// How the service has it. Left out: `Env`.
    #[serde(default, rename = "as", skip_serializing_if = "Option::is_none")]
    pub as_: Option<BindingForm>,

    /// Put in front of every key that becomes a variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub prefix: Option<String>,
}

impl Binding {
    /// The folder that has a folder for each binding, as the Service Binding specification names it.
    pub const ROOT: &str = "/bindings";
}

/// An object of the namespace that names the Secret with its credentials.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase")]
pub struct ServiceReference {
    /// `apiVersion` of the object.
    #[schemars(length(min = 1, max = 317), regex(pattern = "^[a-z0-9.-]+(/[a-z0-9]+)?$"))]
    pub api_version: String,

    /// Its kind.
    #[schemars(length(min = 1, max = 63), regex(pattern = "^[A-Z][A-Za-z0-9]*$"))]
    pub kind: String,

    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// How a service has a binding.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BindingForm {
    /// Each key is an environment variable.
    #[default]
    Env,
    /// Each key is a file in `$SERVICE_BINDING_ROOT/<name>` (servicebinding.io, Workload Projection).
    Files,
}
