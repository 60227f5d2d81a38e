//! How many pods may be missing while nodes are drained.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::schema::int_or_percent;

/// How many pods may be missing while nodes are drained: a PodDisruptionBudget.
///
/// Left out: one. At one replica there is none, since it would block the drain for ever.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.maxUnavailable), has(self.minAvailable), has(self.disabled) && self.disabled].filter(x, x).size() <= 1").message("write at most one of maxUnavailable, minAvailable and disabled: true"),
    validation = Rule::new("!has(self.maxUnavailable) || !(self.maxUnavailable == 0 || self.maxUnavailable == '0%')").message("with maxUnavailable 0 a node could never be drained: write 1 or more").field_path(".maxUnavailable")
)]
pub struct Disruption {
    /// How many pods may be missing: a number, or a share such as `25%`. Left out: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "int_or_percent")]
    pub max_unavailable: Option<IntOrString>,

    /// How many pods must stay: a number, or a share such as `75%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "int_or_percent")]
    pub min_available: Option<IntOrString>,

    /// Have no PodDisruptionBudget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}
