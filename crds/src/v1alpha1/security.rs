//! What a container may do on its node.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the container may do on its node.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.?profile.orValue('Restricted') != 'Restricted' || !has(self.addCapabilities) || self.addCapabilities.all(c, c == 'NET_BIND_SERVICE')").message("profile Restricted allows only the capability NET_BIND_SERVICE: remove the others, or choose profile Baseline or Custom").field_path(".addCapabilities"),
    validation = Rule::new("self.?profile.orValue('Restricted') != 'Baseline' || !has(self.addCapabilities) || self.addCapabilities.all(c, c in ['AUDIT_WRITE', 'CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'FSETID', 'KILL', 'MKNOD', 'NET_BIND_SERVICE', 'SETFCAP', 'SETGID', 'SETPCAP', 'SETUID', 'SYS_CHROOT'])").message("profile Baseline allows only the capabilities of the Pod Security Standard of that name: remove the others, or choose profile Custom").field_path(".addCapabilities"),
    validation = Rule::new("self.?profile.orValue('Restricted') != 'Restricted' || self.?runAsUser.orValue(1) != 0").message("profile Restricted does not run as root: choose another runAsUser, or profile Baseline or Custom").field_path(".runAsUser")
)]
pub struct Security {
    /// What the rest starts from. Left out: `Restricted`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<SecurityProfile>,

    /// Mount the root of the container read-only. Left out: true under `Restricted`, otherwise false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,

    /// Folders that are writable and empty at start. Left out: `/tmp` when the root is read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(min = 2, max = 1024), regex(pattern = "^/[^:]*[^:/]$")), extend("x-kubernetes-list-type" = "set"))]
    pub writable_paths: Option<Vec<String>>,

    /// User that the container runs as. Left out: 65532 under `Restricted`, otherwise that of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_147_483_647))]
    pub run_as_user: Option<i64>,

    /// Linux capabilities beyond those of the profile.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 32), regex(pattern = "^[A-Z_]+$")), extend("x-kubernetes-list-type" = "set"))]
    pub add_capabilities: Vec<String>,
}

/// What a container starts from; the first two are the Pod Security Standards of the same name.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SecurityProfile {
    /// Not root, no capability, no way to more rights, the default seccomp profile, a read-only root.
    #[default]
    Restricted,
    /// What the image asks for, root too, with the default seccomp profile and nothing of the node.
    Baseline,
    /// Nothing but what the other fields say.
    Custom,
}
