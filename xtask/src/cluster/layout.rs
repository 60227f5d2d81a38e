//! Where a host cluster keeps things: one state folder, and a runtime folder for what must not outlive a reboot.

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// Sockets, the lock and what `down` must restore. A fixed place, since socket paths have to be short and since it
/// tells `down` of the state folder when nobody else does.
pub(crate) const RUNTIME: &str = "/run/flotilla";

/// A file that says that a folder is a cluster's state, so that `down` never removes a folder that is not.
const MARK: &str = "flotilla-cluster";

/// The paths in a state folder.
#[derive(Clone)]
pub(crate) struct Layout {
    state: PathBuf,
}

impl Layout {
    /// The state folder that the environment or the user's rights say.
    pub(crate) fn from_environment() -> Result<Self> {
        let state = match std::env::var_os("FLOTILLA_CLUSTER_DIR").filter(|path| !path.is_empty()) {
            Some(path) => std::path::absolute(path)?,
            None if crate::host::is_root() => PathBuf::from("/var/lib/flotilla/cluster"),
            None => match std::env::home_dir() {
                Some(home) => home.join(".local/state/flotilla/cluster"),
                None => bail!("set FLOTILLA_CLUSTER_DIR: there is no home folder for the cluster's state"),
            },
        };
        Ok(Self { state })
    }

    /// A given state folder.
    pub(crate) fn at(state: PathBuf) -> Self {
        Self { state }
    }

    /// Makes the folder, or takes it over if it is ours.
    pub(crate) fn claim(&self) -> Result<()> {
        fs::create_dir_all(&self.state).with_context(|| format!("creating {}", self.state.display()))?;
        if !self.is_claimed() && fs::read_dir(&self.state)?.next().is_some() {
            bail!(
                "{} has files that are not a cluster's; name another folder by FLOTILLA_CLUSTER_DIR",
                self.state.display()
            );
        }
        fs::write(self.state.join(MARK), "").with_context(|| format!("writing in {}", self.state.display()))
    }

    /// Whether the folder is there and a cluster's.
    pub(crate) fn is_claimed(&self) -> bool {
        self.state.join(MARK).is_file()
    }

    pub(crate) fn state(&self) -> &Path {
        &self.state
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// The name of the provider that made the cluster.
    pub(crate) fn provider(&self) -> PathBuf {
        self.state.join("provider")
    }

    pub(crate) fn pki(&self) -> PathBuf {
        self.state.join("pki")
    }

    pub(crate) fn etcd(&self) -> PathBuf {
        self.state.join("etcd")
    }

    /// Generated configuration of components.
    pub(crate) fn config(&self) -> PathBuf {
        self.state.join("config")
    }

    /// What runs, one record a component.
    pub(crate) fn records(&self) -> PathBuf {
        self.state.join("run")
    }

    pub(crate) fn log(&self, component: &str) -> PathBuf {
        self.state.join("logs").join(format!("{component}.log"))
    }

    /// Persistent volumes.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.state.join("volumes")
    }
}

/// A node. Each has a network namespace of its own, so that nothing of the cluster (bridge, nftables, routes, ports)
/// mixes with the host's.
#[derive(Clone)]
pub(crate) struct Node {
    number: u8,
    layout: Layout,
}

impl Node {
    /// Node `number`, from 1.
    pub(crate) fn new(layout: &Layout, number: u8) -> Self {
        Self { number, layout: layout.clone() }
    }

    /// Its name in Kubernetes, and its network namespace's.
    pub(crate) fn name(&self) -> String {
        format!("{}{}", super::topology::NETNS_PREFIX, self.number)
    }

    pub(crate) fn number(&self) -> u8 {
        self.number
    }

    /// Its address on the bridge that joins nodes and host.
    pub(crate) fn address(&self) -> Ipv4Addr {
        Ipv4Addr::new(10, 200, 0, self.number)
    }

    /// The addresses of its pods: 4094 of them, since a test may make hundreds.
    pub(crate) fn pod_network(&self) -> String {
        format!("10.201.{}.0/20", (self.number - 1) * 16)
    }

    /// The file that stands for its network namespace.
    pub(crate) fn netns(&self) -> PathBuf {
        Path::new("/run/netns").join(self.name())
    }

    /// Its part of the state folder.
    pub(crate) fn folder(&self) -> PathBuf {
        self.layout.state().join("nodes").join(self.name())
    }

    /// Its part of the runtime folder.
    pub(crate) fn runtime(&self) -> PathBuf {
        Path::new(RUNTIME).join(self.name())
    }

    /// containerd's socket.
    pub(crate) fn containerd_socket(&self) -> PathBuf {
        self.runtime().join("containerd.sock")
    }
}

/// Addresses that all nodes share.
pub(crate) const NODES: &str = "10.200.0.0/24";
pub(crate) const PODS: &str = "10.201.0.0/16";
pub(crate) const SERVICES: &str = "10.202.0.0/16";
/// Addresses that gateways may be given. The host sends what is for them to the first node, whose kube-proxy knows to which
/// Service an address belongs.
pub(crate) const GATEWAYS: &str = "10.200.64.0/24";
/// The first Service address: `kubernetes.default`.
pub(crate) const API_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 202, 0, 1);
/// The cluster's DNS Service.
pub(crate) const DNS_SERVICE: Ipv4Addr = Ipv4Addr::new(10, 202, 0, 10);
