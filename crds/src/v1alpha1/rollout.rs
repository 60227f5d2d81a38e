//! How a new version takes the place of the old one.

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::int_or_percent;

/// How a new version takes the place of the old one, and what happens when it fails.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.?strategy.orValue('RollingUpdate') != 'Recreate' || (!has(self.maxSurge) && !has(self.maxUnavailable))").message("maxSurge and maxUnavailable belong to strategy RollingUpdate: remove them, or choose that strategy"),
    validation = Rule::new("!(has(self.maxSurge) && has(self.maxUnavailable) && (self.maxSurge == 0 || self.maxSurge == '0%') && (self.maxUnavailable == 0 || self.maxUnavailable == '0%'))").message("maxSurge and maxUnavailable are both 0, so no pod could ever be replaced: raise one of them"),
    validation = Rule::new("!(has(self.maxSurge) && !has(self.maxUnavailable) && (self.maxSurge == 0 || self.maxSurge == '0%'))").message("maxSurge is 0 and maxUnavailable is 0 when left out, so no pod could ever be replaced: raise one of them")
)]
pub struct Rollout {
    /// Left out: `RollingUpdate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<RolloutStrategy>,

    /// How many pods there may be beyond the wanted ones: a number, or a share. Left out: `25%`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "int_or_percent")]
    pub max_surge: Option<IntOrString>,

    /// How many pods may be missing: a number, or a share. Left out: 0, so a pod goes only when another is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "int_or_percent")]
    pub max_unavailable: Option<IntOrString>,

    /// Seconds without progress after which a new version has failed. Left out: 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86400))]
    pub progress_deadline_seconds: Option<i32>,

    /// What happens when a new version fails. Left out: `Rollback`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,

    /// Do not begin with a new version, and stop in the middle of one. Left out: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,

    /// Run this revision, its configuration included, whatever the rest of `spec` says: the name of a
    /// MicroserviceRevision. Left out: the newest that has not failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub revision: Option<String>,

    /// How many former revisions are kept. Left out: 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 50))]
    pub revision_history_limit: Option<i32>,
}

impl Rollout {
    /// What `progressDeadlineSeconds` is when it is left out.
    pub const DEFAULT_PROGRESS_DEADLINE_SECONDS: i32 = 600;
    /// What `revisionHistoryLimit` is when it is left out.
    pub const DEFAULT_REVISION_HISTORY_LIMIT: i32 = 10;
}

/// How pods are replaced.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RolloutStrategy {
    /// One after the other, without a gap.
    #[default]
    RollingUpdate,
    /// All old pods end before the first new one starts.
    Recreate,
}

/// What happens when a new version fails.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnFailure {
    /// The last version that worked takes its place again; `spec` is not changed.
    #[default]
    Rollback,
    /// The rollout stops where it is, old and new pods side by side.
    Pause,
    /// Nothing: new pods go on trying.
    None,
}
