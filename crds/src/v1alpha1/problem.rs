//! What is wrong with a service, in its status.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is wrong.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq)]
pub struct Problem {
    /// In one word, as conditions have it.
    #[schemars(length(max = 63))]
    pub reason: String,

    /// `Error`: for it `Ready` is not True, or `Stalled` is.
    pub severity: Severity,

    /// In a sentence.
    #[schemars(length(max = 2048))]
    pub message: String,

    /// The field of this object that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub field: Option<String>,

    /// The object that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ProblemObject>,

    /// The container that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub container: Option<String>,

    /// Since when.
    pub since: Time,
}

/// How bad a problem is.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// For it `Ready` is not True, or `Stalled` is.
    Error,
    /// The service does its job in spite of it.
    Warning,
}

/// The object that a problem is about.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct ProblemObject {
    /// Its kind.
    #[schemars(length(max = 63))]
    pub kind: String,

    /// Its namespace, when that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,

    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,
}
