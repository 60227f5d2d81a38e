//! The host provider: a Kubernetes made of processes of this machine.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::addons::{self, Images};
use super::control_plane::{self, ControlPlanePki, server_url};
use super::kubectl::Kubectl;
use super::layout::{DNS_SERVICE, Layout, Node};
use super::pki::Subject;
use super::provider::Provider;
use super::supervise::{Component, Ensured};
use super::tools::HostTools;
use super::{Options, cgroup, dns, network, network_policy, node, runtime, supervise, topology, tunables};
use crate::{host, process, progress};

/// How long the API server may take to be ready.
const API_TIMEOUT: Duration = Duration::from_secs(120);
/// How long containerd may take to listen.
const CONTAINERD_TIMEOUT: Duration = Duration::from_secs(60);
/// How long Felix may take to read all policies.
const FELIX_TIMEOUT: Duration = Duration::from_secs(60);
/// How long nodes and add-ons may take to be ready.
const READY_TIMEOUT: Duration = Duration::from_secs(180);

/// Why this machine cannot run it, if it cannot.
pub(crate) fn obstacle() -> Option<&'static str> {
    if !cfg!(target_os = "linux") {
        Some("a cluster on the host itself needs Linux")
    } else if !host::is_root() {
        Some("a cluster on the host itself needs root")
    } else {
        None
    }
}

/// Starts what does not run and waits until all is ready.
pub(crate) fn up(layout: &Layout, options: &Options) -> Result<()> {
    node::require_packages()?;
    // Built before anything starts, so that a failing build leaves nothing behind.
    let tools = HostTools::build()?;
    let kubectl = Kubectl::new(&layout.kubeconfig())?;
    let images = Images::build()?;

    let _lock = runtime::lock()?;
    layout.claim()?;
    runtime::claim(layout)?;
    Provider::Host.note(layout)?;
    // Those that are there stay: a node goes with its cluster.
    let known = nodes(layout).map_or(0, |nodes| nodes.len());
    let count = options.nodes.max(u8::try_from(known)?);
    let nodes: Vec<_> = (1..=count).map(|number| Node::new(layout, number)).collect();
    let [first, ..] = nodes.as_slice() else { bail!("a cluster has at least one node") };

    let cluster = Starting { layout, first, nodes: &nodes, tools: &tools, kubectl: &kubectl };
    let pki = progress::during("Preparing network and certificates", || cluster.prepare())?;
    progress::during("Starting the control plane", || cluster.start_control_plane(&pki, &images))?;
    progress::during("Starting nodes", || cluster.start_nodes(&pki))?;
    progress::during("Installing add-ons", || {
        kubectl.apply(&images.manifests(layout)?).context("installing DNS, metrics and storage")?;
        addons::apply_gateway_api(&kubectl, options.gateway_api)
    })?;
    progress::during("Waiting until nodes and add-ons are ready", || cluster.wait_until_ready())
}

/// Imports image archives into every node.
pub(crate) fn load(layout: &Layout, archives: &[PathBuf]) -> Result<()> {
    let tools = HostTools::build()?;
    for node in nodes(layout)? {
        node::import(&node, &tools, archives)?;
    }
    Ok(())
}

/// The nodes that the state folder knows.
pub(crate) fn nodes(layout: &Layout) -> Result<Vec<Node>> {
    let folders = fs::read_dir(layout.state().join("nodes")).context("no cluster is up")?;
    let mut numbers = Vec::new();
    for folder in folders {
        let name = folder?.file_name().to_string_lossy().into_owned();
        numbers
            .extend(name.strip_prefix(topology::NETNS_PREFIX).and_then(|number| number.parse::<u8>().ok()));
    }
    numbers.sort_unstable();
    Ok(numbers.into_iter().map(|number| Node::new(layout, number)).collect())
}

/// A cluster on its way up.
struct Starting<'a> {
    layout: &'a Layout,
    first: &'a Node,
    nodes: &'a [Node],
    tools: &'a HostTools,
    kubectl: &'a Kubectl,
}

