//! How a pod ends.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How a pod ends: it goes on serving for `drainSeconds` while load balancers forget it, is then asked to
/// stop, and is killed when `terminationGracePeriodSeconds` are over, counted from the beginning.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.?drainSeconds.orValue(5) < self.?terminationGracePeriodSeconds.orValue(30)").message("drainSeconds (5 when left out) must be less than terminationGracePeriodSeconds (30 when left out): otherwise the pod is killed before it is asked to stop"))]
pub struct Lifecycle {
    /// Seconds between the removal of the pod from its endpoints and SIGTERM. Left out: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub drain_seconds: Option<i64>,

    /// Seconds until the pod is killed. Left out: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 7200))]
    pub termination_grace_period_seconds: Option<i64>,
}

impl Lifecycle {
    /// What `drainSeconds` is when it is left out.
    pub const DEFAULT_DRAIN_SECONDS: i64 = 5;
    /// What `terminationGracePeriodSeconds` is when it is left out.
    pub const DEFAULT_GRACE_SECONDS: i64 = 30;
}
