//! Credentials of what the service uses.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalObjectReference;

/// A Secret with the credentials of something that the service uses.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.prefix) || self.?as.orValue('Env') == 'Env'").message("prefix is for environment variables: remove it, or write as: Env").field_path(".prefix"))]
pub struct Binding {
    /// Its name; with `as: Files` also that of its folder.
    #[schemars(length(min = 1, max = 40), regex(pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,

    /// The Secret.
    pub secret_ref: LocalObjectReference,

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

/// How a service has a binding.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BindingForm {
    /// Each key is an environment variable.
    #[default]
    Env,
    /// Each key is a file in `$SERVICE_BINDING_ROOT/<name>` (servicebinding.io, Workload Projection).
    Files,
}
