//! The pod network: which CNI plugins a node has and how they are configured.
//!
//! Each pod has a link of its own to its node, whose name Calico's plugin derives from the pod's, so that Felix knows
//! whose policies hold there.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::control_plane::{ControlPlanePki, server_url};
use super::layout::{Layout, Node};
use super::pki::Subject;
use super::tools::HostTools;
use super::{network_policy, supervise};

/// The plugin's user, which `network_policy/resources.yaml` gives its rights.
const USER: &str = "calico-cni-plugin";

/// Writes the node's CNI configuration. The answer is the folders with the plugins.
pub(crate) fn configure(
    layout: &Layout,
    first: &Node,
    node: &Node,
    tools: &HostTools,
    pki: &ControlPlanePki,
) -> Result<Vec<PathBuf>> {
    let kubeconfig = layout.config().join(format!("{USER}.kubeconfig"));
    pki.kubeconfig(&kubeconfig, &server_url(first), &Subject::client(USER, USER, None))?;
    let config = json!({
        "cniVersion": "1.0.0",
        "name": "flotilla",
        "plugins": [
            {
                "type": "calico",
                "datastore_type": "kubernetes",
                "kubernetes": {"kubeconfig": kubeconfig},
                "nodename": node.name(),
                "nodename_file_optional": true,
                "policy": {"type": "k8s"},
                // A pod's programs start only when its policies hold.
                "policy_setup_timeout_seconds": 10,
                "endpoint_status_dir": network_policy::endpoint_status(node),
                "log_level": "warning",
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": node.pod_network()}]],
                    "dataDir": node.folder().join("pod-addresses"),
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}, "backend": "nftables"},
        ],
    });
    let file = node.folder().join("cni/10-flotilla.conflist");
    supervise::write(&file, serde_json::to_string_pretty(&config)?.as_bytes())?;
    Ok(vec![tools.calico.folder().to_owned(), tools.cni.folder().to_owned()])
}
