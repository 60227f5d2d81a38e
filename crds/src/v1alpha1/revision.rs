//! The `MicroserviceRevision` kind: what one version of a service was, kept by the operator.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One version of a service: the template of its pods and its configuration. Made by the operator, never changed.
///
/// `spec.rollout.revision` of the `Microservice` names one to run it again.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "flotilla.dev",
    version = "v1alpha1",
    kind = "MicroserviceRevision",
    namespaced,
    derive = "PartialEq",
    shortname = "msvcrev",
    doc = "One version of a Microservice, kept so that it can run again. Docs: docs/rollout.md",
    printcolumn(name = "Microservice", type_ = "string", json_path = ".spec.microservice"),
    printcolumn(name = "Image", type_ = "string", json_path = ".spec.image"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("self.spec.digest == oldSelf.spec.digest && self.spec.microservice == oldSelf.spec.microservice").message("a MicroserviceRevision never changes; write the Microservice, and a new one is made")
)]
#[serde(rename_all = "camelCase")]
pub struct MicroserviceRevisionSpec {
    /// Name of the Microservice.
    #[schemars(length(min = 1, max = 52))]
    pub microservice: String,

    /// The image that it runs.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,

    /// Hash of template and configuration; the end of the name is its beginning.
    #[schemars(length(min = 64, max = 64))]
    pub digest: String,

    /// The template of the pods, as a Deployment has it.
    #[schemars(schema_with = "template")]
    pub template: Value,

    /// The inline configuration of this version.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 262_144}))]
    pub config: BTreeMap<String, String>,
}

/// Any object: the API server has its own, much larger schema of it, and checks it where it is used.
fn template(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-map-type": "atomic",
    })
}

/// The revisions of a service, in its status.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct Revisions {
    /// The revision that `spec` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub latest: Option<String>,

    /// The revision that the workload has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub current: Option<String>,

    /// The last revision that was rolled out to its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub stable: Option<String>,

    /// The revision of `spec`, when its rollout has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<FailedRevision>,
}

/// A revision whose rollout has failed.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, Default, PartialEq, Eq)]
pub struct FailedRevision {
    /// Its name.
    #[schemars(length(max = 63))]
    pub name: String,

    /// Why it failed.
    #[schemars(length(max = 2048))]
    pub message: String,
}
