//! What runs on each node: containerd, the kubelet and kube-proxy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cgroup;
use super::control_plane::{Arguments, ControlPlanePki, server_url};
use super::layout::{DNS_SERVICE, Layout, Node, PODS, RUNTIME};
use super::pki::Subject;
use super::supervise::{self, Component};
use super::template::render;
use super::tools::HostTools;
use crate::{host, process};

/// The image of the process that holds a pod's namespaces; built here, under the name that Kubernetes gives it.
pub(crate) const PAUSE_IMAGE: &str = "registry.k8s.io/pause:3.10.2";

/// containerd, with the network plugins of these folders.
pub(crate) fn containerd(node: &Node, tools: &HostTools, plugins: &[PathBuf]) -> Result<Component> {
    let config = node.folder().join("containerd.toml");
    let plugins: Vec<_> = plugins.iter().map(|folder| format!("'{}'", folder.display())).collect();
    let content = render(
        include_str!("node/containerd.toml"),
        &[
            ("folder", &text(&node.folder())),
            ("runtime", &text(&node.runtime())),
            ("shims", &format!("{RUNTIME}/s")),
            ("socket", &text(&node.containerd_socket())),
            ("pause", PAUSE_IMAGE),
            ("plugins", &plugins.join(", ")),
        ],
    )?;
    supervise::write(&config, content.as_bytes())?;
    fs::create_dir_all(node.runtime()).with_context(|| format!("creating {}", node.runtime().display()))?;
    let system_path = std::env::var("PATH").unwrap_or_default();
    let path =
        format!("{}:{}:{system_path}", tools.containerd.folder().display(), tools.runc.folder().display());
    // It pulls images, so it needs the way out that the user has.
    let proxies = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"];
    let proxies = proxies.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)));
    Ok(Component {
        name: format!("containerd-{}", node.name()),
        node: node.clone(),
        program: tools.containerd.program("containerd"),
        arguments: vec!["--config".to_owned(), text(&config)],
        environment: std::iter::once(("PATH".to_owned(), path)).chain(proxies).collect(),
        inputs: vec![config],
    })
}

/// The kubelet.
pub(crate) fn kubelet(
    layout: &Layout,
    first: &Node,
    node: &Node,
    tools: &HostTools,
    pki: &ControlPlanePki,
) -> Result<Component> {
    let name = node.name();
    let file = format!("kubelet-{name}");
    let user = format!("system:node:{name}");
    let kubeconfig = layout.config().join(format!("{file}.kubeconfig"));
    let subject = Subject::client(&file, &user, Some("system:nodes"));
    pki.kubeconfig(&kubeconfig, &server_url(first), &subject)?;
    let serving_file = format!("{file}-serving");
    let serving = pki.cluster.issue(&Subject {
        dns: &[&name],
        addresses: &[node.address().into()],
        ..Subject::client(&serving_file, &user, Some("system:nodes"))
    })?;
    let config = layout.config().join(format!("{file}.yaml"));
    let content = render(
        include_str!("node/kubelet.yaml"),
        &[
            ("client-ca", &text(&pki.cluster.pair().certificate)),
            ("certificate", &text(&serving.certificate)),
            ("key", &text(&serving.key)),
            ("cgroup", &cgroup::of_node(&name)),
            ("dns", &DNS_SERVICE.to_string()),
            ("socket", &text(&node.containerd_socket())),
            ("folder", &text(&node.folder())),
            ("resolv-conf", &resolv_conf()),
        ],
    )?;
    supervise::write(&config, content.as_bytes())?;
    let mut arguments = Arguments::default();
    arguments
        .path("config", &config)
        .path("kubeconfig", &kubeconfig)
        .path("root-dir", &node.folder().join("kubelet"))
        .path("cert-dir", &node.folder().join("kubelet/pki"))
        .text("hostname-override", &name)
        .text("node-ip", &node.address().to_string());
    Ok(Component {
        name: file,
        node: node.clone(),
        program: tools.kubernetes.program("kubelet"),
        arguments: arguments.0,
        environment: Vec::new(),
        inputs: vec![config, kubeconfig],
    })
}

/// kube-proxy.
pub(crate) fn kube_proxy(
    layout: &Layout,
    first: &Node,
    node: &Node,
    tools: &HostTools,
    pki: &ControlPlanePki,
) -> Result<Component> {
    let kubeconfig = layout.config().join("kube-proxy.kubeconfig");
    pki.kubeconfig(
        &kubeconfig,
        &server_url(first),
        &Subject::client("kube-proxy", "system:kube-proxy", None),
    )?;
    let file = format!("kube-proxy-{}", node.name());
    let config = layout.config().join(format!("{file}.yaml"));
    let content = render(
        include_str!("node/kube-proxy.yaml"),
        &[("kubeconfig", &text(&kubeconfig)), ("pods", PODS), ("node", &node.name())],
    )?;
    supervise::write(&config, content.as_bytes())?;
    let mut arguments = Arguments::default();
    arguments.path("config", &config);
    Ok(Component {
        name: file,
        node: node.clone(),
        program: tools.kubernetes.program("kube-proxy"),
        arguments: arguments.0,
        environment: Vec::new(),
        inputs: vec![config, kubeconfig],
    })
}

/// Imports the images of archives, those that the node does not have yet.
pub(crate) fn import(node: &Node, tools: &HostTools, archives: &[PathBuf]) -> Result<()> {
    let ctr = || {
        let mut ctr = Command::new(tools.containerd.program("ctr"));
        ctr.arg("--address").arg(node.containerd_socket()).args(["--namespace", "k8s.io", "images"]);
        ctr
    };
    let present = process::output(ctr().args(["list"]))?;
    for archive in archives {
        let images = crate::oci::read_index(archive)?;
        let is_present = |(name, digest): &(String, String)| {
            present.lines().any(|line| {
                let mut fields = line.split_whitespace();
                fields.next() == Some(name) && fields.any(|field| field == digest)
            })
        };
        if !images.is_empty() && images.iter().all(is_present) {
            continue;
        }
        process::output(ctr().args(["import", "--digests=false"]).arg(archive))
            .with_context(|| format!("importing {}", archive.display()))?;
    }
    Ok(())
}

/// The file that says pods which name servers the outside has.
pub(crate) fn resolv_conf() -> String {
    // Where systemd's resolver listens on the loopback of the host, a pod cannot reach it.
    let direct = Path::new("/run/systemd/resolve/resolv.conf");
    text(if direct.exists() { direct } else { Path::new("/etc/resolv.conf") })
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Packages whose programs the node's components call.
pub(crate) fn require_packages() -> Result<()> {
    host::require(&[
        host::Package::new("iproute2", "ip"),
        host::Package::new("util-linux", "nsenter"),
        host::Package::new("kmod", "modprobe"),
        host::Package::new("nftables", "nft"),
        host::Package::new("iptables", "iptables-nft-restore"),
        host::Package::new("ipset", "ipset"),
        host::Package::new("conntrack", "conntrack"),
        host::Package::new("mount", "mount"),
        host::Package::new("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
    ])
}
