//! Files and folders of the container, in the short form: one entry is a volume and its mount.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::{ClaimVolume, ConfigMapVolume, EmptyDirVolume, SecretVolume};

/// A folder of the container that runs the image, and where its files come from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.configMap), has(self.secret), has(self.emptyDir), has(self.persistentVolumeClaim)].filter(x, x).size() == 1").message("write exactly one of configMap, secret, emptyDir and persistentVolumeClaim"))]
pub struct FileSource {
    /// The folder in the container.
    #[schemars(length(min = 2, max = 1024), regex(pattern = "^/[^:]*[^:/]$"))]
    pub mount_path: String,

    /// Files from a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapVolume>,

    /// Files from a Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolume>,

    /// A folder that is empty when the pod starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirVolume>,

    /// A claim that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<ClaimVolume>,
}
