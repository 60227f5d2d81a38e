//! Configuration that is written in the service itself.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Configuration files that are written in the service itself, and what a change of configuration does.
///
/// The files become an immutable ConfigMap whose name has the hash of its content, so that each revision keeps its
/// own and a rollback brings the old files back.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.mountPath) == (has(self.data) && size(self.data) > 0)").message("data and mountPath belong together: write both, or none"),
    validation = Rule::new("!has(self.data) || self.data.all(name, name.matches('^[-._a-zA-Z0-9]+$') && size(name) <= 253 && name != '.' && !name.startsWith('..'))").message("a key of data is a file name: letters, digits, '-', '_' and '.', and it does not start with '..'").field_path(".data")
)]
pub struct Config {
    /// The files, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 262_144}))]
    pub data: BTreeMap<String, String>,

    /// The folder that has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1024), regex(pattern = "^/[^:]*[^:/]$"))]
    pub mount_path: Option<String>,

    /// What happens when a ConfigMap or Secret changes that `env`, `envFrom` or `volumes` refer to.
    /// Left out: `Restart`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<Reload>,
}

/// What a change of a referenced ConfigMap or Secret does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reload {
    /// The pods are replaced, as for a new version.
    #[default]
    Restart,
    /// Nothing: new pods have the new values, old pods the old ones.
    None,
}
