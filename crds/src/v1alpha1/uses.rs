//! What a service uses, in its status.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Something that is used.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Debug, PartialEq, Eq)]
pub struct Use {
    /// Its kind; `Host` is a host outside the cluster.
    #[schemars(length(max = 63))]
    pub kind: String,

    /// Its namespace, when that is another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub namespace: Option<String>,

    /// Its name.
    #[schemars(length(max = 253))]
    pub name: String,

    /// Where it is named first.
    #[schemars(length(max = 2048))]
    pub field: String,

    /// Whether it can be used; `Unknown` when the operator does not look at it.
    pub state: UseState,

    /// Where it is called, as last known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,

    /// Why it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub message: Option<String>,
}

/// Whether something can be used.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum UseState {
    /// It can.
    Ready,
    /// It exists and is not ready.
    NotReady,
    /// It does not exist.
    Missing,
    /// It does not allow it.
    NotAllowed,
    /// The operator does not look at it.
    Unknown,
}
