//! The identity of the pods.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The identity of the pods.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.name) && has(self.annotations))").message("annotations are written to the ServiceAccount that Flotilla makes; with name, an existing one is used as it is: remove one of the two"))]
pub struct ServiceAccount {
    /// An existing ServiceAccount of the namespace. Left out: one is made, with the name of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub name: Option<String>,

    /// Annotations of the ServiceAccount that is made, such as a cloud role.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 32, "additionalProperties" = {"type": "string", "maxLength": 4096}))]
    pub annotations: BTreeMap<String, String>,

    /// Mount the token of the API server into the pods. Left out: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mount_token: Option<bool>,
}
