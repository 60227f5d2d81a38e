//! NetworkPolicy, enforced by Calico's Felix: rules and sets of iptables in each node's network namespace.
//!
//! Felix runs by itself, without the rest of Calico: it reads policies and pods from the API server, and the pod
//! network and its routes are the topology's.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::control_plane::{ControlPlanePki, server_url};
use super::kubectl::Kubectl;
use super::layout::{Layout, Node};
use super::pki::Subject;
use super::supervise::Component;
use super::tools::{CALICO, HostTools};

/// Where Felix writes the size of the nodes' packets for other parts of Calico. It cannot be told otherwise.
pub(crate) const FIXED_FOLDER: &str = "/var/lib/calico";
/// Felix's user, which `network_policy/resources.yaml` gives its rights.
const USER: &str = "calico-felix";
/// Where a node's Felix says whether it is ready.
const HEALTH_PORT: u16 = 9099;
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// Installs the resources that Felix reads and its rights.
pub(crate) fn install(kubectl: &Kubectl) -> Result<()> {
    let definitions = CALICO.module("github.com/projectcalico/calico")?.join("manifests/crds.yaml");
    let text =
        fs::read_to_string(&definitions).with_context(|| format!("reading {}", definitions.display()))?;
    kubectl.apply(&text).context("installing Calico's resources")?;
    let file = format!("--filename={}", definitions.display());
    kubectl.output(&["wait", "--for=condition=Established", "--timeout=60s", &file])?;
    kubectl.apply(include_str!("network_policy/resources.yaml")).context("installing Felix's rights")
}

/// Felix.
pub(crate) fn felix(
    layout: &Layout,
    first: &Node,
    node: &Node,
    tools: &HostTools,
    pki: &ControlPlanePki,
) -> Result<Component> {
    let kubeconfig = layout.config().join(format!("{USER}.kubeconfig"));
    pki.kubeconfig(&kubeconfig, &server_url(first), &Subject::client(USER, USER, None))?;
    fs::create_dir_all(FIXED_FOLDER).with_context(|| format!("creating {FIXED_FOLDER}"))?;
    let environment = [
        ("KUBECONFIG", text(&kubeconfig)),
        ("FELIX_DATASTORETYPE", "kubernetes".to_owned()),
        ("FELIX_FELIXHOSTNAME", node.name()),
        ("FELIX_IPTABLESBACKEND", "nft".to_owned()),
        ("FELIX_IPV6SUPPORT", "false".to_owned()),
        // Built without C, it has neither.
        ("FELIX_BPFENABLED", "false".to_owned()),
        ("FELIX_XDPENABLED", "false".to_owned()),
        // A node's own ports are no policy's concern, among them the API server's.
        ("FELIX_DEFAULTENDPOINTTOHOSTACTION", "ACCEPT".to_owned()),
        ("FELIX_ENDPOINTSTATUSPATHPREFIX", text(&node.runtime())),
        ("FELIX_HEALTHENABLED", "true".to_owned()),
        ("FELIX_HEALTHHOST", node.address().to_string()),
        ("FELIX_HEALTHPORT", HEALTH_PORT.to_string()),
        ("FELIX_LOGSEVERITYSCREEN", "Warning".to_owned()),
        ("FELIX_LOGSEVERITYSYS", "none".to_owned()),
        ("FELIX_LOGFILEPATH", "none".to_owned()),
        // It would tell its makers of this cluster.
        ("FELIX_USAGEREPORTINGENABLED", "false".to_owned()),
    ];
    // What it writes to the fixed folder lands in memory of its own, lest it change the host's own Calico, if any.
    let script = format!("mount -t tmpfs tmpfs {FIXED_FOLDER} && exec \"$0\"");
    let program = text(&tools.calico.program("calico-felix"));
    Ok(Component {
        name: format!("{USER}-{}", node.name()),
        node: node.clone(),
        program: "unshare".into(),
        arguments: ["--mount", "--propagation=private", "sh", "-c", &script, &program]
            .map(str::to_owned)
            .to_vec(),
        environment: environment.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        inputs: vec![kubeconfig],
    })
}

/// Where Felix notes for which pods of a node the policies hold.
pub(crate) fn endpoint_status(node: &Node) -> PathBuf {
    node.runtime().join("endpoint-status")
}

/// Whether Felix has read all policies and made them rules.
pub(crate) fn is_enforced(node: &Node) -> bool {
    let ask = || -> io::Result<String> {
        let address = SocketAddr::from((node.address(), HEALTH_PORT));
        let mut stream = TcpStream::connect_timeout(&address, HEALTH_TIMEOUT)?;
        stream.set_read_timeout(Some(HEALTH_TIMEOUT))?;
        stream.write_all(b"GET /readiness HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.starts_with("HTTP/1.0 200 "))
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