impl Starting<'_> {
    fn prepare(&self) -> Result<ControlPlanePki> {
        tunables::save()?;
        cgroup::create(&self.nodes.iter().map(Node::name).collect::<Vec<_>>())?;
        topology::ensure(self.nodes)?;
        let pki = ControlPlanePki::ensure(self.layout, self.first)?;
        let admin = Subject::client("admin", "kubernetes-admin", Some("system:masters"));
        pki.kubeconfig(&self.layout.kubeconfig(), &server_url(self.first), &admin)?;
        Ok(pki)
    }

    /// The API server takes some seconds to start, in which the nodes get their images.
    fn start_control_plane(&self, pki: &ControlPlanePki, images: &Images) -> Result<()> {
        let etcd = control_plane::etcd(self.layout, self.first, self.tools, pki);
        let api_server = control_plane::api_server(self.layout, self.first, self.tools, pki)?;
        etcd.ensure(self.layout)?;
        let api_server_ensured = api_server.ensure(self.layout)?;
        let mut needed = vec![etcd, api_server];
        for node in self.nodes {
            let plugins = network::configure(self.layout, self.first, node, self.tools, pki)?;
            let containerd = node::containerd(node, self.tools, &plugins)?;
            if containerd.ensure(self.layout)? == Ensured::Started {
                // Its old socket would be taken for the new one's.
                self.wait("containerd to listen", CONTAINERD_TIMEOUT, &[&containerd], || {
                    std::os::unix::net::UnixStream::connect(node.containerd_socket()).is_ok()
                })?;
            }
            needed.push(containerd);
        }
        for node in self.nodes {
            node::import(node, self.tools, &images.archives())?;
        }
        let needed: Vec<_> = needed.iter().collect();
        self.wait("the API server to be ready", API_TIMEOUT, &needed, || self.kubectl.is_ready())?;
        let controllers = [
            control_plane::controller_manager(self.layout, self.first, self.tools, pki)?,
            control_plane::scheduler(self.layout, self.first, self.tools, pki)?,
        ];
        for controller in &controllers {
            if api_server_ensured == Ensured::Started {
                // One that was there before the API server gives up on it at some moment, perhaps after we looked.
                supervise::stop(self.layout, &controller.name)?;
            }
            controller.ensure(self.layout)?;
        }
        Ok(())
    }

    fn start_nodes(&self, pki: &ControlPlanePki) -> Result<()> {
        network_policy::install(self.kubectl)?;
        for node in self.nodes {
            let felix = network_policy::felix(self.layout, self.first, node, self.tools, pki)?;
            felix.ensure(self.layout)?;
            self.wait("Felix to be ready", FELIX_TIMEOUT, &[&felix], || network_policy::is_enforced(node))?;
            for component in [
                node::kubelet(self.layout, self.first, node, self.tools, pki)?,
                node::kube_proxy(self.layout, self.first, node, self.tools, pki)?,
            ] {
                component.ensure(self.layout)?;
            }
        }
        Ok(())
    }

    fn wait_until_ready(&self) -> Result<()> {
        for node in self.nodes {
            let object = format!("node/{}", node.name());
            let timeout = format!("--timeout={}s", READY_TIMEOUT.as_secs());
            for condition in ["--for=create", "--for=condition=Ready"] {
                self.kubectl.output(&["wait", &object, condition, &timeout])?;
            }
        }
        self.kubectl.rollout("kube-system", "deployment/coredns", READY_TIMEOUT)?;
        dns::wait_for_answer(DNS_SERVICE, "kubernetes.default.svc.cluster.local", READY_TIMEOUT)?;
        self.kubectl.rollout("local-path-storage", "deployment/local-path-provisioner", READY_TIMEOUT)?;
        self.kubectl.rollout("kube-system", "deployment/metrics-server", READY_TIMEOUT)
    }

    /// Waits for something while the components that it depends on live.
    fn wait(
        &self,
        what: &str,
        timeout: Duration,
        needed: &[&Component],
        done: impl Fn() -> bool,
    ) -> Result<()> {
        let deadline = Instant::now() + timeout;
        while !done() {
            for component in needed {
                component.check_alive(self.layout)?;
            }
            if Instant::now() > deadline {
                let tails: Vec<_> =
                    needed.iter().map(|component| process::tail(&self.layout.log(&component.name))).collect();
                bail!("waited {} s in vain for {what}\n{}", timeout.as_secs(), tails.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}
