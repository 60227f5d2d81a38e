//! The pod network: which CNI plugins a node has and how they are configured.

use std::path::PathBuf;

use anyhow::Result;
use serde_json::json;

use super::layout::Node;
use super::supervise;
use super::tools::HostTools;

/// Writes the node's CNI configuration. The answer is the folders with the plugins.
pub(crate) fn configure(node: &Node, tools: &HostTools) -> Result<Vec<PathBuf>> {
    let config = json!({
        "cniVersion": "1.0.0",
        "name": "flotilla",
        "plugins": [
            {
                "type": "bridge",
                "bridge": "cni0",
                "isGateway": true,
                "hairpinMode": true,
                // Pods keep their address up to the host, whose NAT rule covers them: see topology.
                "ipMasq": false,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": node.pod_network()}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": node.folder().join("pod-addresses"),
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}, "backend": "nftables"},
        ],
    });
    let file = node.folder().join("cni/10-flotilla.conflist");
    supervise::write(&file, serde_json::to_string_pretty(&config)?.as_bytes())?;
    Ok(vec![tools.cni.folder().to_owned()])
}
